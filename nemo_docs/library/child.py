"""Child processes of the library: started from this package, spoken to in lines of JSON, gone with their parent.

Nothing that a child says is unpickled. A child looks at its standard input, which ends when the parent does, however
that came; so a kill leaves no process behind.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any


def start(module: str) -> subprocess.Popen[bytes]:
    """Start a module of ours as a process that Ctrl-C in this terminal does not reach; its two ends are pipes."""
    root = str(Path(__file__).parents[2])
    search = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        # -P: the folder that the user happens to stand in is no place to import from
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": search},
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it, whatever it does, with what it has started, and close its pipes."""
    process.kill()
    if os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):  # it leads a group of its own, and is not yet waited for
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # what a dead child never took is written once more here
                pipe.close()


class Messages:
    """The child's lines, taken with a time limit. A thread reads them, as no system can wait on all kinds of pipe."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._lines: queue.Queue[bytes] = queue.Queue(maxsize=8)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._thread.start()

    def _read(self, stdout: Any) -> None:
        for line in stdout:
            self._put(line)
        self._put(b"")

    def _put(self, line: bytes) -> None:
        while not self._closed.is_set():
            try:
                self._lines.put(line, timeout=0.2)
                return
            except queue.Full:
                continue

    def get(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message; empty at the child's end; None when the time is over."""
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None
        message: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
        return message

    def close(self) -> None:
        """End the thread; the child must have been killed before."""
        self._closed.set()
        self._thread.join()


def die_with_parent() -> None:
    """In a child: end as soon as standard input does, with all that it has started."""
    threading.Thread(target=_watch_stdin, daemon=True).start()


def _watch_stdin() -> None:
    with suppress(OSError):
        while os.read(0, 1):  # not sys.stdin, whose lock would be held when the interpreter ends
            pass
    if os.name == "posix" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)

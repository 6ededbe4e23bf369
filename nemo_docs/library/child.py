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
from collections.abc import Iterator
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


class Child:
    """A process of ours and what it says; it takes requests, one after the other.

    Args:
        module: Which one; see `start`.
    """

    def __init__(self, module: str) -> None:
        self._process = start(module)
        self._messages = Messages(self._process)

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request; one that has died says so in its next message."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def get(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message, as `Messages.get`."""
        return self._messages.get(timeout_s)

    def kill(self) -> None:
        """End it at once; whoever waits for a message gets the one that says so. Any thread may do it."""
        self._process.kill()

    def close(self) -> None:
        """End it, whatever it does, and all that belongs to it."""
        self._process.kill()
        self._messages.close()  # while its pipe is open: a thread reads it
        end(self._process)


class Children:
    """Processes of one kind that are kept from one piece of work to the next. Safe between threads.

    Args:
        module: Which kind; see `start`.
        most: How many work at once, before `take_if_free` gives no more.
    """

    def __init__(self, module: str, most: int = 1) -> None:
        self._module, self._most = module, most
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._is_closed = False

    def take(self) -> Child:
        """One that has nothing to do; a new one if there is none. Give it back, or drop it."""
        with self._lock:
            return self._take()

    def take_if_free(self) -> Child | None:
        """The same, unless as many work already as may at once."""
        with self._lock:
            return self._take() if len(self._busy) < self._most else None

    def _take(self) -> Child:
        found = self._idle.pop() if self._idle else Child(self._module)
        self._busy.add(found)
        if self._is_closed:
            found.kill()
        return found

    def give_back(self, used: Child) -> None:
        """Keep one that did its work and waits for more."""
        with self._lock:
            self._busy.discard(used)
            if not self._is_closed:
                self._idle.append(used)
                return
        used.close()

    def drop(self, used: Child) -> None:
        """End one that did not, or may not be trusted with more."""
        with self._lock:
            self._busy.discard(used)
        used.close()

    def close(self) -> None:
        """End those that are idle, and kill those that work: whoever waits for one of them is told, and drops it."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            for each in self._busy:
                each.kill()
        for each in idle:
            each.close()


def requests() -> Iterator[dict[str, Any]]:
    """In a child: what the parent asks for, one after the other; the process ends as soon as standard input does."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_take_requests, args=(lines,), daemon=True).start()
    while True:
        yield json.loads(lines.get())


def _take_requests(lines: queue.SimpleQueue[bytes]) -> None:
    begun = b""
    with suppress(OSError):
        while piece := os.read(0, 1 << 16):  # not sys.stdin, whose lock would be held when the interpreter ends
            *whole, begun = (begun + piece).split(b"\n")
            for line in whole:
                lines.put(line)
    os._exit(0)


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

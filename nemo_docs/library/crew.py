"""Several files read at once: threads that each have children read one, and a single line in which all they say comes.

The threads only wait for their children, so they do not get in the way of whoever writes the library. How far reading
may be ahead of writing is bounded for each file.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from io import BufferedReader

from nemo_docs.errors import Unreadable
from nemo_docs.library import extraction
from nemo_docs.library.child import Children
from nemo_docs.library.clean import clean_line
from nemo_docs.library.extraction import Limits, Opened, RawPage, extract
from nemo_docs.library.readers import HEAD_BYTES, READERS, reader_name

MOST_WORKERS = 8
_WORKER_BYTES = 1 << 30
"""Of the machine's memory for each worker, so that a small machine has few."""
_AHEAD = 32
"""Messages of one file that may wait to be taken."""


def usable_workers() -> int:
    """How many processes are to read at once: one for each core that this process may use, within reason."""
    import psutil  # type: ignore[import-untyped]

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, MOST_WORKERS, int(psutil.virtual_memory().total) // _WORKER_BYTES))


@dataclass(frozen=True, slots=True)
class Looked:
    """A file is there and a reader knows it; the thread waits for `Reading.go_on`."""

    sha256: str
    reader: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more comes of this file: all is read, or this is why not."""

    error: Exception | None


Message = Looked | Opened | RawPage | Ended


class Reading:
    """One file on its way through a thread.

    Args:
        path: Absolute path.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._room = threading.Semaphore(_AHEAD)
        self._start: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._is_stopped = False

    def go_on(self, start: int) -> None:
        """Have it read from a page on."""
        self._start.put(start)

    def stop(self) -> None:
        """Read no more of it; what it still says is of no interest."""
        self._is_stopped = True
        self._start.put(None)
        self._room.release()

    def taken(self) -> None:
        """One of its messages has been taken."""
        self._room.release()

    def read(
        self,
        tell: Callable[[Message], None],
        *,
        password: str | None,
        limits: Limits,
        children: Children,
        prepares: bool,
    ) -> None:
        """In a thread: look at the file, wait to be told where to start, read."""

        def say(message: Message) -> bool:
            self._room.acquire()
            if not self._is_stopped:
                tell(message)
            return not self._is_stopped

        looked = look_at(self.path, limits)
        if not say(looked) or (start := self._start.get()) is None:
            return
        with closing(
            extract(
                self.path,
                looked.reader,
                start=start,
                password=password,
                limits=limits,
                children=children,
                prepares=prepares,
            )
        ) as pages:
            for message in pages:
                if not say(message):
                    return


class Crew:
    """The threads and their children.

    Args:
        files: How many files are read at once.
        workers: How many children read at once; where there are more of them than files, some share one.
        password: For encrypted files.
        limits: What one file may cost.
    """

    def __init__(self, files: int, workers: int, *, password: str | None, limits: Limits) -> None:
        self._password, self._limits = password, limits
        self._prepares = files > 1  # beside one child this process makes pages ready, while that one reads on
        self._threads = ThreadPoolExecutor(files, thread_name_prefix="reading")
        self._children = Children(extraction.CHILD, workers)
        self._said: queue.SimpleQueue[tuple[Reading, Message]] = queue.SimpleQueue()
        self._readings: set[Reading] = set()

    def start(self, reading: Reading) -> None:
        """Read a file as soon as a thread is free."""
        self._readings.add(reading)
        self._threads.submit(self._read, reading)

    def get(self, timeout_s: float) -> tuple[Reading, Message] | None:
        """What is said next, by whichever file; None when the time is over."""
        try:
            reading, message = self._said.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if isinstance(message, Ended):
            self._readings.discard(reading)
        return reading, message

    def close(self) -> None:
        """End all, at once."""
        for reading in self._readings:
            reading.stop()
        self._children.close()
        self._threads.shutdown(cancel_futures=True)

    def _read(self, reading: Reading) -> None:
        error: Exception | None = None
        try:
            reading.read(
                lambda message: self._said.put((reading, message)),
                password=self._password,
                limits=self._limits,
                children=self._children,
                prepares=self._prepares,
            )
        except Exception as failure:  # whoever takes the messages decides what it means
            error = failure
        self._said.put((reading, Ended(error)))


def look_at(path: str, limits: Limits) -> Looked:
    """A file's SHA-256 and its reader.

    Raises:
        Unreadable: If it is no file that a reader knows.
    """
    name = clean_line(os.path.basename(path))
    if not os.path.exists(path):
        raise Unreadable(f"{name} cannot be read: it is a link that leads nowhere.", hint="Give the file itself.")
    if not os.path.isfile(path):
        raise Unreadable(f"{name} cannot be read: it is not a regular file.", hint="Give a file or a folder.")
    try:
        with open(path, "rb") as file:
            return _looked(file, path, name, limits)
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {error.strerror}.", hint="Check its permissions.") from error


def _looked(file: BufferedReader, path: str, name: str, limits: Limits) -> Looked:
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise Unreadable(f"{name} is empty: it has 0 bytes.", hint="Copy or download it again.")
    if size > limits.file_bytes:
        raise Unreadable(f"{name} has {size:,} bytes; the limit is {limits.file_bytes:,}.", hint="Split it.")
    reader = reader_name(path, file.read(HEAD_BYTES))
    if reader is None:
        raise Unreadable(f"{name} is of a kind that no reader knows.", hint=f"Readable are {', '.join(READERS)}.")
    file.seek(0)
    return Looked(hashlib.file_digest(file, "sha256").hexdigest(), reader)

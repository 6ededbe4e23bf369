"""A program on a terminal of its own: what it draws, and when. For POSIX systems."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from time import perf_counter
from types import TracebackType


class Terminal:
    """Runs a command on a pseudo terminal and notes the time of everything that it writes.

    Args:
        command: What to run.
        environment: Its environment.
        columns: Width.
        rows: Height.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, columns: int = 120, rows: int = 36
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.began = perf_counter()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=dict(environment), start_new_session=True
        )
        os.close(slave)
        self._is_over = threading.Event()
        self._news = threading.Condition()
        self._written: list[tuple[float, bytes]] = []
        self._text = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        """The terminal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the program, if it has not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the terminal, as its window does."""
        if self._master >= 0:
            master, self._master = self._master, -1
            self._is_over.set()
            self._reader.join()
            os.close(master)

    @property
    def written(self) -> bytes:
        """Everything that the program has written."""
        with self._news:
            return self._text

    @property
    def mark(self) -> int:
        """How much has been written so far, in bytes."""
        with self._news:
            return len(self._text)

    def send(self, data: bytes) -> float:
        """Type something; when."""
        now = perf_counter()
        left = memoryview(data)
        while left:
            left = left[os.write(self._master, left) :]
        return now

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)  # it is no terminal's foreground, which would be told

    def seen(self, wanted: bytes, since: int = 0, timeout_s: float = 60.0) -> float:
        """When some bytes had been written, behind a mark.

        Raises:
            TimeoutError: If they are not in this time.
        """
        until = perf_counter() + timeout_s
        with self._news:
            while (at := self._text.find(wanted, since)) < 0:
                left = until - perf_counter()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise TimeoutError(f"{wanted!r} was not drawn; the last was {self._text[-2000:]!r}")
                self._news.wait(min(left, 0.5))
            end, length = at + len(wanted), 0
            for when, data in self._written:
                length += len(data)
                if length >= end:
                    return when
        raise AssertionError("text and notes differ")

    def _read(self) -> None:
        master = self._master
        while not self._is_over.is_set():
            try:
                if not select.select([master], [], [], 0.2)[0]:
                    continue
                data = os.read(master, 1 << 16)
            except (OSError, ValueError):
                return
            if not data:
                return
            with self._news:
                self._written.append((perf_counter(), data))
                self._text += data
                self._news.notify_all()

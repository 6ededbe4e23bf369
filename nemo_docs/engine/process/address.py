"""Where the engine of a library listens, and how to find it.

A Unix socket in the folder of state, or where that path is too long for a socket (some 100 bytes) in a private folder
of the system's temporary one; on Windows a named pipe. The engine holds a lock for as long as it lives, which the
system releases however it ends, and writes its address beside it; so a socket or a note that a killed engine left
behind is never taken for a living one, and two engines never serve one library.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import TYPE_CHECKING

from nemo_docs.errors import EngineStopped
from nemo_docs.paths import private_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_SOCKET_PATH = 100
"""Bytes. macOS allows 103, Linux 107."""
_BACKLOG = 64
HELD = 3
"""What an engine exits with that finds another one in its place."""


@dataclass(frozen=True, slots=True)
class Note:
    """What an engine writes about itself."""

    address: str
    pid: int


class Place:
    """The files of one library's engine.

    Args:
        state: The folder of state.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self.log = state / "engine.log"
        """What the process printed; holds no text of documents."""
        self._note = state / "engine.json"
        self._lock = state / "engine.lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the engine of this library while the block runs.

        Raises:
            EngineStopped: If another process is.
        """
        from filelock import FileLock, Timeout

        private_folder(self.state)
        lock = FileLock(self._lock, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise EngineStopped("Another engine serves this library.") from None
        try:
            yield
        finally:
            self._note.unlink(missing_ok=True)
            lock.release()

    def is_held(self) -> bool:
        """Whether a living process is the engine of this library."""
        from filelock import FileLock, Timeout

        if not self._lock.exists():
            return False
        lock = FileLock(self._lock, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False

    def listen(self) -> Listener:
        """Open the socket, readable and writable by this user alone, and write down where it is."""
        address = self._free_address()
        before = os.umask(0o177)
        try:
            listener = Listener(address, backlog=_BACKLOG)
        finally:
            os.umask(before)
        write_private(self._note, json.dumps({"v": 1, "address": address, "pid": os.getpid()}))
        return listener

    def note(self) -> Note | None:
        """What the last engine wrote about itself; it may be gone."""
        try:
            found = json.loads(self._note.read_text(encoding="utf-8"))
            return Note(str(found["address"]), int(found["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def connect(self) -> Connection | None:
        """A connection to the engine; None if none listens."""
        note = self.note()
        if note is None:
            return None
        try:
            return Client(note.address)
        except (OSError, EOFError):
            return None

    def _free_address(self) -> str:
        if sys.platform == "win32":
            return rf"\\.\pipe\nemo-docs-{os.getpid()}-{os.urandom(8).hex()}"
        path = self.state / "engine.sock"
        if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
            path = _temporary_folder() / f"{hashlib.sha256(os.fsencode(self.state)).hexdigest()[:16]}.sock"
        with suppress(FileNotFoundError):
            path.unlink()  # of an engine that was killed: who holds the lock is the only one
        return str(path)


def _temporary_folder() -> Path:
    """A folder for sockets that belongs to this user alone.

    Raises:
        EngineStopped: If somebody else has made it.
    """
    folder = Path(tempfile.gettempdir()) / f"nemo-docs-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise EngineStopped(
            f"The folder {folder} is not private to this user.", hint="Remove it, or run with --in-process."
        )
    return folder

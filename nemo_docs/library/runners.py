"""Who works on what: a name that lives exactly as long as its process.

A runner holds a lock on a file of its own, which the system releases however the process ends. So a row that names a
runner is being worked on if and only if that lock is held: no clock is compared, no process number is trusted, and a
killed runner leaves at worst an empty file, which the next one clears away.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from nemo_docs.errors import LibraryError
from nemo_docs.paths import private_folder


class Runner:
    """One who works, while the block runs. A context manager.

    Args:
        library: The database that is worked on.

    Raises:
        LibraryError: If its lock cannot be made.
    """

    name: str
    """Never the same for two runners."""

    def __init__(self, library: Path) -> None:
        self.name = uuid.uuid4().hex
        self._file = _file(library, self.name)
        self._lock = FileLock(self._file, mode=0o600, thread_local=False)

    def __enter__(self) -> Runner:
        """Take the lock, under a name that nobody else has."""
        try:
            private_folder(self._file.parent)
            self._lock.acquire(timeout=0)
        except OSError as error:
            raise LibraryError(
                f"The folder {self._file.parent} cannot be written: {error.strerror or error}.",
                hint="Check that the disk is not full and that the folder can be written.",
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go."""
        self._lock.release()
        _delete(self._file)


def gone(library: Path, names: Iterable[str]) -> frozenset[str]:
    """Those of some runners that have ended, in whatever way; their lock files are cleared away."""
    return frozenset(name for name in names if _is_gone(_file(library, name)))


def _is_gone(file: Path) -> bool:
    if not file.exists():
        return True
    lock = FileLock(file, mode=0o600, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError:  # a file system without locks, or a folder that cannot be written: nobody is robbed of his work
        return False
    lock.release()
    _delete(file)
    return True


def _file(library: Path, name: str) -> Path:
    return Path(os.path.realpath(library.parent)) / "adding" / f"{name}.lock"


def _delete(file: Path) -> None:
    with suppress(OSError):  # another process may look at it just now (Windows), or have been faster
        file.unlink()

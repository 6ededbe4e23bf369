"""Work that one program at a time does, such as reading a queue: whoever holds the lock on its file has the turn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock


def turn(file: Path) -> BaseFileLock:
    """The lock of a piece of work, not yet taken; its folder must be there."""
    from filelock import FileLock

    return FileLock(file, mode=0o600, thread_local=False)


def is_taken(lock: BaseFileLock) -> bool:
    """Take the turn, if nobody has it; the system lets it go if the process is killed."""
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True

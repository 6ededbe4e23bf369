"""Reading and writing in a folder whose content is not trusted: links are not followed, files come whole or not at all.

A file is written under a name of its own, synced and renamed. The name tells which process wrote it, so that what a
killed one left behind is known and can be swept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import time
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

STALE_S = 3600
"""A temporary file this old is nobody's, whoever has its process's number now."""
_TEMPORARY = re.compile(r"\..+-(\d{1,10})-[0-9a-f]{16}\.tmp", re.ASCII)
_MAX_JSON_BYTES = 1 << 24
_READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe in a file's place must not hold us up
)
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class Opened(FileIO):
    """An ordinary file, open for reading."""

    size: int
    """Its length when it was opened."""


def is_folder(path: Path) -> bool:
    """Whether a folder is there; a link to one is none."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def file_size(path: Path) -> int:
    """Length of an ordinary file in a folder of ours; 0 where there is none, or something else."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) and is_folder(path.parent) else 0


def changed(path: Path) -> float:
    """When a file was last written, in seconds since the epoch; 0 if it is not there."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def open_file(path: Path) -> Opened:
    """Open an ordinary file for reading.

    Raises:
        OSError: It is not there, cannot be read, or is something else.
    """
    if stat.S_ISLNK(os.lstat(path).st_mode):  # for systems that cannot refuse links while opening
        raise OSError("it is a link")
    file = Opened(os.open(path, _READ_FLAGS), "rb")
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        file.close()
        raise OSError("it is no ordinary file")
    file.size = found.st_size
    return file


def read_json(path: Path) -> Any:
    """What a small file of ours says; None where there is none, or nothing that can be read."""
    try:
        with open_file(path) as file:
            return json.loads(file.read(min(file.size, _MAX_JSON_BYTES)))
    except (OSError, ValueError, RecursionError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Replace a small file of ours.

    Raises:
        OSError: The disk refuses; the old file stays.
    """
    write_file(path, memoryview(json.dumps(value, indent=1).encode()))


def write_file(path: Path, data: memoryview) -> None:
    """Write a file, readable by its owner alone, so that it is there whole or not at all, after a power cut too.

    Raises:
        OSError: The disk refuses. Nothing is left behind.
    """
    temporary = path.with_name(f".{path.stem}-{os.getpid()}-{os.urandom(8).hex()}.tmp")
    try:
        with FileIO(os.open(temporary, _WRITE_FLAGS, 0o600), "wb") as file:
            done = 0
            while done < len(data):
                done += file.write(data[done:])
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, readable by its owner alone; whatever else is in its place goes.

    Raises:
        OSError: It cannot be made.
    """
    if os.path.lexists(path) and not is_folder(path):
        path.unlink()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def remove(path: Path) -> None:
    """Remove whatever lies there, if anything does; not where a link leads.

    Raises:
        OSError: It cannot be removed.
    """
    if is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def listing(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds; nothing if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def is_temporary(name: str) -> bool:
    """Whether a file was written here, and not finished."""
    return _TEMPORARY.fullmatch(name) is not None


def is_abandoned(path: Path) -> bool:
    """Whether nobody is writing a temporary file any more."""
    match = _TEMPORARY.fullmatch(path.name)
    if match is None or time.time() - changed(path) > STALE_S:
        return match is not None
    if os.name != "posix":
        return False  # there is no asking whether a process lives without stopping it
    try:
        os.kill(int(match[1]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False  # it lives, and is another user's
    return False


def _sync_folder(folder: Path) -> None:
    """Make a new name outlive a power cut, where the system lets a folder be synced."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

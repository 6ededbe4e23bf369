"""Where blocks lie in a folder, and how one is opened without trusting what lies there.

    <seed, 16 digits>/identity.json
    <seed, 16 digits>/shares.json
    <seed, 16 digits>/<2 digits of key>/<key, 64 digits>.kv
    pins.json

The folder itself may be a link, to a larger disk; nothing inside it is followed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

SUFFIX = ".kv"
"""Of a block's file."""
IDENTITY_FILE = "identity.json"
"""How the rows in a seed's folder were computed."""
SHARES_FILE = "shares.json"
"""How much of each text a seed's folder holds."""
STALE_S = 3600
"""A temporary file this old is nobody's, whoever has its process's number now."""
_SEED_DIGITS = 16
_MAX_JSON_BYTES = 1 << 24
_TEMPORARY = re.compile(r"\.[0-9a-f]{64}-(\d{1,10})-[0-9a-f]+\.tmp")
_READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe in a file's place must not hold us up
    | getattr(os, "O_CLOEXEC", 0)
)
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Found(NamedTuple):
    """A block's file, as its folder lists it."""

    path: Path
    """Where it lies."""
    n_bytes: int
    """Its length."""
    used: float
    """When it was last used, in seconds since the epoch."""


class BlockFile(FileIO):
    """An ordinary file, open for reading."""

    size: int
    """Its length when it was opened."""


def seed_folder(folder: Path, seed: bytes) -> Path:
    """Where the blocks lie whose chains begin with a seed."""
    return folder / seed.hex()[:_SEED_DIGITS]


def block_path(home: Path, key: str) -> Path:
    """Where a block lies in its seed's folder."""
    return home / key[:2] / (key + SUFFIX)


def temporary_path(target: Path) -> Path:
    """A name of our own beside a block's, for the time that it is written."""
    return target.with_name(f".{target.stem}-{os.getpid()}-{os.urandom(8).hex()}.tmp")


def file_size(path: Path) -> int:
    """Length of a block's file; 0 where there is none, or something else."""
    try:
        found = os.lstat(path)
        return found.st_size if stat.S_ISREG(found.st_mode) and _is_folder(path.parent) else 0
    except (OSError, ValueError):
        return 0


def leading(home: Path, keys: Sequence[str]) -> int:
    """How many leading blocks are there. Nothing is opened."""
    return next((at for at, key in enumerate(keys) if not file_size(block_path(home, key))), len(keys))


def changed(path: Path) -> float:
    """When a file was last written, in seconds since the epoch; 0 if it is not there."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def open_block(path: Path) -> BlockFile:
    """Open a block's file for reading.

    Raises:
        OSError: There is none, it cannot be read, or it is no ordinary file.
    """
    if not _is_folder(path.parent):
        raise OSError(f"{path.parent} is no folder")
    return _open(path)


def read_json(path: Path) -> Any:
    """What a small file of ours says; None where there is none, or nothing that can be read."""
    try:
        with _open(path) as file:
            return json.loads(file.read(_MAX_JSON_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


def make_folder(path: Path) -> None:
    """Make a folder in a folder of ours, readable by its owner alone; whatever else is in its place goes.

    Raises:
        OSError: It cannot be made.
    """
    if os.path.lexists(path) and not _is_folder(path):
        remove(path)
    path.mkdir(mode=0o700, exist_ok=True)


def create_file(path: Path) -> FileIO:
    """Make a file that was not there, readable by its owner alone, open for writing.

    Raises:
        OSError: It cannot be made.
    """
    return FileIO(os.open(path, _WRITE_FLAGS, 0o600), "wb")


def sync_folder(folder: Path) -> None:
    """Make names in a folder outlive a power cut, where the system lets a folder be synced."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove what lies in a block's place, if anything does and whatever it is; not where a link leads.

    Raises:
        OSError: It cannot be removed.
    """
    if os.path.lexists(path) and _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def seed_folders(folder: Path) -> list[Path]:
    """Folders of every seed."""
    return _folders(folder, "[0-9a-f]{16}")


def scan(home: Path) -> Iterator[Found]:
    """Whatever lies in a block's place in a seed's folder: names and lengths, nothing is opened."""
    for entry in _shelved(home):
        if entry.name.endswith(SUFFIX):
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # gone meanwhile
            yield Found(Path(entry.path), found.st_size, found.st_mtime)


def temporary_files(home: Path, *, living: bool) -> list[Path]:
    """Files of writers that did not finish; with `living` also of those that may yet."""
    return [
        Path(entry.path)
        for entry in _shelved(home)
        if (match := _TEMPORARY.fullmatch(entry.name)) and (living or _is_stale(entry, int(match[1])))
    ]


def _open(path: Path) -> BlockFile:
    if stat.S_ISLNK(os.lstat(path).st_mode):  # for systems that cannot refuse links while opening
        raise OSError(f"{path} is a link")
    file = BlockFile(os.open(path, _READ_FLAGS), "rb")
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        file.close()
        raise OSError(f"{path} is no file")
    file.size = found.st_size
    return file


def _is_stale(entry: os.DirEntry[str], process: int) -> bool:
    try:
        if time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_S:
            return True
        if os.name != "posix":
            return False  # there is no asking whether a process lives without stopping it
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False  # gone meanwhile, or somebody else's
    return False


def _shelved(home: Path) -> Iterator[os.DirEntry[str]]:
    return chain.from_iterable(map(_listing, _folders(home, "[0-9a-f]{2}")))


def _folders(folder: Path, names: str) -> list[Path]:
    return sorted(
        Path(entry.path)
        for entry in _listing(folder)
        if re.fullmatch(names, entry.name) and entry.is_dir(follow_symlinks=False)
    )


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds; nothing if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(os.lstat(path).st_mode)

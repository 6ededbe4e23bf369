"""Where things lie in a store's folder.

    <seed, 16 digits>/identity.json
    <seed, 16 digits>/shares.json
    <seed, 16 digits>/<2 digits of key>/<key, 64 digits>.kv
    pins.json

The folder itself may be a link, to a larger disk; nothing inside it is followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from nemo_docs.kv.files import Opened, file_size, is_folder, is_temporary, listing, open_file

SUFFIX = ".kv"
"""Of a block's file."""
IDENTITY_FILE = "identity.json"
"""How the rows in a seed's folder were computed."""
SHARES_FILE = "shares.json"
"""How much of each text a seed's folder holds."""
PINS_FILE = "pins.json"
"""Texts that are pinned."""
SEED_DIGITS = 16
"""Of a seed, in its folder's name."""


class Found(NamedTuple):
    """A block's file, as its folder lists it."""

    path: Path
    """Where it lies."""
    n_bytes: int
    """Its length."""
    used: float
    """When it was last used, in seconds since the epoch."""


def seed_folder(folder: Path, seed: bytes) -> Path:
    """Where the blocks lie whose chains begin with a seed."""
    return folder / seed.hex()[:SEED_DIGITS]


def block_path(home: Path, key: str) -> Path:
    """Where a block lies in its seed's folder."""
    return home / key[:2] / (key + SUFFIX)


def open_block(path: Path) -> Opened:
    """Open a block's file for reading.

    Raises:
        OSError: It is not there, cannot be read, or is no ordinary file in a folder of ours.
    """
    if not is_folder(path.parent):
        raise OSError("it is in no folder of ours")
    return open_file(path)


def is_empty(home: Path) -> bool:
    """Whether a seed's folder holds no block."""
    return next(scan(home), None) is None


def leading(home: Path, keys: Sequence[str]) -> int:
    """How many leading blocks are there. Nothing is opened."""
    return next((at for at, key in enumerate(keys) if not file_size(block_path(home, key))), len(keys))


def seed_folders(folder: Path) -> list[Path]:
    """Folders of every seed."""
    return _folders(folder, f"[0-9a-f]{{{SEED_DIGITS}}}")


def scan(home: Path) -> Iterator[Found]:
    """Whatever lies in a block's place in a seed's folder: names and lengths, nothing is opened."""
    for entry in chain.from_iterable(map(listing, _shelves(home))):
        if entry.name.endswith(SUFFIX):
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # gone meanwhile
            yield Found(Path(entry.path), found.st_size, found.st_mtime)


def temporary_files(folder: Path) -> list[Path]:
    """Files of the whole store that are being written, or were when their writer died."""
    homes = seed_folders(folder)
    everywhere = [folder, *homes, *chain.from_iterable(map(_shelves, homes))]
    return [Path(entry.path) for each in everywhere for entry in listing(each) if is_temporary(entry.name)]


def _shelves(home: Path) -> list[Path]:
    return _folders(home, "[0-9a-f]{2}")


def _folders(folder: Path, names: str) -> list[Path]:
    return sorted(
        Path(entry.path)
        for entry in listing(folder)
        if re.fullmatch(names, entry.name) and entry.is_dir(follow_symlinks=False)
    )

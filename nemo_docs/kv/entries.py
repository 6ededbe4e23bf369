"""The blocks that a folder holds, as their files' beginnings describe them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nemo_docs.kv import places
from nemo_docs.kv.block_layout import Header, read_header


@dataclass(frozen=True, slots=True)
class Entry:
    """One block's file. What it says is not checked against its bytes."""

    path: Path
    """Where it lies."""
    seed: str
    """Its folder's name: the first 16 digits of the seed."""
    key: str
    """Its name."""
    n_bytes: int
    """Length of the file."""
    used: float
    """When it was last used, in seconds since the epoch."""
    header: Header | None
    """What it says of itself; None where that cannot be read, or names another block."""

    @property
    def labels(self) -> tuple[tuple[str, int], ...]:
        """Texts that it depends on, its own last: label and tokens of the whole text."""
        return self.header.labels if self.header else ()

    @property
    def tokens(self) -> int:
        """Tokens that it holds."""
        return self.header.tokens if self.header else 0

    @property
    def start(self) -> int:
        """Where its first token stands."""
        return self.header.start if self.header else 0

    @property
    def parent(self) -> str:
        """The block before it, or the whole seed."""
        return self.header.parent if self.header else ""


class Headers:
    """Headers that were read before. A name tells what a file holds, so what was read once stays true."""

    def __init__(self) -> None:
        self._known: dict[Path, Header] = {}

    def of(self, path: Path) -> Header | None:
        """The header of a block's file; None if it cannot be read, or is of another block than the file's name says."""
        if (known := self._known.get(path)) is None:
            known = read_header(path)
            if known is None or _place(path.parents[2], known) != path:
                return None
            self._known[path] = known
        return known

    def keep(self, paths: set[Path]) -> None:
        """Forget all others."""
        self._known = {path: known for path, known in self._known.items() if path in paths}


def entries(folder: Path, headers: Headers | None = None, *, seed: bytes | None = None) -> Iterator[Entry]:
    """All blocks of a folder, damaged ones too.

    Args:
        folder: Of the store.
        headers: Those read before, if anybody keeps them.
        seed: Only blocks of this one.
    """
    known = Headers() if headers is None else headers
    for home in places.seed_folders(folder) if seed is None else [places.seed_folder(folder, seed)]:
        for path, n_bytes, used in places.scan(home):
            yield Entry(path, home.name, path.stem, n_bytes, used, known.of(path))


def _place(folder: Path, header: Header) -> Path:
    return places.block_path(places.seed_folder(folder, bytes.fromhex(header.seed)), header.key)

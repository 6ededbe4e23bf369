"""What commands ask of stored blocks and do with them: list, check, remove, pin. Needs no model and no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from nemo_docs.kv import places
from nemo_docs.kv.block_layout import MAX_FILE_BYTES, Damaged, inspect
from nemo_docs.kv.entries import Entry, entries
from nemo_docs.kv.eviction import standings
from nemo_docs.kv.files import remove
from nemo_docs.kv.introduction import find_identity, read_asks, read_identity
from nemo_docs.kv.pins import pin, pinned, unpin
from nemo_docs.kv.shares import shares

__all__ = [
    "Entry", "entries", "find_identity", "held", "is_empty", "pin", "pinned", "purge", "read_asks", "read_identity",
    "remove", "shares", "sizes", "unpin", "verify",
]  # fmt: skip


def sizes(folder: Path) -> list[int]:
    """Bytes of every block's file; nothing is opened."""
    return [found.n_bytes for home in places.seed_folders(folder) for found in places.scan(home)]


def is_empty(folder: Path, seed: bytes) -> bool:
    """Whether no block of an identity is stored."""
    return places.is_empty(places.seed_folder(folder, seed))


def held(folder: Path, seed: bytes, keys: list[str]) -> int:
    """How many leading blocks are stored, for those who have no store open."""
    return places.leading(places.seed_folder(folder, seed), keys)


def verify(folder: Path, on_block: Callable[[], None] = lambda: None) -> Iterator[tuple[Path, str]]:
    """Read every byte of every block.

    Args:
        folder: Of the store.
        on_block: Told of each block that was read.

    Yields:
        Each file that cannot be used, and what is wrong with it: the end of a sentence that begins with the file.
    """
    for home in places.seed_folders(folder):
        identity = read_identity(home)
        if identity is None:
            yield home / places.IDENTITY_FILE, "does not describe the folder that it is in"
        for found in sorted(places.scan(home)):
            problem = _problem(found.path)
            on_block()
            if problem:
                yield found.path, problem


def _problem(path: Path) -> str:
    try:
        with places.open_block(path) as file:
            if not file.size:
                return "is empty"
            if file.size > MAX_FILE_BYTES:
                return f"has {file.size} bytes, more than a block can have"
            header = inspect(memoryview(file.read(file.size)))
    except Damaged as damage:
        return str(damage)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    home = path.parent.parent
    if header.seed[: len(home.name)] != home.name:
        return "was computed by another model, or in another way, than its folder says"
    if places.block_path(home, header.key) != path:
        return "is another block than its name says"
    return ""


def purge(
    folder: Path, label: str | None = None, seed: bytes | None = None, *, pinned_too: bool = False
) -> tuple[int, int]:
    """Remove blocks.

    Args:
        folder: Of the store.
        label: Only those that depend on this text, whether it is pinned or not, and its pin; None for all.
        seed: Only those of this identity (all 32 bytes, or the eight that its folder is named by); None for all.
        pinned_too: Whether to remove all even where texts are pinned.

    Returns:
        How many were removed, and their bytes. What cannot be read goes too, since nobody knows what it holds.

    Raises:
        OSError: The disk refuses; what was removed until then stays removed.
    """
    kept = set() if label is not None or pinned_too else pinned(folder)
    n_blocks = n_bytes = 0
    for path in places.temporary_files(folder):  # whoever is writing one does so once more
        remove(path)
    for home in places.seed_folders(folder) if seed is None else [places.seed_folder(folder, seed)]:
        for entry, standing in standings(entries(folder, seed=bytes.fromhex(home.name)), kept):
            concerned = label is None or entry.header is None or any(label == each for each, _ in entry.labels)
            if concerned and not standing.pinned:
                remove(entry.path)
                n_blocks, n_bytes = n_blocks + 1, n_bytes + entry.n_bytes
        remove(home / places.SHARES_FILE)
    if label is not None and seed is None:
        unpin(folder, label)
    return n_blocks, n_bytes

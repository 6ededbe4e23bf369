"""What the store of read documents holds, by model and document, with the names that the library and the user know.

The store knows labels alone: the hash of the file's bytes that a text came from. The library tells whose they are, and
which belong to a document that has gone or to an earlier version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_docs.backends.shares import name_of
from nemo_docs.commands.check import free_bytes
from nemo_docs.kv import catalogue
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import Document
from nemo_docs.settings import Configuration


@dataclass(frozen=True, slots=True)
class Reader:
    """A model that has read something, and how."""

    name: str
    """What the user calls it."""
    precision: str
    """Of its weights."""
    kv: str
    """The form in which what it read is kept."""
    device: str
    """Class of the processor that it ran on."""

    def __str__(self) -> str:
        numbers = "on its file's grid" if self.precision == "file" else f"in {self.precision}"
        return f"{self.name} {numbers}, KV in {self.kv}, on {self.device}"


@dataclass(frozen=True, slots=True)
class Holding:
    """What is stored of one text for one model."""

    reader: Reader
    label: str
    """The hash of the file's bytes; empty for what stands before all texts."""
    documents: tuple[str, ...]
    """Handles of those that have this text; none if they were removed."""
    title: str
    """Of the first of them; hostile text."""
    is_current: bool
    """Whether it is the current version of one of them."""
    tokens: int
    """That need not be read again."""
    of: int
    """In the whole text."""
    blocks: int
    n_bytes: int
    used: float
    """When it last was, in seconds since the epoch."""
    is_pinned: bool


@dataclass(frozen=True, slots=True)
class Room:
    """What the store takes and may take."""

    folder: Path
    blocks: int
    n_bytes: int
    budget_bytes: int
    free_bytes: int
    """On its disk."""
    floor_bytes: int
    """What stays free there."""


def holdings(configuration: Configuration, library: LibraryReader) -> list[Holding]:
    """What is stored, model by model: documents of the library in their order, then what was removed, then the rest."""
    folder = configuration.paths.kv
    documents = {each.handle: each for each in library.documents()}
    owners, pinned = library.version_hashes(), catalogue.pinned(folder)
    groups: dict[tuple[str, str], list[catalogue.Entry]] = defaultdict(list)
    for entry in catalogue.entries(folder):
        groups[entry.seed, entry.labels[-1][0] if entry.labels else ""].append(entry)
    readers = {name: _reader(folder / name, configuration.paths.models) for name in {seed for seed, _ in groups}}
    shares = {name: _shares(folder, name) for name in readers}
    rows = []
    for (seed, label), blocks in groups.items():
        having = [each for handle, each in documents.items() if handle in owners.get(label, ())]
        total = sum(block.tokens for block in blocks)
        tokens, of = shares[seed].get(label, (0, blocks[0].labels[-1][1])) if label else (total, total)
        rows.append(
            Holding(
                reader=readers[seed],
                label=label,
                documents=tuple(each.handle for each in having),
                title=having[0].title if having else "",
                is_current=any(each.sha256 == label for each in having),
                tokens=tokens,
                of=of,
                blocks=len(blocks),
                n_bytes=sum(block.n_bytes for block in blocks),
                used=max(block.used for block in blocks),
                is_pinned=label in pinned,
            )
        )
    return sorted(rows, key=lambda row: (str(row.reader), not row.label, _place(row, documents)))


def room(configuration: Configuration) -> Room:
    """What the store takes, and what it may."""
    from nemo_docs.kv.store import BUDGET_SHARE

    folder, settings = configuration.paths.kv, configuration.settings
    sizes = catalogue.sizes(folder)
    free = free_bytes(folder)
    budget = (free + sum(sizes)) // BUDGET_SHARE if settings.store_size is None else settings.store_size
    return Room(folder, len(sizes), sum(sizes), budget, free, settings.store_floor)


def as_data(row: Holding) -> dict[str, Any]:
    """A holding as plain data."""
    from datetime import UTC, datetime

    return {
        "model": row.reader.name,
        "precision": row.reader.precision,
        "kv": row.reader.kv,
        "device": row.reader.device,
        "label": row.label,
        "documents": row.documents,
        "title": row.title,
        "is_current": row.is_current,
        "tokens_read": row.tokens,
        "tokens": row.of,
        "blocks": row.blocks,
        "bytes": row.n_bytes,
        "used": datetime.fromtimestamp(row.used, UTC).isoformat(timespec="seconds"),
        "is_pinned": row.is_pinned,
    }


def _reader(home: Path, models: Path) -> Reader:
    """Who read what lies in a folder."""
    identity, asked = catalogue.read_identity(home), catalogue.read_asks(home)
    if identity is None:
        return Reader(f"an unknown model ({home.name})", "unknown", "unknown", "unknown")
    name = name_of(asked[-1], models) if asked else f"a model ({home.name})"
    return Reader(name, identity.precision, identity.kv, identity.device)


def _shares(folder: Path, name: str) -> Mapping[str, tuple[int, int]]:
    identity = catalogue.read_identity(folder / name)
    return catalogue.shares(folder, identity.seed) if identity else {}


def _place(row: Holding, documents: Mapping[str, Document]) -> tuple[int, str]:
    """Documents in the library's order, those that were removed behind them."""
    return ([*documents].index(row.documents[0]) if row.documents else len(documents), row.label)

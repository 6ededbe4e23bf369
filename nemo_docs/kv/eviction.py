"""Which blocks go when there is no room for more.

Least recently used first, pinned last, and never what is in use. A block without those before it is worth nothing, so a
block counts as used, pinned or in use whenever one behind it does, and of equally old ones the last goes first: chains
are always shortened from their ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import inf
from typing import NamedTuple

from nemo_docs.kv.entries import Entry

IN_USE_S = 60
"""What any process used so recently is taken to be in use."""


def victims(
    blocks: Iterable[Entry], n_bytes: int, *, pinned: Collection[str], in_use: Collection[str], now: float
) -> list[Entry]:
    """Blocks to remove, in order, to free so many bytes; fewer bytes if there is no more.

    Args:
        blocks: All that there are, of every identity.
        n_bytes: To free.
        pinned: Labels of texts that go last.
        in_use: Keys of blocks that stay.
        now: Seconds since the epoch.
    """
    ranked = [
        (standing.pinned, standing.used, -entry.start, entry)
        for entry, standing in standings(blocks, pinned, in_use, now)
        if not standing.busy
    ]
    ranked.sort(key=lambda each: each[:3])
    chosen, freed = [], 0
    for *_, entry in ranked:
        if freed >= n_bytes:
            break
        chosen.append(entry)
        freed += entry.n_bytes
    return chosen


def standings(
    blocks: Iterable[Entry], pinned: Collection[str], in_use: Collection[str] = (), now: float = inf
) -> list[tuple[Entry, Standing]]:
    """What each block is worth, those behind it included; arguments as for `victims`."""
    known: dict[tuple[str, str], Standing] = {}
    judged = []
    for entry in sorted(blocks, key=lambda each: each.start, reverse=True):  # whoever stands behind comes first
        own = Standing(
            busy=entry.key in in_use or (entry.header is not None and abs(now - entry.used) < IN_USE_S),
            pinned=any(label in pinned for label, _ in entry.labels),
            used=entry.used if entry.header is not None else -inf,  # a block that cannot be read is used by nobody
        )
        standing = own.joined(known.get((entry.seed, entry.key), own))
        before = (entry.seed, entry.parent)
        known[before] = standing.joined(known.get(before, standing))
        judged.append((entry, standing))
    return judged


class Standing(NamedTuple):
    """What speaks against removing a block."""

    busy: bool
    """It is in use."""
    pinned: bool
    """It belongs to a text that is pinned."""
    used: float
    """When it was last used, in seconds since the epoch."""

    def joined(self, other: Standing) -> Standing:
        """What speaks against removing two."""
        return Standing(self.busy or other.busy, self.pinned or other.pinned, max(self.used, other.used))

"""How much of each text is stored, for display: a file that is made from headers, and made again when it is outdated.

Only blocks count whose whole chain is there, since no other can be used. A text that stands behind different others is
stored once for each: what counts is the place where most of it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nemo_docs.kv import places
from nemo_docs.kv.entries import Entry, Headers, entries
from nemo_docs.kv.files import read_json, write_json

Shares = dict[str, tuple[int, int]]
"""Label of a text: tokens stored, tokens in all."""


def shares(folder: Path, seed: bytes) -> Shares:
    """How much of each text is stored for one identity.

    As it was noted, if the folder holds as many blocks as then; else read from headers, and noted if the disk lets us.
    """
    home = places.seed_folder(folder, seed)
    n_blocks = sum(1 for _ in places.scan(home))
    noted = _read(read_json(home / places.SHARES_FILE), n_blocks)
    if noted is not None or not n_blocks:
        return noted or {}
    try:
        return write_shares(folder, seed, Headers())
    except OSError:
        return count_shares(entries(folder, seed=seed))


def write_shares(folder: Path, seed: bytes, headers: Headers) -> Shares:
    """Count what is stored for one identity, and note it.

    Raises:
        OSError: The disk refuses.
    """
    blocks = list(entries(folder, headers, seed=seed))
    counted = count_shares(blocks)
    noted = {"blocks": len(blocks), "shares": counted}
    write_json(places.seed_folder(folder, seed) / places.SHARES_FILE, noted)
    return counted


def count_shares(blocks: Iterable[Entry]) -> Shares:
    """How much of each text these blocks of one identity hold.

    A block belongs to whoever wrote it first. Where two versions of a text begin alike, what they share counts for each
    of which more than that is stored.
    """
    reachable: dict[str, Entry] = {}
    stored: dict[str, dict[tuple[str, ...], dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    in_all: dict[str, int] = {}
    for entry in sorted(blocks, key=lambda each: each.start):
        if entry.header is None or not (entry.start == 0 or entry.parent in reachable):
            continue
        reachable[entry.key] = entry
        if entry.labels:
            *before, (label, in_all_tokens) = entry.labels
            in_all[label] = in_all_tokens
            behind = tuple(each for each, _ in before)
            mine, at = stored[label][behind], entry
            while at.key not in mine and at.labels and at.labels[-1][0] not in behind:
                mine[at.key] = at.tokens
                at = reachable.get(at.parent, at)
    return {
        label: (min(max(sum(each.values()) for each in ways.values()), in_all[label]), in_all[label])
        for label, ways in stored.items()
    }


def _read(noted: Any, n_blocks: int) -> Shares | None:
    """What was noted of so many blocks; None if it was of others, or cannot be understood."""
    try:
        if noted["blocks"] != n_blocks:
            return None
        return {str(label): (int(stored), int(in_all)) for label, (stored, in_all) in noted["shares"].items()}
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return None

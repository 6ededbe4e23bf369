"""Blocks of made-up rows in a real store: what commands see of a document that was read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nemo_docs.kv.identity import Identity
from nemo_docs.kv.store import BlockStore
from tests.unit.kv.stored import IDENTITY, blocks_of, fill, open_store


def keep(
    folder: Path,
    texts: Sequence[tuple[str, Sequence[int]]],
    *,
    identity: Identity = IDENTITY,
    asks: str = "{}",
    of: int = 0,
) -> BlockStore:
    """Store one window: a preamble of three tokens, then texts, each by its label and its tokens.

    Args:
        folder: Of the store.
        texts: In order.
        identity: Who has read it.
        asks: What was asked for.
        of: Tokens of each whole text; those that are stored if not given.
    """
    ids, ends = [1, 2, 3], [3]
    labels: list[tuple[tuple[str, int], ...]] = [()]
    for label, tokens in texts:
        ids += tokens
        ends.append(len(ids))
        labels.append((*labels[-1], (label, of or len(tokens))))
    store = open_store(folder, identity, asks=asks)
    fill(store, blocks_of(ids, ends, labels, identity=identity))
    return store

"""Real blocks in a real store, with numbers that are made up: what commands see of a document that was read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from nemo_docs.kv.block_file import describe, pack
from nemo_docs.kv.chain import block_plan, chain
from nemo_docs.kv.form import Rows
from nemo_docs.kv.identity import Identity
from nemo_docs.kv.store import BlockStore

IDENTITY = Identity(
    weights="f" * 64,
    adapter="",
    config="{}",
    precision="fp32",
    arithmetic="fp32",
    kv="full",
    chunk_tokens=256,
    device="cpu",
    torch="2",
    kernels="{}",
    tokenizer="e" * 64,
)


def keep(
    folder: Path,
    texts: Sequence[tuple[str, Sequence[int]]],
    *,
    preamble: Sequence[int] = (1, 2, 3),
    identity: Identity = IDENTITY,
    asks: str = "{}",
    of: int = 0,
) -> BlockStore:
    """Store one window: the preamble, then texts, each by its label and its tokens.

    Args:
        folder: Of the store.
        texts: In order.
        preamble: What stands before them.
        identity: Who has read it.
        asks: What was asked for.
        of: Tokens of each whole text; those that are stored if not given.
    """
    store = BlockStore(folder, identity, asks=asks, budget_bytes=10**9, floor_bytes=0)
    ids, ends, starts = list(preamble), [len(preamble)], []
    for label, tokens in texts:
        starts.append((len(ids), label, of or len(tokens)))
        ids += tokens
        ends.append(len(ids))
    plan = block_plan(ends)
    parent = store.seed.hex()
    for block, key in zip(plan, chain(store.seed, ids, plan), strict=True):
        labels = [(label, whole) for start, label, whole in starts if start < block.end]
        rows = Rows(torch.randn(1, 1, block.end - block.start, 2), None)
        header = describe(store.seed, parent, key, block, labels, rows)
        assert store.write(key, pack(header, ids[block.start : block.end], rows, rows))
        parent = key
    return store

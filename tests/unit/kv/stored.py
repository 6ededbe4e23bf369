"""Real blocks of random rows, for the tests of the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from nemo_docs.kv.block_file import describe, pack
from nemo_docs.kv.block_layout import Header
from nemo_docs.kv.chain import block_plan, chain
from nemo_docs.kv.form import PLAIN, Form, Rows
from nemo_docs.kv.identity import Identity
from nemo_docs.kv.store import BlockStore

IDENTITY = Identity(
    weights="w", adapter="", config="{}", precision="bf16", arithmetic="bf16", kv="full", chunk_tokens=512,
    device="cpu", torch="2.11.0", kernels="{}", tokenizer="t",
)  # fmt: skip
OTHER = Identity(
    weights="x", adapter="", config="{}", precision="bf16", arithmetic="bf16", kv="full", chunk_tokens=512,
    device="cpu", torch="2.11.0", kernels="{}", tokenizer="t",
)  # fmt: skip


class Stored(NamedTuple):
    """A block as it is written."""

    header: Header
    ids: list[int]
    data: memoryview
    k: Rows
    v: Rows

    @property
    def key(self) -> str:
        return self.header.key


def random_rows(shape: tuple[int, ...], form: Form = PLAIN, dtype: torch.dtype = torch.bfloat16, seed: int = 0) -> Rows:
    """Rows in their stored form. Shapes: [L, K, T, D]."""
    return form.store(torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype))


def blocks_of(
    ids: Sequence[int],
    chunk_ends: Sequence[int],
    labels: Sequence[tuple[tuple[str, int], ...]] | None = None,
    *,
    identity: Identity = IDENTITY,
    form: Form = PLAIN,
    dtype: torch.dtype = torch.bfloat16,
    heads: tuple[int, int, int] = (2, 1, 4),
) -> list[Stored]:
    """Every block of a prompt.

    Args:
        ids: Its tokens.
        chunk_ends: Where chunks end.
        labels: For each chunk the texts up to its own; none at all by default.
        identity: Of the model.
        form: Of the rows.
        dtype: What they were computed in.
        heads: L, K and D.
    """
    plan = block_plan(chunk_ends)
    keys = chain(identity.seed, ids, plan)
    made, chunk = [], 0
    for at, (block, key) in enumerate(zip(plan, keys, strict=True)):
        shape = (heads[0], heads[1], block.end - block.start, heads[2])
        k, v = (random_rows(shape, form, dtype, seed=2 * at + value) for value in range(2))
        parent = keys[at - 1] if at else identity.seed.hex()
        header = describe(identity.seed, parent, key, block, labels[chunk] if labels else (), k)
        own = list(ids[block.start : block.end])
        made.append(Stored(header, own, pack(header, own, k, v), k, v))
        chunk += block.ends_chunk
    return made


def open_store(folder: Path, identity: Identity = IDENTITY, **options: object) -> BlockStore:
    """A store that takes any amount."""
    return BlockStore(folder, identity, **{"budget_bytes": 10**12, "floor_bytes": 0, **options})


def fill(store: BlockStore, blocks: Sequence[Stored]) -> list[str]:
    """Write blocks; their keys."""
    for block in blocks:
        assert store.write(block.key, block.data)
    return [block.key for block in blocks]

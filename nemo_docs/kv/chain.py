"""Names of blocks: a chain of hashes, so that a name tells every token from the beginning on.

A block's key is a SHA-256 of the key before it, whether a chunk of the prefill ends with it, and its own token ids.
Equal keys therefore mean equal prefixes in equal chunks, computed in the same way (the seed): nothing else has to be
looked at to know that stored rows may be used. Blocks begin anew with each chunk, so a text's last block may be short
and the text behind it starts a block of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

BLOCK_TOKENS = 256
"""Tokens of a whole block: 40 MiB of NeMo's bf16 rows, one long sequential read."""


class Block(NamedTuple):
    """Tokens that are stored together."""

    start: int
    """Where its first token stands."""
    end: int
    """Behind its last token."""
    ends_chunk: bool
    """Whether a chunk of the prefill ends with it."""


def block_plan(chunk_ends: Sequence[int]) -> list[Block]:
    """Cut chunks into blocks.

    Args:
        chunk_ends: Where each chunk ends, ascending.

    Returns:
        Each chunk in blocks of `BLOCK_TOKENS`, of which its last may be short. Chunks that end at 300 and 400 make the
        blocks 0 to 256, 256 to 300 and 300 to 400.
    """
    return [
        Block(start, min(start + BLOCK_TOKENS, end), start + BLOCK_TOKENS >= end)
        for begin, end in pairwise((0, *chunk_ends))
        for start in range(begin, end, BLOCK_TOKENS)
    ]


def chain(seed: bytes, ids: Sequence[int], blocks: Sequence[Block]) -> list[str]:
    """The key of each block.

    Args:
        seed: How rows are computed (`Identity.seed`).
        ids: Tokens of the whole prompt.
        blocks: Consecutive blocks from its first token on.

    Returns:
        64 hexadecimal digits for each block.
    """
    keys, key = [], seed
    for block in blocks:
        key = link(key, id_bytes(ids[block.start : block.end]), ends_chunk=block.ends_chunk)
        keys.append(key.hex())
    return keys


def link(parent: bytes, ids: bytes | memoryview, *, ends_chunk: bool) -> bytes:
    """The key of a block behind another, or behind the seed. `ids` as `id_bytes` makes them."""
    digest = sha256(parent + (b"\x01" if ends_chunk else b"\x00"))
    digest.update(ids)
    return digest.digest()


def id_bytes(ids: Sequence[int]) -> bytes:
    """Token ids as they are hashed and stored: four bytes each, the lowest first."""
    return struct.pack(f"<{len(ids)}I", *ids)

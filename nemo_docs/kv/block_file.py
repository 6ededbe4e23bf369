"""Keys and values of one block as a file's bytes, and back.

Packing writes rows straight into the file's bytes, from wherever they lie in a cache; unpacking makes tensors that are
views of the bytes read. Either way 40 MB are moved once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nemo_docs.kv.block_layout import (
    CHECKSUM_BYTES,
    Damaged,
    Expected,
    Extent,
    Header,
    RunningChecksum,
    checksum,
    encode,
    extents,
    file_bytes,
    inspect,
    read_header,
)
from nemo_docs.kv.chain import Block, id_bytes
from nemo_docs.kv.form import Rows

__all__ = ["Header", "RunningChecksum", "describe", "expect", "pack", "read_header", "unpack"]

_DTYPES = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I8": torch.int8,
    "I32": torch.int32,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def describe(seed: bytes, parent: str, key: str, block: Block, labels: Sequence[tuple[str, int]], rows: Rows) -> Header:
    """The header of a block.

    Args:
        seed: How its rows were computed.
        parent: Key of the block before it; of a first block the seed's hexadecimal digits.
        key: Its own.
        block: Where it stands.
        labels: Every text up to and including its own, which comes last, with how many tokens each has; none in what
            comes before all texts.
        rows: Its keys, or its values: they are of one kind. Shapes: [L, K, T, D].
    """
    n_layers, n_heads, tokens, head_dim = rows.codes.shape
    assert tokens == block.end - block.start
    return Header(
        seed=seed.hex(),
        key=key,
        parent=parent,
        start=block.start,
        tokens=tokens,
        ends_chunk=block.ends_chunk,
        labels=tuple(labels),
        dtype=_NAMES[rows.codes.dtype],
        form="full" if rows.scales is None else "int8",
        shape=(n_layers, n_heads, tokens, head_dim),
    )


def expect(header: Header) -> Expected:
    """What `unpack` takes to know a block that is looked for at a glance."""
    return Expected(header, encode(header))


def pack(
    header: Header, ids: Sequence[int], k: Rows, v: Rows, buffer: bytearray | memoryview | None = None
) -> memoryview:
    """Make a block's file.

    Args:
        header: What it says of itself (`describe`).
        ids: Its tokens.
        k: Its keys, on the CPU, contiguous or not.
        v: Its values, likewise.
        buffer: Memory to write into, of at least `file_bytes(header)` bytes; None for new memory.

    Returns:
        The file's bytes: a view of the memory written into.

    Shapes: k, v [L, K, T, D], scales [L, K, T].
    """
    n_bytes = file_bytes(header)
    whole = memoryview(np.empty(n_bytes, np.uint8).data if buffer is None else buffer).cast("B")[:n_bytes]
    assert len(whole) == n_bytes, f"{n_bytes} bytes do not fit into {len(whole)}"
    beginning = encode(header)
    whole[: len(beginning)] = beginning
    parts, body = extents(header), whole[len(beginning) :]
    body[parts["ids"].start : parts["ids"].end] = id_bytes(ids)
    for name, rows in (("k", k), ("v", v)):
        _rows(body, parts, name).fill(rows)
    whole[-CHECKSUM_BYTES:] = checksum(whole[:-CHECKSUM_BYTES])
    return whole


def unpack(
    data: memoryview | NDArray[np.uint8],
    *,
    key: str,
    seed: bytes,
    ids: Sequence[int],
    digest: bytes | None = None,
    expected: Expected | None = None,
) -> tuple[Header, Rows, Rows] | None:
    """Keys and values of a block, if these bytes are that block beyond any doubt.

    Args:
        data: The file's bytes and no more, in memory that may be written to. The tensors are views of it.
        key: The block wanted.
        seed: How its rows must have been computed.
        ids: The tokens that it must hold.
        digest: As `block_layout.inspect` takes it.
        expected: The block wanted, if whoever asks knows its header, too; with other labels it may still be it.

    Returns:
        Its header, keys and values; None if a byte is not as it was written, or it is another block. Whoever puts the
        rows into a cache still asks `KVCache.suits` whether they fit it.

    Shapes: k, v [L, K, T, D], scales [L, K, T].
    """
    whole = memoryview(data.data if isinstance(data, np.ndarray) else data).cast("B")
    try:
        if expected is not None and digest is not None and expected.is_in(whole, digest):
            header = expected.header
        else:
            header = inspect(whole, digest)
    except Damaged:
        return None
    parts = extents(header)
    body = whole[len(whole) - parts["checksum"].end :]
    if (header.key, header.seed) != (key, seed.hex()) or body[parts["ids"].start : parts["ids"].end] != id_bytes(ids):
        return None
    return header, _rows(body, parts, "k"), _rows(body, parts, "v")


def _rows(body: memoryview, parts: dict[str, Extent], name: str) -> Rows:
    """Views of a block's keys or values."""
    scales = parts.get(f"{name}_scales")
    return Rows(_view(body, parts[name]), None if scales is None else _view(body, scales))


def _view(body: memoryview, part: Extent) -> Tensor:
    return torch.frombuffer(body[part.start : part.end], dtype=_DTYPES[part.dtype]).view(part.shape)

"""The blocks of a GGUF tensor, taken apart into a grid: the same whole numbers and the same scales, in our order.

GGUF keeps a row in blocks of 32 or 256 weights, each with its scales inside it. A product wants the codes of a row side
by side and the scales apart, so the parts are sorted into tensors of their own; no number is changed, and the weights
that come out are the ones that the `gguf` package computes, bit for bit (only a zero may lose its sign). Formats of
five and six bits take eight bits a code here: memory, in exchange for one form of code that every kernel can read.
Others (two and three bits, and those with tables) have no grid here and are unpacked.

A tensor is taken apart a strip of rows at a time, so that the parts are all that it costs.

Source: the block formats of llama.cpp, `ggml-common.h` and `ggml-quants.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nemo_docs.model.linear.grouped import Grid

Bytes = NDArray[np.uint8]
Halves = NDArray[np.float16]

_STRIP_WEIGHTS = 1 << 18  # taken apart at once: what passes through stays in a processor's cache
_NIBBLE = np.uint8(15)
_LOW_AND_HIGH = np.array([[0], [4]], dtype=np.uint8)  # shifts that bring either half of a byte down


@dataclass(frozen=True, slots=True)
class Form:
    """What the grid of a format looks like: enough to know its size without reading it."""

    bits: int
    """Bits of a code."""
    group: int
    """Columns that share a scale."""
    has_minimums: bool
    """Whether weights are shifted."""
    super_group: int = 0
    """Columns that share a half-precision factor, where scales are whole numbers; 0 where they are not."""

    def n_bytes(self, weights: int) -> int:
        """Memory that the grid of so many weights takes."""
        scale = (
            weights // self.group + 2 * weights // self.super_group if self.super_group else 2 * weights // self.group
        )
        return weights * self.bits // 8 + scale * (2 if self.has_minimums else 1)


FORMS: MappingProxyType[str, Form] = MappingProxyType(
    {
        "Q4_0": Form(bits=4, group=32, has_minimums=True),
        "Q4_1": Form(bits=4, group=32, has_minimums=True),
        "Q5_0": Form(bits=8, group=32, has_minimums=False),
        "Q5_1": Form(bits=8, group=32, has_minimums=True),
        "Q8_0": Form(bits=8, group=32, has_minimums=False),
        "Q4_K": Form(bits=4, group=32, has_minimums=True, super_group=256),
        "Q5_K": Form(bits=8, group=32, has_minimums=True, super_group=256),
        "Q6_K": Form(bits=8, group=16, has_minimums=False, super_group=256),
    }
)
"""Formats that stay on their grid, by GGUF's name."""

_BLOCK_BYTES = {"Q4_0": 18, "Q4_1": 20, "Q5_0": 22, "Q5_1": 24, "Q8_0": 34, "Q4_K": 144, "Q5_K": 176, "Q6_K": 210}


class Parts(NamedTuple):
    """The tensors of a grid for some rows, in the order of `Grid`; each [n, blocks, ...]."""

    codes: Bytes | NDArray[np.int8]
    scales: Halves
    minimums: Halves | None = None
    sub_scales: Bytes | NDArray[np.int8] | None = None
    sub_minimums: Bytes | None = None


def grid_of(kind: str, rows: Bytes) -> Grid:
    """A tensor's grid.

    Args:
        kind: The format, one of `FORMS`.
        rows: The tensor as it lies in the file, [out, bytes of a row].

    Raises:
        ValueError: If a scale is not a finite number, so that no weight could be told.
    """
    import torch

    from nemo_docs.model.linear.grouped import Grid

    step = max(1, _STRIP_WEIGHTS // (2 * rows.shape[1]))
    whole: list[NDArray[Any] | None] = []
    for start in range(0, len(rows), step):
        parts = _taken_apart(kind, np.asarray(rows[start : start + step]))
        if not whole:
            whole = [None if part is None else np.empty((len(rows), part.shape[1]), part.dtype) for part in parts]
        for out, part in zip(whole, parts, strict=True):
            if out is not None:
                out[start : start + step] = part
    for factors in whole[1:3]:
        if factors is not None and not np.isfinite(factors).all():
            raise ValueError("a scale is not a finite number")
    return Grid(*(None if part is None else torch.from_numpy(part) for part in whole))  # type: ignore[arg-type]


def _taken_apart(kind: str, rows: Bytes) -> list[NDArray[Any] | None]:
    """Shapes: rows [n, bytes of a row] -> every part [n, its columns]."""
    blocks = rows.reshape(len(rows), -1, _BLOCK_BYTES[kind])
    return [None if part is None else part.reshape(len(rows), -1) for part in _FORMATS[kind](blocks)]


def _q4_0(b: Bytes) -> Parts:
    """Codes count from -8: that is a minimum of -8 scales, exact in half precision."""
    scales = _half(b, 0)
    with np.errstate(over="ignore"):  # refused by `grid_of`
        return Parts(b[..., 2:18], scales, scales * np.float16(-8))


def _q4_1(b: Bytes) -> Parts:
    return Parts(b[..., 4:20], _half(b, 0), _half(b, 2))


def _q5_0(b: Bytes) -> Parts:
    return Parts(_five_bits(b[..., 2:6], b[..., 6:22]) - np.int8(16), _half(b, 0))


def _q5_1(b: Bytes) -> Parts:
    return Parts(_five_bits(b[..., 4:8], b[..., 8:24]), _half(b, 0), _half(b, 2))


def _q8_0(b: Bytes) -> Parts:
    return Parts(b[..., 2:34].view(np.int8), _half(b, 0))


def _q4_k(b: Bytes) -> Parts:
    columns = _pairs_of_groups(b[..., 16:144])  # [n, blocks, 8, 32]
    return Parts(columns[..., :16] | columns[..., 16:] << 4, *_two_levels(b))


def _q5_k(b: Bytes) -> Parts:
    fifth = b[..., None, 16:48] >> np.arange(8, dtype=np.uint8)[:, None] & 1  # [n, blocks, 8, 32]: bit g is group g's
    return Parts((_pairs_of_groups(b[..., 48:176]) | fifth << 4).view(np.int8), *_two_levels(b))


def _q6_k(b: Bytes) -> Parts:
    """Halves of 128 columns: 64 bytes hold their low four bits, 32 bytes the high two of four groups of 32."""
    low = b[..., :128].reshape(*b.shape[:2], 2, 1, 64) >> _LOW_AND_HIGH & _NIBBLE  # [n, blocks, 2, 2, 64]
    high = b[..., 128:192].reshape(*b.shape[:2], 2, 1, 32) >> np.arange(0, 8, 2, dtype=np.uint8)[:, None] & 3
    codes = low.reshape(*b.shape[:2], 256) | high.reshape(*b.shape[:2], 256) << 4
    return Parts(codes.view(np.int8) - np.int8(32), _half(b, 208), sub_scales=b[..., 192:208].view(np.int8))


_FORMATS: dict[str, Callable[[Bytes], Parts]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
}


def _half(b: Bytes, at: int) -> Halves:
    """The half-precision number at a byte of every block. Shapes: [n, blocks]."""
    return np.ascontiguousarray(b[..., at : at + 2]).view(np.float16)[..., 0]


def _five_bits(high: Bytes, low: Bytes) -> NDArray[np.int8]:
    """Codes of 32 columns. Shapes: high [n, blocks, 4], a bit a column; low [n, blocks, 16] -> [n, blocks, 32]."""
    fifth = np.unpackbits(high, axis=-1, bitorder="little")
    fourth = (low[..., None, :] >> _LOW_AND_HIGH & _NIBBLE).reshape(fifth.shape)
    return (fourth | fifth << 4).view(np.int8)


def _pairs_of_groups(b: Bytes) -> Bytes:
    """Of 32 bytes the low halves are one group of columns, the high halves the next.

    Shapes: b [n, blocks, 128] -> [n, blocks, 8, 32].
    """
    pairs = b.reshape(*b.shape[:2], 4, 1, 32) >> _LOW_AND_HIGH & _NIBBLE
    return pairs.reshape(*b.shape[:2], 8, 32)


def _two_levels(b: Bytes) -> tuple[Halves, Halves, Bytes, Bytes]:
    """Factors of scale and minimum (which is subtracted), and eight six-bit multiples of each, packed in 12 bytes."""
    scales, minimums, last = b[..., 4:8], b[..., 8:12], b[..., 12:16]  # [n, blocks, 4]
    sub_scales = np.concatenate((scales & 63, last & _NIBBLE | scales >> 6 << 4), axis=-1)
    sub_minimums = np.concatenate((minimums & 63, last >> 4 | minimums >> 6 << 4), axis=-1)
    return _half(b, 0), -_half(b, 2), sub_scales, sub_minimums

# mypy: disable-error-code="no-untyped-def"
"""Products of a few rows with a whole matrix, which is what decode spends its time on.

One row of activations uses each weight once, so the time is that of reading the weights, and the task is to keep enough
loads under way. A program takes a few rows of the matrix and all of their columns. What stands around a product in a
layer is done in it: the norm before it (its scale is one number a row, applied at the end), the gate behind it, the
residual sum. That spares a launch each, which in decode costs as much as a tenth of a product.

The products are summed in fp32 as they are. Several rows of activations go through the matrix units: by the library
where weights are dense, else by kernels that stand with the form of the weights.

Dimensions: M rows of activations, N rows of the matrix, C columns.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nemo_docs.model.cuda.elementwise import add_norm, gated
from nemo_docs.model.cuda.language import blocks, jit, tl
from nemo_docs.model.linear.base import Dense, Linear

MOST_ROWS = 16
"""Rows of activations that these products take at once."""


class Around(NamedTuple):
    """What is done before and behind a product."""

    norm: Tensor | None = None
    """Weights of an RMSNorm of the activations. [C]"""
    eps: float = 0.0
    """Its epsilon."""
    gate: bool = False
    """Whether the first half of the rows gates the second: SiLU times up."""
    residual: Tensor | None = None
    """Added to the result; may be where the result goes. [M, N]"""


BARE = Around()
"""Nothing."""


class RowProduct(Protocol):
    """y = x W^T for up to `MOST_ROWS` rows of x, into memory that is there already."""

    def __call__(self, x: Tensor, out: Tensor, around: Around = BARE) -> object:
        """Shapes: x [M, C] -> out [M, N], or [M, N / 2] with a gate."""
        ...


@jit
def finished(y, gate, out, residual, at, inside, GATE: tl.constexpr, RESIDUAL: tl.constexpr):
    """Round to the dtype of the result at each step at which the plain forms do."""
    kind = out.dtype.element_ty
    y = y.to(kind).to(tl.float32)
    if GATE:
        gate = gate.to(kind).to(tl.float32)
        y = (gate / (1.0 + tl.exp(-gate))).to(kind).to(tl.float32) * y
    if RESIDUAL:
        y = y.to(kind).to(tl.float32) + tl.load(residual + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + at, y.to(kind), mask=inside)


@jit
def _one_row(
    x, weights, scales, norm, residual, out, n, eps,
    COLUMNS: tl.constexpr, NORM: tl.constexpr, GATE: tl.constexpr, RESIDUAL: tl.constexpr, SCALED: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    known = row < n
    start = row.to(tl.int64)[:, None] * COLUMNS
    total = tl.zeros((ROWS, BLOCK), tl.float32)
    gates = tl.zeros((ROWS, BLOCK), tl.float32)
    squares = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, COLUMNS, BLOCK):
        column = first + tl.arange(0, BLOCK)
        inside = column < COLUMNS
        held = tl.load(x + column, mask=inside, other=0.0).to(tl.float32)
        if NORM:
            squares += held * held
            held *= tl.load(norm + column, mask=inside, other=0.0).to(tl.float32)
        which = known[:, None] & inside[None, :]
        at = start + column[None, :]
        if GATE:  # the gates' rows come first
            gates += tl.load(weights + at, mask=which, other=0.0).to(tl.float32) * held[None, :]
            at += n.to(tl.int64) * COLUMNS
        total += tl.load(weights + at, mask=which, other=0.0).to(tl.float32) * held[None, :]
    y, gate = tl.sum(total, axis=1), tl.sum(gates, axis=1)
    if NORM:
        scale = tl.rsqrt(tl.sum(squares, axis=0) / COLUMNS + eps)
        y, gate = y * scale, gate * scale
    if SCALED:
        if GATE:
            gate *= tl.load(scales + row, mask=known, other=0.0)
            y *= tl.load(scales + n + row, mask=known, other=0.0)
        else:
            y *= tl.load(scales + row, mask=known, other=0.0)
    finished(y, gate, out, residual, row, known, GATE, RESIDUAL)


class Tile(NamedTuple):
    """How much of a matrix one program takes at a time."""

    rows: int
    """Rows of it."""
    columns: int
    """Columns in one step."""
    warps: int
    """Groups of 32 threads."""
    stages: int = 3
    """Steps whose loads are under way at once, where the matrix units are used."""


_TALL, _LONG = 65_536, 8_192
"""Rows of an output layer, and columns that only the way back from the feed-forward has."""
_PREFILL_ROWS = 4_096
"""Rows of activations that a large matrix takes at once: of 8,192 the library reaches 705 TFLOP/s, of these 799."""
_LARGE = 1 << 26
"""Weights of a matrix for which that holds."""


def tile_of_one(rows: int, columns: int, *, is_eight_bit: bool, is_gated: bool) -> Tile:
    """The tile for one row of activations that was the fastest on an H200, in NeMo's shapes."""
    if is_eight_bit:
        return Tile(rows=4, columns=512, warps=2) if columns <= 4_096 else Tile(rows=4, columns=256, warps=4)
    if rows >= _TALL:
        return Tile(rows=8, columns=512, warps=4)
    if columns >= _LONG:
        return Tile(rows=4, columns=512, warps=4)
    if is_gated:
        return Tile(rows=2, columns=1024, warps=4)
    return Tile(rows=2, columns=2048, warps=8) if columns <= 4_096 else Tile(rows=4, columns=1024, warps=8)


def one_row(
    x: Tensor, weight: Tensor, scales: Tensor | None, out: Tensor, around: Around, tile: Tile | None = None
) -> None:
    """The product with one row of activations.

    Args:
        x: Activations. [1, C]
        weight: bf16, fp16, fp32 or fp8 (e4m3). [N, C]
        scales: fp32, one a row of the weights; None for one. [N]
        out: Where the result goes. [1, N], or [1, N / 2] with a gate
        around: What is done before and behind it.
        tile: How much a program takes; None for what was the fastest.
    """
    columns, n = weight.shape[1], out.shape[1]
    if tile is None:
        tile = tile_of_one(n, columns, is_eight_bit=scales is not None, is_gated=around.gate)
    _one_row[(blocks(n, tile.rows),)](
        x,
        weight,
        out if scales is None else scales,
        x if around.norm is None else around.norm,
        out if around.residual is None else around.residual,
        out,
        n,
        around.eps,
        COLUMNS=columns,
        NORM=around.norm is not None,
        GATE=around.gate,
        RESIDUAL=around.residual is not None,
        SCALED=scales is not None,
        ROWS=tile.rows,
        BLOCK=tile.columns,
        num_warps=tile.warps,
        num_stages=tile.stages,
    )


class DenseRows:
    """Weights as they are multiplied. Several rows go to the library, which reads dense weights as fast as they come.

    Args:
        weight: bf16, fp16 or fp32. [N, C]
    """

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight
        self._plain = AnyRows(Dense(weight))

    def __call__(self, x: Tensor, out: Tensor, around: Around = BARE, tile: Tile | None = None) -> None:
        """Shapes: x [M, C] -> out [M, N], or [M, N / 2] with a gate."""
        if len(x) > 1:
            self._plain(x, out, around)
        else:
            one_row(x, self._weight, None, out, around, tile)


def normed(x: Tensor, around: Around) -> tuple[Tensor, Around]:
    """Several rows are normalised once, not in every program that reads them."""
    if around.norm is None:
        return x, around
    return add_norm(x, None, around.norm, around.eps)[1], around._replace(norm=None)


class DenseProduct(Dense):
    """Dense weights, by the library, which is faster on some shapes than on others."""

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, C] -> [T, N]."""
        if len(x) <= _PREFILL_ROWS or self.weight.numel() < _LARGE:
            return super().__call__(x)
        out = x.new_empty(len(x), self.weight.shape[0])
        for start in range(0, len(x), _PREFILL_ROWS):
            part = slice(start, start + _PREFILL_ROWS)
            torch.mm(x[part], self.weight.t(), out=out[part])
        return out


class BalancedRows:
    """A product whose input is multiplied by the sizes of its columns, which a norm before it does in passing."""

    def __init__(self, inner: RowProduct, sizes: Tensor) -> None:
        self._inner, self._sizes = inner, sizes
        self._norms: dict[int, Tensor] = {}  # by the norm's address; recorded graphs read them

    def __call__(self, x: Tensor, out: Tensor, around: Around = BARE) -> None:
        """Shapes: x [M, C] -> out [M, N], or [M, N / 2] with a gate."""
        if around.norm is None:
            self._inner(x * self._sizes, out, around)
            return
        scaled = self._norms.setdefault(around.norm.data_ptr(), around.norm.float() * self._sizes.float())
        self._inner(x, out, around._replace(norm=scaled))


class AnyRows:
    """The same of any product: what stands around it is done in kernels of its own."""

    def __init__(self, linear: Linear) -> None:
        self._linear = linear

    def __call__(self, x: Tensor, out: Tensor, around: Around = BARE) -> None:
        """Shapes: x [M, C] -> out [M, N], or [M, N / 2] with a gate."""
        x, around = normed(x, around)
        y = self._linear(x)
        y = gated(y) if around.gate else y
        torch.add(y, around.residual, out=out) if around.residual is not None else out.copy_(y)

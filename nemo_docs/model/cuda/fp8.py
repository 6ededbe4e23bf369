# mypy: disable-error-code="no-untyped-def"
"""Products with weights in eight-bit floating point on an NVIDIA GPU.

For a few rows of activations the weights are read once and the activations stay as they are. What takes longest there
is not the bytes but making e4m3 into what can be multiplied: a cast goes through fp16 and fp32. So its bits are shifted
into bf16's places, two numbers at a time, and the matrix units multiply, weights first, activations padded to eight
rows. A program's groups of threads share the rows of a matrix and take a slice of the columns each, so that even 5,120
rows keep all of a GPU's loads under way.

For many rows activations become e4m3 with a scale a token, in one kernel that reads them once: in plain torch that
step reads and writes eight times as much, at NeMo's size almost a second for 128k tokens. Then `torch._scaled_mm`
multiplies.

Source: the rounding is that of `linear/fp8.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.model.cuda.language import TRITON, blocks, jit, power_of_two, tl
from nemo_docs.model.cuda.products import BARE, MOST_ROWS, Around, Tile, finished, one_row

ROWS_TILE = Tile(rows=16, columns=128, warps=4)
"""Rows of the matrix, columns of a slice, slices (one for each group of threads): the fastest on an H200."""
_WIDE_TILE = Tile(rows=32, columns=128, warps=2)
"""The same for gate and up with one row of activations: there are rows enough for every processor."""
_SHORT = 8_192
"""Columns up to which one row of activations is multiplied faster without the matrix units."""
_E4M3_TO_BF16 = """{
.reg .b32 low, high, scale, nothing;
mov.b32 scale, 0x7b807b80;
mov.b32 nothing, 0x80008000;
prmt.b32 low, $2, 0, 0x1404;
prmt.b32 high, $2, 0, 0x3424;
and.b32 $0, low, 0x80008000;
shr.u32 low, low, 4;
and.b32 low, low, 0x07f007f0;
or.b32 $0, $0, low;
and.b32 $1, high, 0x80008000;
shr.u32 high, high, 4;
and.b32 high, high, 0x07f007f0;
or.b32 $1, $1, high;
fma.rn.bf16x2 $0, $0, scale, nothing;
fma.rn.bf16x2 $1, $1, scale, nothing;
}"""
ASSEMBLY = tl.constexpr(_E4M3_TO_BF16) if TRITON else None
"""Four numbers, exactly: exponents have biases of 7 and 127, so the bits moved into place are 2^-120 of the number."""


@jit
def _multiplied(codes, kind: tl.constexpr, FAST: tl.constexpr):
    """Weights as the matrix units take them."""
    if FAST:  # noqa: SIM108 - a kernel's branch is taken when it is compiled
        codes = tl.inline_asm_elementwise(ASSEMBLY, "=r,=r,r", [codes], tl.bfloat16, True, 4)
    else:
        codes = codes.to(kind)
    return codes


@jit
def _few_rows(
    x, weights, scales, norm, residual, out, m, n, eps,
    COLUMNS: tl.constexpr, NORM: tl.constexpr, GATE: tl.constexpr, RESIDUAL: tl.constexpr, FAST: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, SLICES: tl.constexpr, MOST: tl.constexpr, NOTHING: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    token = tl.arange(0, MOST)
    within = tl.arange(0, SLICES)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]  # [SLICES, BLOCK]
    known, there = row < n, token < m
    start = row.to(tl.int64)[None, :, None] * COLUMNS
    total = tl.zeros((SLICES, ROWS, MOST), tl.float32)
    gates = tl.zeros((SLICES, ROWS, MOST), tl.float32)
    squares = tl.zeros((SLICES, MOST), tl.float32)
    kind = x.dtype.element_ty
    for first in range(0, COLUMNS, SLICES * BLOCK):
        column = first + within
        inside = column < COLUMNS
        held = tl.load(
            x + token[None, None, :] * COLUMNS + column[:, :, None],
            mask=there[None, None, :] & inside[:, :, None],
            other=0.0,
        )  # [SLICES, BLOCK, MOST]
        if NORM:
            wide = held.to(tl.float32)
            squares += tl.sum(wide * wide, axis=1)
            held = (wide * tl.load(norm + column, mask=inside, other=0.0).to(tl.float32)[:, :, None]).to(kind)
        which = known[None, :, None] & inside[:, None, :]
        at = start + column[:, None, :]
        if GATE:  # the gates' rows come first
            found = _multiplied(tl.load(weights + at, mask=which, other=NOTHING), kind, FAST)
            gates += tl.dot(found, held, input_precision="ieee")
            at += n.to(tl.int64) * COLUMNS
        found = _multiplied(tl.load(weights + at, mask=which, other=NOTHING), kind, FAST)
        total += tl.dot(found, held, input_precision="ieee")
    y, gate = tl.sum(total, axis=0), tl.sum(gates, axis=0)  # [ROWS, MOST]
    if NORM:
        scale = tl.rsqrt(tl.sum(squares, axis=0) / COLUMNS + eps)[None, :]
        y, gate = y * scale, gate * scale
    if GATE:
        gate *= tl.load(scales + row, mask=known, other=0.0)[:, None]
        y *= tl.load(scales + n + row, mask=known, other=0.0)[:, None]
    else:
        y *= tl.load(scales + row, mask=known, other=0.0)[:, None]
    at = token[None, :] * n + row[:, None]
    finished(y, gate, out, residual, at, there[None, :] & known[:, None], GATE, RESIDUAL)


class Fp8Rows:
    """Weights in e4m3 and up to `MOST_ROWS` rows of activations.

    Args:
        codes: The weights. [N, C]
        scales: One a row, fp32. [N, 1]
    """

    def __init__(self, codes: Tensor, scales: Tensor) -> None:
        self._codes, self._scales = codes, scales.reshape(-1).float().contiguous()

    def __call__(self, x: Tensor, out: Tensor, around: Around = BARE, tile: Tile | None = None) -> None:
        """Shapes: x [M, C] -> out [M, N], or [M, N / 2] with a gate."""
        columns, n = self._codes.shape[1], out.shape[1]
        if len(x) == 1 and columns <= _SHORT and not around.gate and tile is None:
            one_row(x, self._codes, self._scales, out, around)
            return
        if tile is None:
            tile = _WIDE_TILE if len(x) == 1 and around.gate else ROWS_TILE
        is_fast = x.is_cuda and x.dtype is torch.bfloat16
        _few_rows[(blocks(n, tile.rows),)](
            x,
            self._codes.view(torch.uint8) if is_fast else self._codes,
            self._scales,
            x if around.norm is None else around.norm,
            out if around.residual is None else around.residual,
            out,
            len(x),
            n,
            around.eps,
            COLUMNS=columns,
            NORM=around.norm is not None,
            GATE=around.gate,
            RESIDUAL=around.residual is not None,
            FAST=is_fast,
            ROWS=tile.rows,
            BLOCK=tile.columns,
            SLICES=tile.warps,
            NOTHING=0 if is_fast else 0.0,
            MOST=MOST_ROWS // 2 if len(x) <= MOST_ROWS // 2 else MOST_ROWS,
            num_warps=tile.warps,
            num_stages=tile.stages,
        )


@jit
def _round(x, codes, scales, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    held = tl.load(x + token * WIDTH + column, mask=inside, other=0.0).to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(held), axis=0), 1e-30) / 448.0  # the largest e4m3; beyond it a cast gives NaN
    held = tl.minimum(tl.maximum(held / scale, -448.0), 448.0)
    tl.store(codes + token * WIDTH + column, held.to(tl.float8e4nv), mask=inside)
    tl.store(scales + token, scale)


def rounded(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's largest value becomes the largest that e4m3 has. Shapes: x [T, C] -> e4m3 [T, C], fp32 [T, 1]."""
    tokens, width = x.shape
    codes = torch.empty(x.shape, dtype=torch.float8_e4m3fn, device=x.device)
    scales = torch.empty(tokens, 1, dtype=torch.float32, device=x.device)
    block = power_of_two(width)
    _round[(tokens,)](x.contiguous(), codes, scales, WIDTH=width, BLOCK=block, num_warps=8)
    return codes, scales


class Fp8Product:
    """A product with weights in e4m3, as a model's layers and its decoder call it.

    Args:
        codes: The weights, e4m3. [N, C]
        scales: One a row, fp32. [N, 1]
    """

    def __init__(self, codes: Tensor, scales: Tensor) -> None:
        self._codes, self._scales = codes, scales
        self._few = Fp8Rows(codes, scales)

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self._codes.nbytes + self._scales.nbytes

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, C]."""
        return (self._codes[ids].float() * self._scales[ids]).to(dtype)

    def __call__(self, x: Tensor, out: Tensor | None = None, around: Around = BARE) -> Tensor:
        """Shapes: x [M, C] -> [M, N], or [M, N / 2] with a gate; into `out` for up to `MOST_ROWS` rows, if given."""
        if len(x) <= MOST_ROWS:
            out = x.new_empty(len(x), len(self._codes)) if out is None else out
            self._few(x, out, around)
            return out
        codes, scales = rounded(x)
        found: Tensor = torch._scaled_mm(
            codes,
            self._codes.t(),
            scale_a=scales,
            scale_b=self._scales.view(1, -1),
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
        return found.to(x.dtype)

# mypy: disable-error-code="no-untyped-def"
"""Weights on a grid, on an NVIDIA GPU: unpacked in the product for a few rows, into one scratch matrix for many.

One row of activations: the whole numbers of a group are summed against the activations first, then scaled once, which
spares a multiplication a weight; there are more instructions than bytes to wait for here. Several rows: weights are
unpacked into the model's dtype and go through the matrix units. A prompt: the matrix is unpacked into scratch memory
that all layers share, then multiplied as if it were dense; at NeMo's size that adds three percent to a chunk of 8,192.

Dimensions: M rows of activations, N rows of the matrix, C columns, C / G groups.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from nemo_docs.model.cuda.language import blocks, jit, tl
from nemo_docs.model.cuda.products import BARE, MOST_ROWS, Around, Tile, finished, normed
from nemo_docs.model.linear.grouped import NIBBLE_GROUP, Grid

ONE_ROW = Tile(rows=4, columns=1024, warps=4)
"""For one row of activations."""
FEW_ROWS = Tile(rows=32, columns=128, warps=4, stages=4)
"""For several."""
DENSE_ROWS, DENSE_COLUMNS = 4, 1024
"""What one program unpacks."""


@jit
def _factor(factors, whole, row, group, known, FACTORS: tl.constexpr, GROUPS: tl.constexpr, TWO_STEPS: tl.constexpr):
    """Scales or minimums of groups. Shapes: row [R], group [B] -> fp32 [R, B]."""
    per_factor: tl.constexpr = GROUPS // FACTORS
    at = row.to(tl.int64)[:, None] * FACTORS + (group // per_factor)[None, :]
    found = tl.load(factors + at, mask=known, other=0.0).to(tl.float32)
    if TWO_STEPS:
        at = row.to(tl.int64)[:, None] * GROUPS + group[None, :]
        found *= tl.load(whole + at, mask=known, other=0).to(tl.float32)
    return found


@jit
def _codes(codes, row, block, known, COLUMNS: tl.constexpr, RUN: tl.constexpr, NIBBLES: tl.constexpr):
    """Bytes of runs of columns: a run of 32 nibbles is 16 bytes. Shapes: row [R], block [B] -> [R, B, RUN]."""
    width: tl.constexpr = COLUMNS // 2 if NIBBLES else COLUMNS
    byte = block[:, None] * RUN + tl.arange(0, RUN)[None, :]  # [B, RUN]
    at = row.to(tl.int64)[:, None, None] * width + byte[None, :, :]
    return tl.load(codes + at, mask=known[:, :, None], other=0)


@jit
def _one_row(
    x, codes, scales, minimums, sub_scales, sub_minimums, norm, residual, out, m, n, eps,
    COLUMNS: tl.constexpr, GROUP: tl.constexpr, FACTORS: tl.constexpr, NIBBLES: tl.constexpr, MINIMUMS: tl.constexpr,
    SUB_SCALES: tl.constexpr, SUB_MINIMUMS: tl.constexpr, NORM: tl.constexpr, GATE: tl.constexpr,
    RESIDUAL: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    run: tl.constexpr = 16
    covers: tl.constexpr = 32 if NIBBLES else 16  # columns of a run
    count: tl.constexpr = BLOCK // covers
    groups: tl.constexpr = COLUMNS // GROUP
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    total = tl.zeros((ROWS, count), tl.float32)
    gates = tl.zeros((ROWS, count), tl.float32)
    squares = tl.zeros((count,), tl.float32)
    for first in range(0, COLUMNS, BLOCK):
        block = first // covers + tl.arange(0, count)
        inside = block < COLUMNS // covers
        column = block[:, None] * covers + tl.arange(0, run)[None, :]  # [B, 16]
        low = tl.load(x + column, mask=inside[:, None], other=0.0).to(tl.float32)
        high = low
        if NIBBLES:
            high = tl.load(x + column + 16, mask=inside[:, None], other=0.0).to(tl.float32)
        if NORM:
            squares += tl.sum(low * low, axis=1)
            low *= tl.load(norm + column, mask=inside[:, None], other=0.0).to(tl.float32)
            if NIBBLES:
                squares += tl.sum(high * high, axis=1)
                high *= tl.load(norm + column + 16, mask=inside[:, None], other=0.0).to(tl.float32)
        sums = tl.sum(low, axis=1) + (tl.sum(high, axis=1) if NIBBLES else 0.0)  # [B]
        group = block * covers // GROUP
        for half in tl.static_range(2 if GATE else 1):
            at = row + half * n
            known = (row < n)[:, None] & inside[None, :]
            held = _codes(codes, at, block, known, COLUMNS, run, NIBBLES)  # [R, B, 16]
            if NIBBLES:
                product = (held & 15).to(tl.float32) * low[None, :, :] + (held >> 4).to(tl.float32) * high[None, :, :]
            else:
                product = held.to(tl.float32) * low[None, :, :]
            scale = _factor(scales, sub_scales, at, group, known, FACTORS, groups, SUB_SCALES)
            part = tl.sum(product, axis=2) * scale  # [R, B]
            if MINIMUMS:
                part += _factor(minimums, sub_minimums, at, group, known, FACTORS, groups, SUB_MINIMUMS) * sums[None, :]
            if GATE and half == 0:
                gates += part
            else:
                total += part
    y, gate = tl.sum(total, axis=1), tl.sum(gates, axis=1)
    if NORM:
        scale = tl.rsqrt(tl.sum(squares, axis=0) / COLUMNS + eps)
        y, gate = y * scale, gate * scale
    finished(y, gate, out, residual, row, row < n, GATE, RESIDUAL)


@jit
def _unpacked(
    codes, scales, minimums, sub_scales, sub_minimums, row, block, known,
    COLUMNS: tl.constexpr, GROUP: tl.constexpr, FACTORS: tl.constexpr, NIBBLES: tl.constexpr, MINIMUMS: tl.constexpr,
    SUB_SCALES: tl.constexpr, SUB_MINIMUMS: tl.constexpr,
):  # fmt: skip
    """Weights of runs, the low and the high half of each; of whole bytes both are the same. Shapes: [R, B, 16]."""
    covers: tl.constexpr = 32 if NIBBLES else 16
    groups: tl.constexpr = COLUMNS // GROUP
    group = block * covers // GROUP
    held = _codes(codes, row, block, known, COLUMNS, 16, NIBBLES)
    scale = _factor(scales, sub_scales, row, group, known, FACTORS, groups, SUB_SCALES)[:, :, None]
    if NIBBLES:
        low, high = (held & 15).to(tl.float32) * scale, (held >> 4).to(tl.float32) * scale
    else:
        low = held.to(tl.float32) * scale
        high = low
    if MINIMUMS:
        least = _factor(minimums, sub_minimums, row, group, known, FACTORS, groups, SUB_MINIMUMS)[:, :, None]
        low, high = low + least, high + least
    return low, high


@jit
def _few_rows(
    x, codes, scales, minimums, sub_scales, sub_minimums, norm, residual, out, m, n, eps,
    COLUMNS: tl.constexpr, GROUP: tl.constexpr, FACTORS: tl.constexpr, NIBBLES: tl.constexpr, MINIMUMS: tl.constexpr,
    SUB_SCALES: tl.constexpr, SUB_MINIMUMS: tl.constexpr, NORM: tl.constexpr, GATE: tl.constexpr,
    RESIDUAL: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, MOST: tl.constexpr,
):  # fmt: skip
    covers: tl.constexpr = 32 if NIBBLES else 16
    count: tl.constexpr = BLOCK // covers
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    token = tl.arange(0, MOST)
    there = (token < m)[:, None]
    total = tl.zeros((MOST, ROWS), tl.float32)
    gates = tl.zeros((MOST, ROWS), tl.float32)
    squares = tl.zeros((MOST,), tl.float32)
    kind = x.dtype.element_ty
    for first in range(0, COLUMNS, BLOCK):
        block = first // covers + tl.arange(0, count)
        inside = block < COLUMNS // covers
        known = (row < n)[:, None] & inside[None, :]
        flat = tl.arange(0, count * 16)
        column = first + flat // 16 * covers + flat % 16
        for half in tl.static_range(2 if GATE else 1):
            low, high = _unpacked(
                codes, scales, minimums, sub_scales, sub_minimums, row + half * n, block, known,
                COLUMNS, GROUP, FACTORS, NIBBLES, MINIMUMS, SUB_SCALES, SUB_MINIMUMS,
            )  # fmt: skip
            for part in tl.static_range(2 if NIBBLES else 1):
                where = column + part * 16
                held = tl.load(
                    x + token[:, None] * COLUMNS + where[None, :], mask=there & (where < COLUMNS)[None, :], other=0.0
                )
                if NORM:
                    wide = held.to(tl.float32)
                    if half == 0:
                        squares += tl.sum(wide * wide, axis=1)
                    factor = tl.load(norm + where, mask=where < COLUMNS, other=0.0).to(tl.float32)
                    held = (wide * factor[None, :]).to(kind)
                weights = tl.reshape(low if part == 0 else high, (ROWS, count * 16)).to(kind)
                found = tl.dot(held, tl.trans(weights), input_precision="ieee")
                if GATE and half == 0:
                    gates += found
                else:
                    total += found
    if NORM:
        scale = tl.rsqrt(squares / COLUMNS + eps)[:, None]
        total, gates = total * scale, gates * scale
    at = token[:, None] * n + row[None, :]
    finished(total, gates, out, residual, at, there & (row < n)[None, :], GATE, RESIDUAL)


@jit
def _dense(
    codes, scales, minimums, sub_scales, sub_minimums, out, n,
    COLUMNS: tl.constexpr, GROUP: tl.constexpr, FACTORS: tl.constexpr, NIBBLES: tl.constexpr, MINIMUMS: tl.constexpr,
    SUB_SCALES: tl.constexpr, SUB_MINIMUMS: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    covers: tl.constexpr = 32 if NIBBLES else 16
    count: tl.constexpr = BLOCK // covers
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    block = tl.program_id(1) * count + tl.arange(0, count)
    known = (row < n)[:, None] & (block < COLUMNS // covers)[None, :]
    low, high = _unpacked(
        codes, scales, minimums, sub_scales, sub_minimums, row, block, known,
        COLUMNS, GROUP, FACTORS, NIBBLES, MINIMUMS, SUB_SCALES, SUB_MINIMUMS,
    )  # fmt: skip
    column = block[:, None] * covers + tl.arange(0, 16)[None, :]
    at = row.to(tl.int64)[:, None, None] * COLUMNS + column[None, :, :]
    tl.store(out + at, low.to(out.dtype.element_ty), mask=known[:, :, None])
    if NIBBLES:
        tl.store(out + at + 16, high.to(out.dtype.element_ty), mask=known[:, :, None])


class GridRows:
    """A product with a grid, as a model's layers and its decoder call it.

    Args:
        grid: The weights, in groups of whole runs: of 32 columns for four bits, of 16 for eight.
    """

    def __init__(self, grid: Grid) -> None:
        if grid.shape[1] % run_of(grid) or grid.group % run_of(grid):
            raise ValueError(f"groups of {grid.group} columns out of {grid.shape[1]} are not whole runs")
        self.grid = grid

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self.grid.n_bytes

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, C]."""
        return self.grid.rows(ids).dense(dtype)

    def __call__(self, x: Tensor, out: Tensor | None = None, around: Around = BARE) -> Tensor:
        """Shapes: x [M, C] -> [M, N], or [M, N / 2] with a gate; into `out` for up to `MOST_ROWS` rows, if given."""
        if len(x) > MOST_ROWS:
            return F.linear(x, dense(self.grid, _scratch(x.device, x.dtype, self.grid.shape)))
        out = x.new_empty(len(x), self.grid.shape[0]) if out is None else out
        if len(x) > 1:
            x, around = normed(x, around)
        tile = ONE_ROW if len(x) == 1 else FEW_ROWS
        kernel, more = (_one_row, {}) if len(x) == 1 else (_few_rows, {"MOST": MOST_ROWS})
        n = out.shape[1]
        kernel[(blocks(n, tile.rows),)](
            x,
            *_tensors(self.grid),
            x if around.norm is None else around.norm,
            out if around.residual is None else around.residual,
            out,
            len(x),
            n,
            around.eps,
            NORM=around.norm is not None,
            GATE=around.gate,
            RESIDUAL=around.residual is not None,
            ROWS=tile.rows,
            BLOCK=tile.columns,
            num_warps=tile.warps,
            num_stages=tile.stages,
            **_shape(self.grid),
            **more,
        )
        return out


def dense(grid: Grid, out: Tensor) -> Tensor:
    """The weights themselves, into `out`, as `Grid.dense`. Shapes: out [N, C]."""
    n, columns = grid.shape
    size = (blocks(n, DENSE_ROWS), blocks(columns, DENSE_COLUMNS))
    _dense[size](*_tensors(grid), out, n, ROWS=DENSE_ROWS, BLOCK=DENSE_COLUMNS, **_shape(grid))
    return out


def run_of(grid: Grid) -> int:
    """Columns that are unpacked together: those of sixteen bytes."""
    return NIBBLE_GROUP if grid.bits == 4 else 16


def _tensors(grid: Grid) -> tuple[Tensor, ...]:
    held = (grid.codes, grid.scales, grid.minimums, grid.sub_scales, grid.sub_minimums)
    return tuple(grid.scales if each is None else each for each in held)


def _shape(grid: Grid) -> dict[str, int | bool]:
    return {
        "COLUMNS": grid.shape[1],
        "GROUP": grid.group,
        "FACTORS": grid.scales.shape[1],
        "NIBBLES": grid.bits == 4,
        "MINIMUMS": grid.minimums is not None,
        "SUB_SCALES": grid.sub_scales is not None,
        "SUB_MINIMUMS": grid.sub_minimums is not None,
    }


def _scratch(device: torch.device, dtype: torch.dtype, shape: tuple[int, int]) -> Tensor:
    """Memory for one unpacked matrix; what it held before is gone."""
    held = _held(device, dtype)
    needed = shape[0] * shape[1]
    if not held or held[0].numel() < needed:
        held[:] = [torch.empty(needed, device=device, dtype=dtype)]
    return held[0][:needed].view(shape)


@cache
def _held(device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    return []

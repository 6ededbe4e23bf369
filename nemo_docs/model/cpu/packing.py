"""A grid's numbers in the order in which the processor takes them.

Rows come in blocks of 32 whose elements are interleaved, so that one vector holds the same column of 32 rows: products
then need no sums across a vector, and every byte is read once, in order. Rows are filled up to a multiple of 32.

Dimensions: B blocks of rows, G groups of columns, W bytes a group and row, F factors (scales in half precision) a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nemo_docs.model.linear.grouped import Grid

LANES = 32
"""Rows of a block."""


@dataclass(frozen=True, slots=True)
class PackedGrid:
    """A `Grid` in blocks of rows."""

    codes: NDArray[np.uint8]
    """[B, G, W, LANES]; eight-bit codes are signed, whatever the type says."""
    scales: NDArray[np.uint16]
    """Bits of fp16. [B, F, LANES]"""
    minimums: NDArray[np.uint16]
    """Bits of fp16 [B, F, LANES]; empty for none, and where they are just so many scales: see `form`."""
    sub_scales: NDArray[np.int8]
    """[B, G, LANES]; empty for one."""
    sub_minimums: NDArray[np.int8]
    """[B, G, LANES]; empty for one."""
    rows: int
    """Rows without the filling."""
    form: tuple[int, int, int, int]
    """Bits, columns of a group, whether scales come in two steps, which minimums there are: what code is made for.

    Minimums: 0 for none, 1 for those that are kept, 2 for -8 scales each, as Q4_0 has them; a tenth of its bytes.
    Whole numbers all: Numba takes them for constants of the code, but not truth values.
    """

    @property
    def columns(self) -> int:
        """Columns of the matrix."""
        return int(self.codes.shape[1]) * self.form[1]

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return sum(part.nbytes for part in self.parts)

    @property
    def parts(self) -> tuple[NDArray[np.generic], ...]:
        """The arrays, as compiled functions take them."""
        return self.codes, self.scales, self.minimums, self.sub_scales, self.sub_minimums


NONE, KEPT, CENTRED = range(3)
"""Which minimums there are."""
CENTRE = 8
"""Of four bits."""


def pack(grid: Grid) -> PackedGrid:
    """Interleave the rows of a grid."""
    kind = NONE if grid.minimums is None else KEPT
    if grid.minimums is not None and grid.sub_scales is None and torch.equal(grid.minimums, grid.scales * -CENTRE):
        kind = CENTRED
    rows, groups = grid.shape[0], grid.shape[1] // grid.group
    codes = _interleaved(grid.codes.view(rows, groups, -1)).view(np.uint8)  # [B, G, W, LANES]
    return PackedGrid(
        codes=codes,
        scales=_of_factors(grid.scales),
        minimums=_of_factors(grid.minimums if kind == KEPT else None),
        sub_scales=_of_whole(grid.sub_scales),
        sub_minimums=_of_whole(grid.sub_minimums),
        rows=rows,
        form=(grid.bits, grid.group, int(grid.sub_scales is not None), kind),
    )


def packed_rows(packed: PackedGrid, ids: NDArray[np.int64]) -> Grid:
    """Some rows of the matrix, as a grid."""
    block, lane = ids // LANES, ids % LANES

    def rows(part: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(part[block, ..., lane]))

    bits, _, _, kind = packed.form
    scales = rows(packed.scales.view(np.float16))
    kept = rows(packed.minimums.view(np.float16)) if kind == KEPT else None
    return Grid(
        codes=rows(packed.codes).view(torch.uint8 if bits == 4 else torch.int8).view(len(ids), -1),
        scales=scales,
        minimums=scales * -CENTRE if kind == CENTRED else kept,
        sub_scales=rows(packed.sub_scales) if packed.sub_scales.size else None,
        sub_minimums=rows(packed.sub_minimums) if packed.sub_minimums.size else None,
    )


def _of_factors(factors: Tensor | None) -> NDArray[np.uint16]:
    if factors is None:
        return np.empty((0, 0, LANES), np.uint16)
    return _interleaved(factors.to(torch.float16)).view(np.uint16)


def _of_whole(numbers: Tensor | None) -> NDArray[np.int8]:
    if numbers is None:
        return np.empty((0, 0, LANES), np.int8)
    return _interleaved(numbers).view(np.int8)


def _interleaved(rows: Tensor) -> NDArray[np.generic]:
    """Shapes: [out, ...] -> [B, ..., LANES]."""
    missing = -rows.shape[0] % LANES
    if missing:
        rows = torch.cat((rows, rows.new_zeros(missing, *rows.shape[1:])))
    blocks = rows.cpu().numpy().reshape(-1, LANES, *rows.shape[1:])
    return np.ascontiguousarray(np.moveaxis(blocks, 1, -1))

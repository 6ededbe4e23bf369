"""Weights as small whole numbers in groups that share a scale: the grid of GGUF files, and ours where we round.

A weight is `code * scale + minimum`. Codes have four bits, two in a byte, or eight. Scales and minimums are half
precision, one a group; or, in two steps, a small whole number a group times a half-precision factor for several groups.
These are the grids of Q4_0, Q4_1, Q4_K, Q6_K and Q8_0, so a file's weights are kept exactly, never rounded a second
time, in about the bytes that the file takes.

This file holds the numbers and the plain form of their product, which every device can run: all weights are unpacked,
then multiplied. That costs little where many tokens go through at once, and is what faster kernels are compared with.

Source: the block formats of llama.cpp, `ggml-common.h` and `ggml-quants.c`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

NIBBLE_GROUP = 32
"""Columns whose four-bit codes lie in 16 bytes: column j in the low half of byte j, j + 16 in the high half."""
STRIP_WEIGHTS = 1 << 24
"""Weights that are unpacked at once: 64 MiB in fp32, and as much again in passing."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A matrix of whole numbers with its scales. Of rows [out], of columns [in], in groups of `group` columns."""

    codes: Tensor
    """Four bits: uint8 [out, in / 2], 0 to 15. Eight bits: int8 [out, in]."""
    scales: Tensor
    """fp16 [out, in / group]; with `sub_scales` [out, factors], each for as many groups as there are to one."""
    minimums: Tensor | None = None
    """Of the shape of `scales`; None for zero."""
    sub_scales: Tensor | None = None
    """Whole numbers, int8 or uint8 [out, in / group]; None for one."""
    sub_minimums: Tensor | None = None
    """Whole numbers, uint8 [out, in / group]; None for one."""

    @property
    def bits(self) -> int:
        """Bits of a code: four or eight."""
        return 4 if self.codes.dtype == torch.uint8 else 8

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self.codes.shape[0], self.codes.shape[1] * (2 if self.bits == 4 else 1)

    @property
    def group(self) -> int:
        """Columns that share a scale."""
        return self.shape[1] // (self.scales if self.sub_scales is None else self.sub_scales).shape[1]

    @property
    def form(self) -> tuple[tuple[torch.dtype, int] | None, ...]:
        """Dtype and columns of every part: what grids have in common that can be stacked."""
        return tuple(None if part is None else (part.dtype, part.shape[1]) for part in self._tensors())

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return sum(tensor.nbytes for tensor in self._tensors() if tensor is not None)

    def rows(self, ids: Tensor | slice) -> Grid:
        """Some of its rows."""
        return Grid(*(None if tensor is None else tensor[ids] for tensor in self._tensors()))  # type: ignore[arg-type]

    def to(self, device: torch.device) -> Grid:
        """The same on another device."""
        return Grid(*(None if tensor is None else tensor.to(device) for tensor in self._tensors()))  # type: ignore[arg-type]

    def scale_and_minimum(self) -> tuple[Tensor, Tensor | None]:
        """Of every group. Shapes: fp32 [out, in / group] each."""
        scales = _of_groups(self.scales, self.sub_scales)
        return scales, None if self.minimums is None else _of_groups(self.minimums, self.sub_minimums)

    def strips(self) -> Iterator[Grid]:
        """Its rows, a few megabytes of weights at a time, so that what is unpacked never grows with the matrix."""
        step = max(1, STRIP_WEIGHTS // self.shape[1])
        return (self.rows(slice(start, start + step)) for start in range(0, self.shape[0], step))

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The weights themselves, computed in fp32. Shapes: [out, in]."""
        weights = torch.empty(self.shape, dtype=dtype, device=self.codes.device)
        first = 0
        for strip in self.strips():
            weights[first : first + strip.shape[0]] = strip._unpacked()
            first += strip.shape[0]
        return weights

    def _unpacked(self) -> Tensor:
        """Shapes: fp32 [out, in]."""
        rows, columns = self.shape
        scales, minimums = self.scale_and_minimum()
        values = self._whole_numbers().view(rows, -1, self.group).float() * scales.unsqueeze(-1)
        if minimums is not None:
            values += minimums.unsqueeze(-1)
        return values.view(rows, columns)

    def _whole_numbers(self) -> Tensor:
        """The codes, one an element. Shapes: [out, in]."""
        if self.bits == 8:
            return self.codes
        pairs = self.codes.view(len(self.codes), -1, NIBBLE_GROUP // 2)  # [out, in / 32, 16]
        return torch.cat((pairs & 15, pairs >> 4), dim=-1).view(self.shape)

    def _tensors(self) -> tuple[Tensor | None, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))


def stacked(grids: Sequence[Grid]) -> Grid:
    """The rows of several matrices of one form, one below the other.

    Raises:
        ValueError: If their forms differ.
    """
    if len(grids) == 1:
        return grids[0]
    if len({grid.form for grid in grids}) > 1:
        raise ValueError("grids of different forms cannot be stacked")
    columns = zip(*(grid._tensors() for grid in grids), strict=True)
    return Grid(*(None if column[0] is None else torch.cat(column) for column in columns))  # type: ignore[arg-type]


class Grouped:
    """A product with a grid, in its plain form.

    Args:
        grid: The weights.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self.grid.n_bytes

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out]."""
        return torch.cat([F.linear(x, strip.dense(x.dtype)) for strip in self.grid.strips()], dim=-1)

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in]."""
        return self.grid.rows(ids).dense(dtype)


def _of_groups(factors: Tensor, whole: Tensor | None) -> Tensor:
    """Shapes: factors [out, n], whole [out, groups] -> fp32 [out, groups]."""
    wide = factors.float()
    if whole is None:
        return wide
    return wide.repeat_interleave(whole.shape[1] // wide.shape[1], dim=1) * whole.float()

"""Weights on a grid, on an Apple GPU: multiplied as they are packed for a few rows, unpacked in strips for many.

PyTorch has one kernel there that reads four-bit codes in groups, `_weight_int4pack_mm`. It is used for all our grids,
and each stays on its own:

- Its scales have the dtype of its input. bf16 would move every weight off the grid, so a few rows of activations are
  given in fp32, and scales and minimums with them. In fp32 they would be a sixth of the weights' memory more, so they
  are widened anew for each product, in strips of rows: half as many bytes again as the codes, instead of memory that a
  laptop does not have.
- A byte is two of its columns, the low half first. In ours the two halves are 16 columns apart, so the input is put in
  that order, which is a few kilobytes, and the codes stay where they are.
- A code of eight bits is two of four: the low half meets the input, the high half 16 times the input. The sign bit is
  turned over once, on load, which makes codes of 0 to 255. PyTorch's kernel for eight bits has one scale a row only.
- It reads all codes again for each row of the input, so many rows go through a strip of unpacked weights instead.

Source: PyTorch's `Quantized.mm` and `Quantized.metal` for Metal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from nemo_docs.model.linear.base import Linear
from nemo_docs.model.linear.grouped import NIBBLE_GROUP, Grid, Grouped

Fused = Callable[[Tensor, Tensor, int, Tensor], Tensor]
"""Input [T, C], codes as int32 [R / 8, C / 32, 32, 1], columns of a group, scales and zeros [C / group, R, 2] ->
[T, R]. A weight is `(code - 8) * scale + zero`; all but the codes has one dtype."""
MOST_ROWS = 16
"""Rows of activations up to which codes are read again for each: unpacking moves some forty times their bytes."""
GROUPS = (32, 64, 128, 256)
"""Columns that may share a scale."""
ROWS_TOGETHER = 8
"""The kernel's rows come in so many."""
MOST_CODES = 1 << 32
"""The kernel counts them in 32 bits."""
WIDENED_GROUPS = 1 << 23
"""Groups whose scales are widened at once: 64 MiB with their zeros, and about as much in passing."""
_SIGN = -128  # the bit of an int8 that is turned over


def product_for(grid: Grid, fused: Fused = torch._weight_int4pack_mm) -> Linear:
    """What multiplies with a grid: packed where the kernel takes it, else in the plain form."""
    return NibbleProduct(grid, fused) if NibbleProduct.suits(grid) else Grouped(grid)


class NibbleProduct:
    """A product with a grid that stays packed.

    Args:
        grid: The weights; `suits` says which.
        fused: Multiplies with four-bit codes.
    """

    def __init__(self, grid: Grid, fused: Fused = torch._weight_int4pack_mm) -> None:
        self._grid, self._fused = _turned(grid), fused

    @staticmethod
    def suits(grid: Grid) -> bool:
        """Whether the kernel takes such a grid."""
        rows, columns = grid.shape[0], _columns(grid)
        whole = rows % ROWS_TOGETHER == 0 and columns % NIBBLE_GROUP == 0
        return whole and _group(grid) in GROUPS and rows * columns < MOST_CODES

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self._grid.n_bytes

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out]."""
        if len(x) > MOST_ROWS:
            return torch.cat([F.linear(x, _turned(strip).dense(x.dtype)) for strip in self._grid.strips()], dim=-1)
        nibbles = _in_order(x.float(), self._grid.bits)
        parts = [
            self._fused(nibbles, _packed(part), _group(part), _scales_and_zeros(part)) for part in self._few_scales()
        ]
        return torch.cat(parts, dim=-1).to(x.dtype)

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in]."""
        return _turned(self._grid.rows(ids)).dense(dtype)

    def _few_scales(self) -> Iterator[Grid]:
        """The grid, so many rows at a time that widening their scales takes little memory."""
        rows, columns = self._grid.shape
        step = WIDENED_GROUPS * self._grid.group // columns // ROWS_TOGETHER * ROWS_TOGETHER
        return (self._grid.rows(slice(start, start + step)) for start in range(0, rows, max(step, ROWS_TOGETHER)))


def _turned(grid: Grid) -> Grid:
    """Codes of eight bits with their sign bit turned over; doing it twice undoes it."""
    return grid if grid.bits == 4 else replace(grid, codes=grid.codes ^ _SIGN)


def _columns(grid: Grid) -> int:
    """Four-bit codes of a row."""
    return grid.shape[1] * grid.bits // 4


def _group(grid: Grid) -> int:
    """Four-bit codes that share a scale."""
    return grid.group * grid.bits // 4


def _packed(grid: Grid) -> Tensor:
    """The codes, in the shape that the kernel wants to see. Shapes: int32 [out / 8, codes / 32, 32, 1]."""
    return grid.codes.view(torch.int32).view(len(grid.codes) // ROWS_TOGETHER, -1, 32, 1)


def _in_order(x: Tensor, bits: int) -> Tensor:
    """What each four-bit code is multiplied by. Shapes: [T, in] -> [T, in], or [T, 2 * in] for eight bits."""
    if bits == 8:
        return torch.stack((x, 16 * x), dim=-1).view(len(x), -1)
    return x.reshape(len(x), -1, 2, NIBBLE_GROUP // 2).transpose(2, 3).reshape(len(x), -1)


def _scales_and_zeros(grid: Grid) -> Tensor:
    """What the kernel makes weights with: `code * scale + (zero - 8 * scale)`. Shapes: fp32 [groups, out, 2].

    Of eight bits, which were raised by 128, the inputs of the two halves sum to 17 times the input.
    """
    scales, minimums = grid.scale_and_minimum()  # [out, groups]
    least = torch.zeros_like(scales) if minimums is None else minimums
    if grid.bits == 8:
        least = (least - 128 * scales) / 17
    both = scales.new_empty(scales.shape[1], scales.shape[0], 2)
    both[..., 0] = scales.t()
    both[..., 1] = (least + 8 * scales).t()
    return both

"""A matrix a few rows at a time: what rounds weights on load needs several wide copies of what it works on."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

_ELEMENTS = {"cpu": 1 << 17, "cuda": 1 << 22}  # in fp32 what the cache nearest to the arithmetic holds a few times


def row_slices(matrix: Tensor) -> Iterator[slice]:
    """Consecutive rows that make up a matrix. Shapes: matrix [rows, columns]."""
    rows, columns = matrix.shape
    step = max(1, _ELEMENTS.get(matrix.device.type, 1 << 20) // columns)
    for start in range(0, rows, step):
        yield slice(start, start + step)

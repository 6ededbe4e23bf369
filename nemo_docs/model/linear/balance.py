"""Columns brought to one size before they are rounded, and the product that undoes it in its input.

A group of 32 columns shares a scale, so a column that stands out makes the 31 beside it coarse, and a small column that
meets a large input is rounded as coarsely as the rest. So every column is divided by its own size, found by balancing
rows and columns in turn (a row's size must not count as its columns'), and the input is multiplied by it:
(W / t)(t x) = W x. It knows of no text. The price is one multiplication a column and token. What it brings is measured
in `tests/benchmarks/NOTES.md`: on the embedded default it takes half off the divergence that four bits cost.

Source: SINQ, arXiv:2509.22944, which balances standard deviations with clipped steps; plain alternation over mean
squares is Sinkhorn and Knopp (1967) on the squared matrix.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.model.linear.base import Linear
from nemo_docs.model.linear.slices import row_slices

ROUNDS = 4
"""Of the alternation; sizes have settled to a percent by then."""
LEAST = 1e-3
"""Of the columns' root mean square: no column counts as smaller, so that one of zeros divides nothing away."""


def column_sizes(weight: Tensor) -> Tensor:
    """What to divide the columns of a matrix by.

    Shapes: weight [out, in] -> bf16 [in], geometric mean one. Inputs are multiplied by just what is returned, so
    that it is short costs nothing.
    """
    squares = torch.ones(weight.shape[1], device=weight.device)  # [in]: of the columns' sizes
    for _ in range(ROUNDS):
        found = torch.zeros_like(squares)
        for part in row_slices(weight):
            square = weight[part].float().square()  # [rows, in]
            of_rows = square @ squares.reciprocal()  # [rows]
            found += torch.where(of_rows > 0, of_rows.reciprocal(), 0) @ square
        squares = found.clamp_min(LEAST**2 * found.mean()) if found.any() else torch.ones_like(found)
        squares /= squares.log().mean().exp()
    return squares.sqrt().bfloat16()


class Balanced:
    """A product with weights whose columns were divided.

    Args:
        inner: The product with the divided weights.
        sizes: What they were divided by, bf16 [in].
    """

    def __init__(self, inner: Linear, sizes: Tensor) -> None:
        self.inner, self.sizes = inner, sizes

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self.inner.n_bytes + self.sizes.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out]."""
        return self.inner(x * self.sizes)

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in]."""
        return (self.inner.rows(ids, torch.float32) * self.sizes).to(dtype)

"""A grid of grouped whole numbers as a product on a CPU.

A few tokens are multiplied with the packed grid itself; many, as in prefill, with a dense matrix that is made anew for
each chunk, because there the processor's matrix instructions count and not the bytes.
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from nemo_docs.model.cpu.packing import PackedGrid, pack, packed_rows
from nemo_docs.model.cpu.products import MOST_TOKENS, multiply
from nemo_docs.model.cpu.unpacking import dense
from nemo_docs.model.linear.balance import Balanced
from nemo_docs.model.linear.base import Linear
from nemo_docs.model.linear.concatenated import Concatenated
from nemo_docs.model.linear.grouped import Grid
from nemo_docs.model.linear.with_dense import WithDense


class PackedGrouped:
    """A product with a packed grid.

    Args:
        grid: The weights.

    Attributes:
        packed: The weights, as they are kept.
    """

    def __init__(self, grid: Grid) -> None:
        self.packed = pack(grid)

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self.packed.n_bytes

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out]."""
        if x.shape[0] <= MOST_TOKENS:
            return torch.from_numpy(multiply(self.packed, x.float().contiguous().numpy())).to(x.dtype)
        return F.linear(x, dense(self.packed, x.dtype))

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in]."""
        return packed_rows(self.packed, ids.numpy()).dense(dtype)


class PackedProduct(NamedTuple):
    """A product as packed grids."""

    parts: tuple[PackedGrid, ...]
    """Their results, side by side, are the product's."""
    sizes: NDArray[np.float32] | None
    """What the input is multiplied by before. [in]"""


def packed_product(linear: Linear) -> PackedProduct | None:
    """A product as packed grids; None if it has other parts."""
    match linear:
        case PackedGrouped():
            return PackedProduct((linear.packed,), None)
        case WithDense():
            return packed_product(linear.stored)
        case Balanced():
            inner = packed_product(linear.inner)
            return inner and PackedProduct(inner.parts, linear.sizes.float().numpy())
        case Concatenated():
            found = [packed_product(part) for part in linear.parts]
            parts = [part.parts for part in found if part is not None and part.sizes is None]
            return PackedProduct(tuple(chain.from_iterable(parts)), None) if len(parts) == len(found) else None
        case _:
            return None

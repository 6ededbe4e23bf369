"""A product that is kept twice: as it is stored, and dense.

Taking whole numbers apart again for every call is what a small model spends its time on, and its dense weights cost
next to nothing. So where memory is plenty both are kept: the dense ones are multiplied, and whoever has a kernel that
reads the stored ones finds them at hand.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.model.linear.base import Dense, Linear


class WithDense:
    """A product in two forms with the same weights.

    Args:
        stored: As the weights are stored.
        dense: The same, in the dtype of activations.

    Attributes:
        stored: As the weights are stored.
        dense: The same, in the dtype of activations.
    """

    def __init__(self, stored: Linear, dense: Dense) -> None:
        self.stored, self.dense = stored, dense

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self.stored.n_bytes + self.dense.n_bytes

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out]."""
        return self.dense(x)

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in]."""
        return self.stored.rows(ids, dtype)

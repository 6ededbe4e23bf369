"""What the transformer asks of a weight matrix, and the plain form of it.

The transformer multiplies by matrices and picks rows of a table; in what numbers they are kept is nobody's business but
theirs. So a precision is a class that makes these two things, and a layer's code is the same for all of them.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class Linear(Protocol):
    """y = x W^T."""

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out], x's dtype."""
        ...

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Some rows of W, as the embedding of tokens needs them. Shapes: ids [T] -> [T, in]."""
        ...


class LinearLoader(Protocol):
    """Reads weights and makes products of them, in one precision."""

    def linear(self, *names: str) -> Linear:
        """One product for the rows of these tensors together, by their native names without `.weight`.

        Query, key and value go together, and gate and up: the number of calls is what costs in decode.
        """
        ...

    def table(self, name: str) -> Linear:
        """The embedding, and the output layer where it has weights of its own."""
        ...


class Dense:
    """Weights as they are multiplied.

    Args:
        weight: [out, in]
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self.weight.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out]."""
        return F.linear(x, self.weight)

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in]."""
        return self.weight[ids].to(dtype)

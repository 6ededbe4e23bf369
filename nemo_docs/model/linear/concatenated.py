"""Several products of one input, side by side: a fused projection whose parts are stored in different forms.

Files of mixed precision keep the value projection in more bits than query and key (Q4_K_M does, in half of the layers),
so their rows cannot be one matrix; their results are joined instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nemo_docs.model.linear.base import Linear


class Concatenated:
    """The rows of several products, one below the other.

    Args:
        parts: The products, in order.
        heights: How many rows each has.

    Attributes:
        parts: The products, in order.
        heights: How many rows each has.
    """

    def __init__(self, parts: Sequence[Linear], heights: Sequence[int]) -> None:
        self.parts, self.heights = tuple(parts), tuple(heights)

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return sum(part.n_bytes for part in self.parts)

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out]."""
        return torch.cat([part(x) for part in self.parts], dim=-1)

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in]."""
        found, first = self.parts[0].rows(ids.clamp(max=self.heights[0] - 1), dtype), self.heights[0]
        for part, height in zip(self.parts[1:], self.heights[1:], strict=True):
            here = part.rows((ids - first).clamp(0, height - 1), dtype)
            found = torch.where((ids >= first).unsqueeze(-1), here, found)
            first += height
        return found

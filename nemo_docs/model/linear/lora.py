"""A product with a LoRA adapter beside it: y = x W^T + scaling * (x A^T) B^T.

The adapter is never merged into W. W may be quantised, and rounding W + scaling * B A onto W's grid anew would lose
most of what was learned; so the same adapter goes over every precision, at the price of two narrow products.

Where several matrices are one product (query, key and value; gate and up) their A lie one below the other, so x is read
once, and each B writes into its own rows of the result, in place.

Source: arXiv:2106.09685; mistral-finetune `model/lora.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from nemo_docs.model.linear.base import Linear, LinearLoader
from nemo_docs.model.weights.adapter import Adapter


class Adapted:
    """A product with an adapter.

    Args:
        base: The product that it changes; its result must be its caller's to write into.
        pairs: A [r, in] and B [out, r] of each matrix in the product, in their order; r may differ, and is 0 for a
            matrix without an adapter.
        scaling: What B A is multiplied by.
    """

    def __init__(self, base: Linear, pairs: Sequence[tuple[Tensor, Tensor]], scaling: float) -> None:
        self.base, self.scaling = base, scaling
        self.a = torch.cat([a for a, _ in pairs])  # [all r, in]
        self.b = [b for _, b in pairs]  # [out, r] each
        self._ranks, self._rows = [b.shape[1] for b in self.b], [b.shape[0] for b in self.b]

    @property
    def n_bytes(self) -> int:
        """Memory that weights and adapter take."""
        return self.base.n_bytes + self.a.nbytes + sum(b.nbytes for b in self.b)

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out]."""
        y = self.base(x)
        narrow = torch.split_with_sizes(F.linear(x, self.a), self._ranks, dim=-1)  # [T, r] each
        parts = torch.split_with_sizes(y, self._rows, dim=-1)  # [T, out] each, views
        for part, rows, b in zip(parts, narrow, self.b, strict=True):
            if b.shape[1]:
                part.addmm_(rows, b.t(), alpha=self.scaling)
        return y

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in]."""
        tall: Tensor = torch.block_diag(*self.b)  # type: ignore[no-untyped-call]  # [out, all r]
        changes = tall[ids] @ self.a  # [T, in]
        return self.base.rows(ids, dtype) + (changes * self.scaling).to(dtype)


class AdaptedLoader:
    """Puts an adapter over the products that another loader makes.

    Args:
        base: Makes the products, in whatever precision.
        adapter: What changes them.
        device: Where the adapter goes.
        dtype: What it is multiplied in: that of activations.
    """

    def __init__(self, base: LinearLoader, adapter: Adapter, *, device: torch.device, dtype: torch.dtype) -> None:
        self._base, self._adapter = base, adapter
        self._device, self._dtype = device, dtype

    def linear(self, *names: str) -> Linear:
        """One product for the rows of these tensors together; the base's own where no adapter changes it."""
        base = self._base.linear(*names)
        if not any(name in self._adapter.names for name in names):
            return base
        pairs = [self._adapter.load(name, device=self._device, dtype=self._dtype) for name in names]
        return Adapted(base, pairs, self._adapter.scaling)

    def table(self, name: str) -> Linear:
        """The embedding or the output layer, which no adapter changes."""
        return self._base.table(name)

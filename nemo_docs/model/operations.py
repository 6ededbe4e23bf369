"""What stands between two matrix products of a layer, in plain torch; a device may bring faster forms of its own.

Every form takes and returns the same numbers, but for the order of sums in fp32.

Dimensions: T new tokens, H query heads, K key/value heads, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from nemo_docs.kv.cache import Past
from nemo_docs.model.attention import attend
from nemo_docs.model.rope import rotate


class Operations(Protocol):
    """The elementwise work of a block, and its attention."""

    def add_norm(self, x: Tensor, delta: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """Add what a layer found to the residual stream, and normalise the sum.

        Shapes: x, delta [T, dim]; weight [dim] -> the sum and its RMSNorm, [T, dim] each. `x` may be written over.
        """
        ...

    def turned(self, heads: Tensor, turns: Tensor, n_heads: int, n_kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys at their positions, and values, head-major.

        Shapes: heads [T, H + 2K, D]; turns [T, D/2] complex64 -> q [H, T, D]; k, v [K, T, D].
        """
        ...

    def gated(self, x: Tensor) -> Tensor:
        """SiLU of the gate times up. Shapes: x [T, 2 * hidden] -> [T, hidden]."""
        ...

    def attend(self, q: Tensor, past: Sequence[Past], mask: Tensor | None = None) -> Tensor:
        """As `attention.attend`. Shapes: q [H, T, D] -> [H, T, D]."""
        ...


class PlainOperations:
    """The forms that every device can run."""

    def add_norm(self, x: Tensor, delta: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """Statistics in fp32, the product in the model's dtype, as the reference does. Shapes: x, delta [T, dim]."""
        x = x if delta is None else x + delta
        wide = x.float()
        return x, (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype) * weight

    def turned(self, heads: Tensor, turns: Tensor, n_heads: int, n_kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
        """Shapes: heads [T, H + 2K, D]; turns [T, D/2] -> q [H, T, D]; k, v [K, T, D]."""
        turned = rotate(heads[:, : n_heads + n_kv_heads], turns).transpose(0, 1)  # [H + K, T, D]
        return turned[:n_heads], turned[n_heads:], heads[:, n_heads + n_kv_heads :].transpose(0, 1)

    def gated(self, x: Tensor) -> Tensor:
        """Shapes: x [T, 2 * hidden] -> [T, hidden]."""
        gate, up = x.chunk(2, dim=-1)
        return F.silu(gate) * up

    def attend(self, q: Tensor, past: Sequence[Past], mask: Tensor | None = None) -> Tensor:
        """Shapes: q [H, T, D] -> [H, T, D]."""
        return attend(q, past, mask)

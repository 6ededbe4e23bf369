"""Rotary position embedding in fp32, over interleaved pairs.

Mistral's native layout rotates neighbouring elements (2i, 2i + 1) of a head; Hugging Face's rotates element i with
element i + D/2 and permutes the rows of wq and wk to match. This project keeps the native layout everywhere and
permutes at load. Angles, sines and the rotation itself are fp32 whatever the model's dtype: at position 100,000 a bf16
cosine is noise.

Source: arXiv:2104.09864; mistral-inference `rope.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor


class RotaryTable:
    """Cosines and sines by position, computed once and extended when a longer position is asked for.

    Args:
        head_dim: Width of a head, D.
        theta: Base of the frequencies.
        device: Where the tables live.
    """

    def __init__(self, head_dim: int, theta: float, device: torch.device) -> None:
        exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim
        self._frequencies = 1.0 / theta**exponents  # [D/2]
        self._cos = torch.empty(0, head_dim // 2, device=device)  # [P, D/2]
        self._sin = torch.empty(0, head_dim // 2, device=device)  # [P, D/2]

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines for each position.

        Shapes: positions [T], int64 -> two of [T, D/2], fp32.
        """
        needed = int(positions.max()) + 1
        if needed > self._cos.shape[0]:
            self._extend(max(needed, 2 * self._cos.shape[0]))
        return self._cos[positions], self._sin[positions]

    def _extend(self, length: int) -> None:
        steps = torch.arange(length, dtype=torch.float32, device=self._frequencies.device)
        angles = torch.outer(steps, self._frequencies)  # [P, D/2]
        self._cos, self._sin = angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of `x` by its position's angles.

    Shapes: x [T, H, D] any float dtype; cos, sin [T, D/2] fp32 -> [T, H, D] in x's dtype.
    """
    even, odd = x.float().view(*x.shape[:-1], -1, 2).unbind(-1)  # [T, H, D/2] each
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)  # [T, 1, D/2]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)  # [T, H, D/2, 2]
    return turned.flatten(-2).to(x.dtype)

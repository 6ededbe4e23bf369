"""Rotary position embedding in fp32, over interleaved pairs.

Mistral's native layout rotates neighbouring elements (2i, 2i + 1) of a head; Hugging Face's rotates element i with
element i + D/2 and permutes the rows of wq and wk to match. This project keeps the native layout everywhere and
permutes at load. Angles, sines and the rotation itself are fp32 whatever the model's dtype: at position 100,000 a bf16
cosine is noise.

Source: arXiv:2104.09864; mistral-inference `rope.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class RotaryTable:
    """Turns by position, computed once and extended when a longer position is asked for.

    A turn is the complex number cos + i sin: a pair of neighbouring elements is one complex number, and rotating it is
    one product. On a CPU that is an order of magnitude faster than picking even and odd elements apart, and the same
    to the last bit. For an Apple GPU the table is made on the CPU: Metal allows a power or a sine to be off by several
    units in the last place, which at position 100,000 turns visibly elsewhere.

    Args:
        head_dim: Width of a head, D.
        theta: Base of the frequencies.
        device: Where the table lives.
    """

    def __init__(self, head_dim: int, theta: float, device: torch.device) -> None:
        self._device = device
        maker = torch.device("cpu") if device.type == "mps" else device
        exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device=maker) / head_dim
        self._frequencies = 1.0 / theta**exponents  # [D/2]
        self._turns = torch.empty(0, head_dim // 2, dtype=torch.complex64, device=device)  # [P, D/2]

    def at(self, positions: Sequence[int]) -> Tensor:
        """The turn of each position; positions are numbers of the host, so that a GPU is never waited for.

        Shapes: T positions -> [T, D/2], complex64.
        """
        needed = max(positions) + 1
        if needed > self._turns.shape[0]:
            self._extend(max(needed, 2 * self._turns.shape[0]))
        if isinstance(positions, range):
            return self._turns[positions.start : positions.stop]
        return self._turns[torch.tensor(positions, device=self._turns.device)]

    def parts(self, positions: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cosines and sines of each position, for who turns pairs himself. Shapes: T -> fp32 [T, D/2] each."""
        turns = torch.view_as_real(self.at(positions)).numpy()  # [T, D/2, 2]
        return np.ascontiguousarray(turns[..., 0]), np.ascontiguousarray(turns[..., 1])

    def _extend(self, length: int) -> None:
        steps = torch.arange(length, dtype=torch.float32, device=self._frequencies.device)
        angles = torch.outer(steps, self._frequencies)  # [P, D/2]
        self._turns = torch.complex(angles.cos(), angles.sin()).to(self._device)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Turn each pair of `x` by its position's angles.

    Shapes: x [T, H, D] any float dtype; turns [T, D/2] complex64 -> [T, H, D] in x's dtype.
    """
    pairs = torch.view_as_complex(x.float().view(*x.shape[:-1], -1, 2))  # [T, H, D/2]
    return torch.view_as_real(pairs * turns.unsqueeze(1)).flatten(-2).to(x.dtype)

"""In which numbers a cache keeps keys and values: as they are, or in eight bits.

What is stored is the truth. New tokens are stored before any of them is attended to, and attention sees what `load`
makes of it, whether the rows were computed a moment ago, by an earlier question, or before a restart: so a warm answer
equals a cold one. Memory and disk hold the same bytes, and coming from a disk costs a copy.

Eight bits are a whole number for each element and one scale for each token and head. Chosen by measurement
(`tests/benchmarks/bench_kv.py`, figures in `NOTES.md` beside it):

- Keys are quantised once, as they are attended to: rotated. Before the rotation they quantise hardly better, and a
  cache made of them would have to be rotated and rounded a second time, at 1.7 times the divergence. Nothing is lost by
  it: rotations add up, so that a window can still be placed elsewhere, and pays that second rounding only then.
- A Hadamard rotation of the heads would cut the divergence to a quarter, for four more products a layer. What there is
  to gain is a tenth of a per cent of perplexity: it does not earn them.
- fp8 (e4m3) takes as many bytes and has four bits of precision where these have eight: twelve times the divergence.
- Scales are bf16, because they may be rounded freely: codes are found after it, so it costs no precision (the largest
  code still rounds to 127), halves the scales' bytes, and has the range of fp32, where fp16 would overflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

LARGEST_CODE = 127
"""Codes are symmetric; -128 is not used."""
SMALLEST_SCALE = torch.finfo(torch.bfloat16).tiny
"""Keeps zeros from a division by zero, and scales at full precision."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Keys or values in their stored form; an index picks along the axes that codes and scales share."""

    codes: Tensor
    """[..., T, D]"""
    scales: Tensor | None = None
    """[..., T]; None where codes are the values themselves."""

    def __getitem__(self, at: Any) -> Rows:
        return Rows(self.codes[at], None if self.scales is None else self.scales[at])

    def fill(self, other: Rows, *, non_blocking: bool = False) -> None:
        """Overwrite with rows of the same form and shape."""
        self.codes.copy_(other.codes, non_blocking=non_blocking)
        if self.scales is not None:
            assert other.scales is not None
            self.scales.copy_(other.scales, non_blocking=non_blocking)

    def alike(self, other: Rows) -> bool:
        """Whether two hold numbers of the same types in the same shapes."""
        return all(
            (a is b is None) or (a is not None and b is not None and (a.dtype, a.shape) == (b.dtype, b.shape))
            for a, b in ((self.codes, other.codes), (self.scales, other.scales))
        )


class Form(Protocol):
    """How keys and values are stored. One function makes the stored rows, one makes numbers of them again."""

    @property
    def packed(self) -> bool:
        """Whether rows take memory to load: where they do not, a whole past is loaded at once."""
        ...

    def row_bytes(self, head_dim: int, dtype: torch.dtype) -> int:
        """What one token takes in one head: D numbers that are computed in `dtype`."""
        ...

    def empty(self, *shape: int, dtype: torch.dtype, device: torch.device) -> Rows:
        """Memory for rows. Shapes: [..., T, D] as given; their values are undefined."""
        ...

    def store(self, x: Tensor) -> Rows:
        """What is kept of keys or values. Shapes: x [..., T, D], any float dtype."""
        ...

    def load(self, rows: Rows, dtype: torch.dtype) -> Tensor:
        """The numbers that attention computes with. Shapes: [..., T, D], in `dtype`."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """Keys and values as they were computed."""

    @property
    def packed(self) -> bool:
        """Loading is free."""
        return False

    def row_bytes(self, head_dim: int, dtype: torch.dtype) -> int:
        """D numbers."""
        return head_dim * dtype.itemsize

    def empty(self, *shape: int, dtype: torch.dtype, device: torch.device) -> Rows:
        """Shapes: [..., T, D] as given."""
        return Rows(torch.empty(shape, dtype=dtype, device=device))

    def store(self, x: Tensor) -> Rows:
        """Shapes: x [..., T, D]."""
        return Rows(x)

    def load(self, rows: Rows, dtype: torch.dtype) -> Tensor:
        """Shapes: [..., T, D]."""
        return rows.codes.to(dtype)


@dataclass(frozen=True, slots=True)
class Int8:
    """A code in -127..127 for each element, int8, times a scale for each token and head, bf16.

    The error is at most half a scale, which is a 254th of the row's largest magnitude. Storing what was loaded in fp32
    gives the same codes and scales again.
    """

    @property
    def packed(self) -> bool:
        """Loading unpacks."""
        return True

    def row_bytes(self, head_dim: int, dtype: torch.dtype) -> int:
        """D codes and a scale, whatever they are computed in."""
        return head_dim * torch.int8.itemsize + torch.bfloat16.itemsize

    def empty(self, *shape: int, dtype: torch.dtype, device: torch.device) -> Rows:
        """Shapes: codes [..., T, D] as given, scales [..., T]."""
        return Rows(
            torch.empty(shape, dtype=torch.int8, device=device),
            torch.empty(shape[:-1], dtype=torch.bfloat16, device=device),
        )

    def store(self, x: Tensor) -> Rows:
        """Round to the nearest code, halves to even, in fp32. Shapes: x [..., T, D]."""
        wide = x.float()
        scales = (wide.abs().amax(-1) / LARGEST_CODE).clamp_(min=SMALLEST_SCALE).bfloat16()  # [..., T]
        codes = (wide / scales.float().unsqueeze(-1)).round_()  # [..., T, D]
        return Rows(codes.to(torch.int8), scales)

    def load(self, rows: Rows, dtype: torch.dtype) -> Tensor:
        """Exact in fp32; in bf16 the product is rounded once. Shapes: [..., T, D]."""
        assert rows.scales is not None
        return rows.codes * rows.scales.to(dtype).unsqueeze(-1)  # the product takes the scales' dtype


PLAIN = Plain()
"""The form that a cache has unless another is asked for."""

"""From dense weights to a `Grid`, on load: eight or four bits in groups of 32, from the weights alone.

Eight bits are plain: the largest of a group becomes 127, and what is lost cannot be seen in answers.

Four bits are a search. The step of a group and its offset are tried around what its extremes ask for; each try rounds
the weights, fits scale and minimum to the codes by least squares, rounds once more, and the try with the least squared
error is kept, the extremes themselves among them. That takes 13 % off the error of rounding to the nearest between the
extremes (squared: 25 %), and 14 % is all that there is to gain on this grid. The same idea as llama.cpp's K-quants, in
two directions. What lies across groups, in the columns, is in `balance.py`.

No text is read for it. Methods that read some (GPTQ, AWQ) know which inputs are large; where ours stands beside them is
in `tests/benchmarks/NOTES.md`.

Source: `make_qkx2_quants` in llama.cpp's `ggml-quants.c` for the fit to tried codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nemo_docs.model.linear.grouped import NIBBLE_GROUP, Grid
from nemo_docs.model.linear.slices import row_slices

GROUP = NIBBLE_GROUP
"""Columns that share a scale."""
HIGHEST = 15
"""The largest code of four bits."""
_STEPS = tuple(13.6 + 0.4 * n for n in range(8))  # of the grid between a group's extremes: 15 spans them exactly
_OFFSETS = (-0.4, 0.0, 0.4)  # of the grid, in steps


def round_int8(weight: Tensor) -> Grid:
    """Eight bits, symmetric. Shapes: weight [out, in].

    Raises:
        ValueError: If columns do not come in groups, or a weight is infinite, no number, or beyond what half precision
            can scale.
    """
    return _by_rows(weight, _int8)


def round_int4(weight: Tensor, sizes: Tensor | None = None) -> Grid:
    """Four bits with a scale and a minimum, the best that the search finds.

    Shapes: weight [out, in]; sizes [in], what columns are divided by before.

    Raises:
        ValueError: As `round_int8` does.
    """
    return _by_rows(weight, lambda rows: _int4(rows if sizes is None else rows / sizes))


def _by_rows(weight: Tensor, rounded: Callable[[Tensor], Grid]) -> Grid:
    """Some rows at a time, into one grid, so that beside the weights hardly more than the grid is held."""
    rows, columns = weight.shape
    if columns % GROUP:
        raise ValueError(f"its rows of {columns} weights do not come in groups of {GROUP}")
    whole: Grid | None = None
    for part in row_slices(weight):
        piece = rounded(weight[part].float())
        if whole is None:
            whole = _room_for(piece, rows)
        whole.codes[part], whole.scales[part] = piece.codes, piece.scales
        if whole.minimums is not None and piece.minimums is not None:
            whole.minimums[part] = piece.minimums
    assert whole is not None, "a matrix has rows"
    if not all(part.isfinite().all() for part in (whole.scales, whole.minimums) if part is not None):
        raise ValueError("it holds weights that are infinite, no numbers, or too large for a scale in half precision")
    return whole


def _room_for(piece: Grid, rows: int) -> Grid:
    def empty(tensor: Tensor) -> Tensor:
        return tensor.new_empty((rows, tensor.shape[1]))

    return Grid(empty(piece.codes), empty(piece.scales), None if piece.minimums is None else empty(piece.minimums))


def _int8(weight: Tensor) -> Grid:
    """Shapes: weight fp32 [rows, in]."""
    groups = weight.view(len(weight), -1, GROUP)  # [rows, groups, 32]
    scales = _half_above(groups.abs().amax(-1, keepdim=True) / 127)
    codes = (groups / _divisor(scales.float())).round_().clamp_(-127, 127).to(torch.int8)
    return Grid(codes.view(weight.shape), scales.squeeze(-1))


class _Fit(NamedTuple):
    """A scale and a minimum for each group, and how far they are off."""

    scale: Tensor
    """fp16 [groups, 1]"""
    minimum: Tensor
    """fp16 [groups, 1]"""
    error: Tensor
    """fp32 [groups, 1]: squared, summed"""

    def codes(self, groups: Tensor) -> Tensor:
        """The nearest codes. Shapes: [groups, 32] -> fp32 of the same."""
        scale, minimum = self.scale.float(), self.minimum.float()
        return ((groups - minimum) / _divisor(scale)).round_().clamp_(0, HIGHEST)

    def measured(self, groups: Tensor) -> _Fit:
        """The same with its error."""
        off = torch.addcmul(self.minimum.float(), self.codes(groups), self.scale.float()).sub_(groups)
        return self._replace(error=off.square_().sum(-1, keepdim=True))

    def or_better(self, other: _Fit) -> _Fit:
        """The one of both that is less off, group by group."""
        better = other.error < self.error  # never for what is no number
        return _Fit(*(torch.where(better, theirs, mine) for mine, theirs in zip(self, other, strict=True)))


def _int4(weight: Tensor) -> Grid:
    """Shapes: weight fp32 [rows, in]."""
    groups = weight.view(-1, GROUP)  # [groups, 32]
    lowest, highest = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    best = _between(lowest, highest).measured(groups)
    span = _divisor(highest - lowest)
    for steps in _STEPS:
        for offset in _OFFSETS:
            tried = ((groups - lowest) * (steps / span)).add_(offset).round_().clamp_(0, HIGHEST)
            best = best.or_better(_fitted(groups, tried).measured(groups))
    codes = best.codes(groups).to(torch.uint8)
    low, high = codes.chunk(2, dim=-1)
    packed = (low | high << 4).view(len(weight), -1)
    of_groups = (len(weight), weight.shape[1] // GROUP)
    return Grid(packed, best.scale.view(of_groups), best.minimum.view(of_groups))


def _between(lowest: Tensor, highest: Tensor) -> _Fit:
    """The grid whose ends are a group's extremes, or just outside of them: half precision is coarser."""
    minimum = -_half_above(-lowest)
    scale = _half_above((highest - minimum.float()) / HIGHEST)
    return _Fit(scale, minimum, torch.full_like(lowest, torch.inf))


def _fitted(groups: Tensor, codes: Tensor) -> _Fit:
    """The scale and minimum that make these codes the least wrong. Shapes: [groups, 32] each.

    Where all codes are one, or the best scale is not above zero, the result is no number and never chosen.
    """
    mean, mean_code = groups.mean(-1, keepdim=True), codes.mean(-1, keepdim=True)
    apart = codes - mean_code
    scale = (apart * groups).sum(-1, keepdim=True) / apart.square().sum(-1, keepdim=True)
    scale = torch.where(scale > 0, scale, torch.nan).half()
    minimum = (mean - scale.float() * mean_code).half()
    return _Fit(scale, minimum, torch.empty_like(mean))


def _half_above(x: Tensor) -> Tensor:
    """The nearest half-precision number that is not below x, so that a range in it holds what it should."""
    half = x.half()
    below = half.float() < x
    up = torch.where(half.view(torch.int16) < 0, -1, 1)  # bits count away from zero
    return torch.where(below, (half.view(torch.int16) + up).to(torch.int16).view(torch.float16), half)


def _divisor(x: Tensor) -> Tensor:
    """Zero would divide zero: a group without any spread."""
    return torch.where(x == 0, 1.0, x)

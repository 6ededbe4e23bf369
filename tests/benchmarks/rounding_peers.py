"""Other ways to four bits in groups of 32, each in its simplest published form, as the weights that come of it.

`nearest` and `half_quadratic` look at the weights alone, as the product does; `gptq` and `activation_aware` are told
what the inputs are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.model.linear.balance import column_sizes
from nemo_docs.model.linear.rounding import GROUP, HIGHEST, round_int4


def ours(weight: Tensor, *, balanced: bool = True) -> Tensor:
    """What the product does, with or without its balance of columns."""
    sizes = column_sizes(weight).float() if balanced else torch.ones(weight.shape[1])
    return round_int4(weight, sizes).dense(torch.float32) * sizes


def nearest(weight: Tensor, *, balanced: bool = False) -> Tensor:
    """To the nearest of 16 steps between the extremes of a group, as Q4_1 and torchao's int4 do."""
    sizes = column_sizes(weight).float() if balanced else torch.ones(weight.shape[1])
    groups = (weight / sizes).view(-1, GROUP)
    scale, minimum = _between_extremes(groups)
    return (_codes(groups, scale, minimum) * scale + minimum).view_as(weight) * sizes


def half_quadratic(weight: Tensor, rounds: int = 20, norm: float = 0.7, beta: float = 10.0) -> Tensor:
    """HQQ: the zero point that makes the p-norm of the errors least, p below one.

    Source: mobiusml.github.io/hqq_blog.
    """
    groups = weight.view(-1, GROUP)
    scale, minimum = _between_extremes(groups)
    best, least = minimum, torch.inf
    for _ in range(rounds):
        codes = _codes(groups, scale, minimum)
        off = groups - (codes * scale + minimum)
        if float(off.abs().mean()) >= least:
            break
        best, least = minimum, float(off.abs().mean())
        kept = off.sign() * (off.abs() - off.abs().clamp_min(1e-8) ** (norm - 1) / beta).clamp_min(0)
        minimum = (groups - kept - codes * scale).mean(-1, keepdim=True)
        beta *= 1.01
    return (_codes(groups, scale, best) * scale + best).view_as(weight)


def activation_aware(weight: Tensor, moments: Tensor) -> Tensor:
    """AWQ with its exponent at a half: columns divided by the root of their input's size, then our search.

    Shapes: moments [in, in], inputs' second moments. Source: arXiv:2306.00978.
    """
    sizes = moments.diagonal().clamp_min(1e-8) ** -0.25
    sizes = sizes / sizes.log().mean().exp()
    return round_int4(weight, sizes).dense(torch.float32) * sizes


def gptq(weight: Tensor, moments: Tensor, *, balanced: bool = False, damping: float = 0.01) -> Tensor:
    """Column by column, each error passed on to the columns still to come, as the inputs' moments say.

    Shapes: weight [out, in]; moments [in, in]. Source: arXiv:2210.17323, with the extremes of a group when its turn has
    come, and without reordering; `balanced` puts our columns and our search into it.
    """
    sizes = column_sizes(weight).float() if balanced else torch.ones(weight.shape[1])
    left, told = weight / sizes, moments * sizes * sizes.unsqueeze(1)
    told = told + damping * told.diagonal().mean() * torch.eye(len(told))
    pass_on = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(told)), upper=True)
    result = torch.empty_like(left)
    for start in range(0, weight.shape[1], GROUP):
        group = slice(start, start + GROUP)
        block, errors = left[:, group].clone(), torch.empty(len(left), GROUP)
        if balanced:
            found_scale, found_minimum = round_int4(block).scale_and_minimum()
            assert found_minimum is not None
            scale, minimum = found_scale, found_minimum
        else:
            scale, minimum = _between_extremes(block)
        for column in range(GROUP):
            at = start + column
            value = block[:, column : column + 1]
            rounded = _codes(value, scale, minimum) * scale + minimum
            result[:, at : at + 1] = rounded
            errors[:, column : column + 1] = (value - rounded) / pass_on[at, at]
            block[:, column + 1 :] -= errors[:, column : column + 1] * pass_on[at, at + 1 : start + GROUP]
        left[:, start + GROUP :] -= errors @ pass_on[group, start + GROUP :]
    return result * sizes


def _between_extremes(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Shapes: [n, 32] -> scale, minimum [n, 1], as half precision holds them."""
    minimum = groups.amin(-1, keepdim=True).half().float()
    scale = ((groups.amax(-1, keepdim=True) - minimum) / HIGHEST).half().float()
    return torch.where(scale == 0, 1.0, scale), minimum


def _codes(values: Tensor, scale: Tensor, minimum: Tensor) -> Tensor:
    return ((values - minimum) / scale).round().clamp(0, HIGHEST)

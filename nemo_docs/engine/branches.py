"""Several continuations of one cache in one forward pass.

Branches lie side by side; each token sees the cache and the earlier tokens of its own branch, so the pass costs what
their tokens cost and reads the past once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from nemo_docs.kv.cache import KVCache
from nemo_docs.model.transformer import Transformer


def branch_mask(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Who sees whom among branches that lie side by side.

    Worked example: lengths [2, 1] -> rows 1.. | 11. | ..1.

    Shapes: [T, T], bool, T the sum of the lengths.
    """
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    same = owner.unsqueeze(0) == owner.unsqueeze(1)
    return same.tril().to(device)


def log_likelihoods(
    model: Transformer,
    cache: KVCache,
    branches: Sequence[Sequence[int]],
    tail: int,
    between_layers: Callable[[], None] = lambda: None,
) -> list[float]:
    """Mean log-probability a token of the last `tail` tokens of each branch, seen from the cache.

    The cache is left as it was. Every branch must have more than `tail` tokens, since the first token of a branch has
    no logits of its own here.
    """
    start = cache.position
    ids = [token for branch in branches for token in branch]
    is_one = len(branches) == 1  # then it is an ordinary continuation, which a device may have a faster form for
    positions = None if is_one else [start + offset for branch in branches for offset in range(len(branch))]
    mask = None if is_one else branch_mask([len(branch) for branch in branches], model.device)
    ends = list(accumulate(len(branch) for branch in branches))
    rows = torch.tensor([row for end in ends for row in range(end - tail - 1, end - 1)], device=model.device)
    logits = model.forward(ids, cache, positions=positions, mask=mask, rows=rows, between_layers=between_layers)
    wanted = torch.tensor([branch[-tail:] for branch in branches], device=model.device)  # [B, tail]
    predicted = logits.log_softmax(-1).view(len(branches), tail, -1)  # [B, tail, V]
    found: list[float] = predicted.gather(-1, wanted.unsqueeze(-1)).mean(dim=(1, 2)).tolist()
    return found

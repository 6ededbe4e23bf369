"""Drawing one token from a row of logits."""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.engine.protocol import Bans, Sampling

COLDEST = 1e-6
"""Below this temperature nothing but the likeliest token is ever drawn, and the quotients would overflow."""


class Sampler:
    """Draws tokens the way a request asks; its own random state, so that a seed means the same in every process."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._generator = torch.Generator().manual_seed(sampling.seed)

    def draw(self, logits: Tensor) -> int:
        """One token id. Shapes: logits [V], fp32; -inf is never drawn."""
        if self._sampling.temperature < COLDEST:
            return int(logits.argmax())
        probabilities = (logits.cpu() / self._sampling.temperature).softmax(-1)
        if self._sampling.top_p < 1.0:
            probabilities = nucleus(probabilities, self._sampling.top_p)
        return int(torch.multinomial(probabilities, 1, generator=self._generator))


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of tokens whose probabilities reach `top_p`. Shapes: [V] -> [V].

    Source: arXiv:1904.09751.
    """
    ordered, order = probabilities.sort(descending=True)
    before = ordered.cumsum(-1) - ordered
    kept = ordered.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, order, kept)


class BanMask:
    """Bans as index tensors, made once a step."""

    def __init__(self, bans: Bans, device: torch.device) -> None:
        self._always = torch.tensor(bans.always, dtype=torch.long, device=device)
        self._after_opener = torch.tensor(bans.after_opener, dtype=torch.long, device=device)
        self._openers = frozenset(bans.openers)

    def apply(self, logits: Tensor, previous: int | None) -> Tensor:
        """Logits with banned tokens at -inf. Shapes: [V] -> [V]."""
        masked = logits.clone()
        masked[self._always] = float("-inf")
        if previous in self._openers:
            masked[self._after_opener] = float("-inf")
        return masked

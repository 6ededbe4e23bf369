"""Verbatim copying as a constraint on the decoder.

The state is a set of positions in the source: every place where the text copied so far stands. A token may follow if
it stands at one of them. So a quote's place is known even where the text repeats, and as soon as one place is left the
rest is certain and is computed in one pass instead of token by token: after three tokens of a quote about two
continuations remain.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict

from nemo_docs.engine.protocol import Copy


class CopyState:
    """The places where a copy may stand, each with the weight of its start.

    Args:
        step: The constraint.
    """

    def __init__(self, step: Copy) -> None:
        self._step = step
        self._ends = frozenset((*step.ends, len(step.source)))
        self._live = {start.position: start.log_weight for start in step.starts}  # next position -> weight
        self.copied = 0
        """Tokens taken."""

    @property
    def left(self) -> int:
        """The most tokens that may still be taken."""
        return self._step.max_tokens - self.copied

    def allowed(self) -> dict[int, float]:
        """Each token that may follow, with the logarithm of the weight of all places where it stands."""
        groups: dict[int, list[float]] = defaultdict(list)
        for position, weight in self._live.items():
            groups[self._step.source[position]].append(weight)
        return {token: _log_sum(weights) for token, weights in groups.items()}

    def take(self, token: int) -> None:
        """Copy one token; places where it does not stand are dropped."""
        source, live = self._step.source, self._live
        self._live = {p + 1: w for p, w in live.items() if p < len(source) and source[p] == token}
        if not self._live:
            raise ValueError(f"token {token} continues no place of the copy")
        self.copied += 1

    def certain(self) -> tuple[int, ...]:
        """The tokens that must follow up to where the copy ends; empty while several continuations remain."""
        if len(self._live) != 1:
            return ()
        (position,) = self._live
        return self._step.source[position : self._end_from(position)]

    def likeliest(self, count: int) -> tuple[int, ...]:
        """The next `count` tokens at the place of the greatest weight; fewer where the source ends."""
        position = max(self._live, key=lambda p: (self._live[p], -p))
        return self._step.source[position : position + count]

    def only_place(self) -> int | None:
        """Where the token just taken stands in the source, when only one place is left."""
        return next(iter(self._live)) - 1 if len(self._live) == 1 else None

    def ended(self) -> str | None:
        """Why the copy is over, or None: `end` at an end of the source's own, `length` at the longest allowed."""
        if self.copied >= self._step.min_tokens and any(p in self._ends for p in self._live):
            return "end"
        if any(p == len(self._step.source) for p in self._live):
            return "end"  # nothing is left to copy there
        return "length" if self.copied >= self._step.max_tokens else None

    def place(self) -> tuple[int, int]:
        """Start and end in the source, exclusive, of the likeliest place; places at an end come first."""
        end = max(self._live, key=lambda p: (p in self._ends, self._live[p], -p))
        return end - self.copied, end

    def _end_from(self, position: int) -> int:
        """Where a copy that stands at `position` will end."""
        longest = position + self._step.max_tokens - self.copied
        soonest = position + max(self._step.min_tokens - self.copied, 1)
        index = bisect_right(self._step.ends, soonest - 1)
        own = self._step.ends[index] if index < len(self._step.ends) else len(self._step.source)
        return min(own, longest, len(self._step.source))


def _log_sum(weights: list[float]) -> float:
    top = max(weights)
    return top + math.log(sum(math.exp(w - top) for w in weights))

"""How much work reading tokens is, and what is left of it.

The linear layers cost the same for every token; attention grows with what stands before it. Both are counted in
multiply-adds, so the time left of a long prompt is not extrapolated from its cheap beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from nemo_docs.engine.plan import Chunk
from nemo_docs.model.config import ModelConfig


def reading_work(config: ModelConfig, start: int, end: int) -> float:
    """Multiply-adds of computing the tokens start..end of a prompt, attention and linear layers."""
    tokens = end - start
    linear = (config.n_parameters - 2 * config.vocab_size * config.dim * (0.5 if config.tied else 1.0)) * tokens
    pairs = tokens * (start + end) / 2
    return linear + 2.0 * config.n_layers * config.n_heads * config.head_dim * pairs


class ReadingClock:
    """Expects the time left from the work done so far.

    Args:
        config: The model's shape.
        chunks: What is to be read, in order; for each the first and the last token among those that it sees.
    """

    def __init__(self, config: ModelConfig, chunks: Sequence[Chunk]) -> None:
        self._work = [reading_work(config, *chunk) for chunk in chunks]
        self._began = perf_counter()

    @property
    def work(self) -> float:
        """Multiply-adds of all of it."""
        return sum(self._work)

    def seconds_left(self, read: int) -> float:
        """Seconds until all is read, if the machine goes on as it did for the first `read` chunks."""
        return (perf_counter() - self._began) * sum(self._work[read:]) / sum(self._work[:read])

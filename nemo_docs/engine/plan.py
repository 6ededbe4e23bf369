"""Which tokens are computed together: a function of the prompt alone.

The grid starts anew at every segment, so what is cached never changes the shape of what is computed, and a document's
chunks are the same whatever is asked about it. In bf16 another shape rounds differently: that would make a warm answer
differ from a cold one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Chunk(NamedTuple):
    """Tokens start..end of the prompt, end exclusive."""

    start: int
    end: int


def chunk_plan(segment_lengths: Sequence[int], chunk_tokens: int) -> list[Chunk]:
    """Cut a prompt into chunks of at most `chunk_tokens`, none across the end of a segment.

    Worked example: lengths [5, 0, 3] in chunks of 2 -> (0, 2) (2, 4) (4, 5) (5, 7) (7, 8).
    """
    chunks, base = [], 0
    for length in segment_lengths:
        end = base + length
        chunks += [Chunk(at, min(at + chunk_tokens, end)) for at in range(base, end, chunk_tokens)]
        base = end
    return chunks

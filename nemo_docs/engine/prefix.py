"""The tokens of a part of a prompt as the store knows them: blocks, their keys, and whose text each is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nemo_docs.engine.parts import Part
from nemo_docs.engine.protocol import Text
from nemo_docs.kv.chain import Block, block_plan, chain


@dataclass(frozen=True, slots=True)
class Prefix:
    """The leading tokens of a part that may be stored: up to the end of the last text in it."""

    ids: Sequence[int]
    """Of the part."""
    blocks: tuple[Block, ...]
    """In order."""
    keys: tuple[str, ...]
    """Of each block."""
    texts: tuple[tuple[Text, ...], ...]
    """For each block all texts that its numbers depend on."""

    def between(self, start: int, end: int) -> Iterator[int]:
        """Indices of the blocks of the tokens start..end, which are ends of chunks."""
        return (n for n, block in enumerate(self.blocks) if start <= block.start and block.end <= end)

    def whole_chunks(self, blocks: int, least: int = 0) -> int:
        """How many leading tokens these leading blocks hold, counted in whole chunks; at least `least`."""
        ends = (block.end for block in self.blocks[:blocks] if block.ends_chunk)
        return max(ends, default=least)


def prefix_of(part: Part, seed: bytes) -> Prefix:
    """What of a part may be stored under an identity; no block at all of a part that is nobody's text."""
    last = part.texts[-1][0] if part.texts else 0
    blocks = block_plan([end for end in part.reusable if end <= last])
    texts = [next(texts for end, texts in part.texts if block.end <= end) for block in blocks]
    return Prefix(part.ids, tuple(blocks), tuple(chain(seed, part.ids, blocks)), tuple(texts))

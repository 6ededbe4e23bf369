"""Cutting documents into windows, and knowing which character every token came from.

A window's text depends on its documents and the model alone, never on a question, so that what was read once can be
used again. Pages are taken whole; a page that is too long is cut at a paragraph, a line or a sentence. Between pages
stands a light mark with the page's number, for the model; it belongs to no page and cannot be quoted.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from nemo_docs.answering.source import Source
from nemo_docs.library.records import PageText
from nemo_docs.model.tokenizers.base import Tokenizer

GAP = "\n\n"
"""Ends every page in a window, so that the ids before it never depend on what follows."""
_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?。！？।؟]\s*"), re.compile(r"\s"))
"""Where a page may be cut, best first."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of one page, usually all of it."""

    page: PageText
    """The page."""
    start: int
    """Character offset."""
    end: int
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a token of a window stands in its document."""

    page: int
    """Page number."""
    start: int
    """Character offset into the page text, cut to the page."""
    end: int
    """Exclusive."""


@dataclass(frozen=True)
class Segment:
    """Consecutive pages of one document, as tokens. Immutable; a window has one or more."""

    source: Source
    """Their document."""
    stretches: tuple[Stretch, ...]
    """The pages, or parts of them, in order."""
    ids: tuple[int, ...]
    """The tokens, marks included."""
    _places: tuple[TokenPlace | None, ...]
    """For each token where it stands; None for tokens of marks."""

    @cached_property
    def quotable(self) -> tuple[int, ...]:
        """Indices of the tokens that stand on a page, in order: a copy goes over these and skips the marks."""
        return tuple(index for index, place in enumerate(self._places) if place is not None)

    @cached_property
    def places(self) -> tuple[TokenPlace, ...]:
        """For each quotable token where it stands."""
        return tuple(place for place in self._places if place is not None)

    @cached_property
    def copyable(self) -> tuple[int, ...]:
        """Ids of the quotable tokens."""
        return tuple(self.ids[index] for index in self.quotable)


@dataclass(frozen=True, slots=True)
class Window:
    """One prompt's worth of text."""

    segments: tuple[Segment, ...]
    """One of one document; several when documents are packed whole."""

    @property
    def tokens(self) -> int:
        """Its length."""
        return sum(len(segment.ids) for segment in self.segments)

    @property
    def stretches(self) -> list[Stretch]:
        """All pages, or parts of pages, in it."""
        return [stretch for segment in self.segments for stretch in segment.stretches]


def windows_of(source: Source, tokenizer: Tokenizer, limit: int) -> list[Window]:
    """Cut one document into windows of at most `limit` tokens each."""
    runs: list[list[Stretch]] = []
    held = 0
    for page in source.pages:
        for stretch in _fitting(page, tokenizer, limit, marked=len(source.pages) > 1):
            size = _tokens(stretch, tokenizer, marked=len(source.pages) > 1)
            if not runs or held + size > limit:
                runs.append([])
                held = 0
            runs[-1].append(stretch)
            held += size
    return [Window((segment_of(source, run, tokenizer),)) for run in runs]


def packed(sources: Iterable[Source], tokenizer: Tokenizer, limit: int) -> list[Window]:
    """Put whole documents into windows of at most `limit` tokens, in the order given.

    A later document extends what stands before it and never moves it. A document that is larger than a window is cut
    into windows of its own.
    """
    windows: list[Window] = []
    for source in sources:
        own = windows_of(source, tokenizer, limit)
        if windows and len(own) == 1 and windows[-1].tokens + own[0].tokens <= limit:
            windows[-1] = Window(windows[-1].segments + own[0].segments)
        else:
            windows += own
    return windows


def segment_of(source: Source, stretches: Sequence[Stretch], tokenizer: Tokenizer) -> Segment:
    """Tokenise pages, each apart, and find every token's place.

    Apart, because a tokenizer may join or part line breaks by what follows them: so a page's ids never depend on its
    neighbours, and a window is exactly as long as its pages together.
    """
    ids: list[int] = []
    places: list[TokenPlace | None] = []
    for stretch in stretches:
        before = _mark(stretch.page.number) if len(source.pages) > 1 else ""
        text = tokenizer.as_read(stretch.page.text[stretch.start : stretch.end])
        whole = f"{before}{text}{GAP}"
        own = tokenizer.encode(whole)
        first, last = len(before), len(before) + len(text)
        offset = stretch.start - first
        for start, end in token_characters(tokenizer, whole, own):
            low, high = max(start, first), min(end, last)
            places.append(TokenPlace(stretch.page.number, low + offset, high + offset) if low < high else None)
        ids += own
    return Segment(source, tuple(stretches), tuple(ids), tuple(places))


def token_characters(tokenizer: Tokenizer, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
    """Which characters each token holds a part of, as offsets, end exclusive.

    A character whose bytes are split between tokens belongs to each of them.
    """
    char_ends = list(accumulate(len(character.encode()) for character in text))  # byte offset behind each character
    spans, byte = [], 0
    for token in ids:
        length = len(tokenizer.token_bytes(token))
        spans.append((bisect_right(char_ends, byte), bisect_right(char_ends, byte + length - 1) + 1))
        byte += length
    return spans


def _mark(page: int) -> str:
    return f"== {page} =={GAP}"


def _tokens(stretch: Stretch, tokenizer: Tokenizer, *, marked: bool) -> int:
    mark = _mark(stretch.page.number) if marked else ""
    return len(tokenizer.encode(f"{mark}{stretch.page.text[stretch.start : stretch.end]}{GAP}"))


def _fitting(page: PageText, tokenizer: Tokenizer, limit: int, *, marked: bool) -> list[Stretch]:
    """A page, halved at its best breaks until every part fits."""
    waiting, parts = [Stretch(page, 0, len(page.text))], []
    while waiting:
        stretch = waiting.pop()
        if _tokens(stretch, tokenizer, marked=marked) <= limit or stretch.end - stretch.start < 2:
            parts.append(stretch)
            continue
        cut = _break_near_the_middle(page.text, stretch.start, stretch.end)
        waiting += [Stretch(page, cut, stretch.end), Stretch(page, stretch.start, cut)]
    return parts


def _break_near_the_middle(text: str, start: int, end: int) -> int:
    """Where to cut text[start:end]: at the best kind of break in its middle half, nearest to the middle."""
    middle, quarter = (start + end) // 2, (end - start) // 4
    for pattern in _BREAKS:
        found = [match.end() for match in pattern.finditer(text, middle - quarter, middle + quarter)]
        if found:
            return min(found, key=lambda at: abs(at - middle))
    return middle

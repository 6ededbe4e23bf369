"""Cutting documents into windows, and knowing which character every token came from.

A window's text depends on its documents and the model alone, never on a question, so that what was read once can be
used again. Pages are taken whole; a page that is too long is cut at a paragraph, a line or a sentence. Between pages
stands a light mark with the page's number, for the model; it belongs to no page and cannot be quoted.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from nemo_docs.answering.sentences import Sentence, Stretch, sentences_of
from nemo_docs.answering.source import Source
from nemo_docs.model.tokenizers.base import Tokenizer

GAP = "\n\n"
"""Ends every page in a window, so that the ids before it never depend on what follows."""
_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?。！？।؟]\s*"), re.compile(r"\s"))
"""Where a page may be cut, best first."""
_PAGES_AT_ONCE = 64
"""Counted together: enough for a tokenizer to use all cores, and a fraction of a second."""


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a token of a window stands in its document."""

    page: int
    """Page number."""
    start: int
    """Character offset into the page text, cut to the page."""
    end: int
    """Exclusive."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Consecutive pages of one document. Immutable; a window has one or more.

    Tokens, their places and the sentences are found when first asked for: of a long document few windows are read.
    """

    source: Source
    """Their document."""
    stretches: tuple[Stretch, ...]
    """The pages, or parts of them, in order."""
    tokenizer: Tokenizer
    """Makes the tokens."""
    tokens: int
    """How many there are."""

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences that lie wholly in it, in order."""
        return sentences_of(self.stretches, self.source.language)

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """The tokens, marks included."""
        return tuple(token for token, _ in self._placed_tokens)

    @cached_property
    def places(self) -> tuple[TokenPlace, ...]:
        """For each token that stands on a page where; those of marks are left out, they cannot be quoted."""
        return tuple(place for _, place in self._placed_tokens if place is not None)

    @cached_property
    def copyable(self) -> tuple[int, ...]:
        """Ids of the tokens that stand on a page."""
        return tuple(token for token, place in self._placed_tokens if place is not None)

    @cached_property
    def _placed_tokens(self) -> list[tuple[int, TokenPlace | None]]:
        """Every token, and where it stands.

        Each page is encoded apart, because a tokenizer may join or part line breaks by what follows them: so a page's
        ids never depend on its neighbours, and a segment is exactly as long as its pages together.
        """
        found: list[tuple[int, TokenPlace | None]] = []
        for stretch in self.stretches:
            before, text = _mark(self.source, stretch), self.tokenizer.as_read(stretch.text)
            whole = f"{before}{text}{GAP}"
            ids = self.tokenizer.encode(whole)
            first, last = len(before), len(before) + len(text)
            offset = stretch.start - first
            for token, (start, end) in zip(ids, token_characters(self.tokenizer, whole, ids), strict=True):
                low, high = max(start, first), min(end, last)
                place = TokenPlace(stretch.page.number, low + offset, high + offset) if low < high else None
                found.append((token, place))
        return found


@dataclass(frozen=True, slots=True)
class Window:
    """One prompt's worth of text."""

    segments: tuple[Segment, ...]
    """One of one document; several when documents are packed whole."""

    @property
    def tokens(self) -> int:
        """Its length."""
        return sum(segment.tokens for segment in self.segments)

    @property
    def stretches(self) -> list[Stretch]:
        """All pages, or parts of pages, in it."""
        return [stretch for segment in self.segments for stretch in segment.stretches]


def count_pages(source: Source, tokenizer: Tokenizer) -> Iterator[int]:
    """Count the tokens of a document's pages once for all time; a long document takes seconds.

    Yields:
        Tokens so far, after some pages at a time. Pages that were counted are not counted again, even if the caller
        went away before the last.
    """
    sizes = source.page_tokens.setdefault(tokenizer.fingerprint, [])
    while len(sizes) < len(source.pages):
        first = len(sizes)
        some = source.pages[first : first + _PAGES_AT_ONCE]
        counts = tokenizer.counts([_as_packed(source, Stretch(page, 0, len(page.text))) for page in some])
        sizes[first : first + len(counts)] = counts  # another thread that counts the same writes the same
        yield sum(sizes)


def windows_of(source: Source, tokenizer: Tokenizer, limit: int) -> list[Window]:
    """Cut one document into windows of at most `limit` tokens each."""
    whole = [Stretch(page, 0, len(page.text)) for page in source.pages]
    for _ in count_pages(source, tokenizer):
        pass
    sizes = source.page_tokens[tokenizer.fingerprint]
    runs: list[list[Stretch]] = []
    lengths: list[int] = []
    for page, size in zip(whole, sizes, strict=True):
        for stretch, tokens in [(page, size)] if size <= limit else _halved(source, page, tokenizer, limit):
            if not runs or lengths[-1] + tokens > limit:
                runs.append([])
                lengths.append(0)
            runs[-1].append(stretch)
            lengths[-1] += tokens
    return [Window((Segment(source, tuple(r), tokenizer, n),)) for r, n in zip(runs, lengths, strict=True)]


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


def _mark(source: Source, stretch: Stretch) -> str:
    """What stands before a page, for the model; a document of one page has no mark."""
    return f"== {stretch.page.number} =={GAP}" if len(source.pages) > 1 else ""


def _as_packed(source: Source, stretch: Stretch) -> str:
    return f"{_mark(source, stretch)}{stretch.text}{GAP}"


def _halved(source: Source, page: Stretch, tokenizer: Tokenizer, limit: int) -> list[tuple[Stretch, int]]:
    """A page that is too long, halved at its best breaks until every part fits; with the length of each."""
    waiting, parts = [page], []
    while waiting:
        stretch = waiting.pop()
        (tokens,) = tokenizer.counts([_as_packed(source, stretch)])
        if tokens <= limit or stretch.end - stretch.start < 2:
            parts.append((stretch, tokens))
            continue
        cut = _break_near_the_middle(stretch.page.text, stretch.start, stretch.end)
        waiting += [Stretch(stretch.page, cut, stretch.end), Stretch(stretch.page, stretch.start, cut)]
    return parts


def _break_near_the_middle(text: str, start: int, end: int) -> int:
    """Where to cut text[start:end]: at the best kind of break in its middle half, nearest to the middle."""
    middle, quarter = (start + end) // 2, (end - start) // 4
    for pattern in _BREAKS:
        found = [match.end() for match in pattern.finditer(text, middle - quarter, middle + quarter)]
        if found:
            return min(found, key=lambda at: abs(at - middle))
    return middle

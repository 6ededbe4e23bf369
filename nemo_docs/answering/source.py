"""A document as answering sees it: page texts in order, and its sentences, which may cross a page break.

Half of all page breaks fall inside a sentence, so sentences are found in the pages joined, and each is a list of spans,
one a page.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest

from nemo_docs.answering.events import Span
from nemo_docs.library.records import PageText, Passage
from nemo_docs.library.sentences import sentence_spans

HEADING_CHARACTERS = 70
_ENDS = tuple(".!?:;,…。！？：；，、؟؛،।॥\"'”’»」』)")
_CLOSERS = tuple(".!?:…。！？؟।॥\"'”’»」』)")
"""A page that ends with one of these ends its last sentence."""


@dataclass(frozen=True)
class Source:
    """The pages of one document that a question is about."""

    handle: str
    """The document's handle."""
    title: str
    """Its title; hostile text."""
    language: str
    """ISO 639-1 code, or `und`."""
    pages: tuple[PageText, ...]
    """Pages with text, in order."""
    pages_total: int
    """Pages asked about, those without text included."""

    @property
    def pages_without_text(self) -> int:
        """Pages asked about that hold no text."""
        return self.pages_total - len(self.pages)

    passages: tuple[Passage, ...] = ()
    """All passages of these pages, in order."""

    @cached_property
    def by_number(self) -> dict[int, PageText]:
        """Pages by number."""
        return {page.number: page for page in self.pages}

    def passage_at(self, page: int, character: int) -> str:
        """The name of the passage at a place, for display (`a.17`); empty if none is there."""
        for passage in self.passages:
            if passage.page == page and passage.start <= character < passage.end:
                return f"{self.handle}.{passage.ordinal}"
        return ""

    def text_of(self, spans: Sequence[Span]) -> str:
        """The text of some spans, joined by a line break where a page ends."""
        return "\n".join(self.by_number[span.page].text[span.start : span.end] for span in spans)

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """All sentences, in order; a heading belongs to the sentence that it heads."""
        joined, starts = _joined(self.pages)
        found = _with_headings(sentence_spans(joined, self.language), joined, starts)
        return tuple(Sentence(index, self._spans(start, end, starts)) for index, (start, end) in enumerate(found))

    def _spans(self, start: int, end: int, starts: list[int]) -> tuple[Span, ...]:
        """Spans of the joined text's stretch start..end, one a page."""
        spans = []
        for index in range(bisect_right(starts, start) - 1, len(self.pages)):
            if starts[index] >= end:
                break
            page = self.pages[index]
            first, last = max(start - starts[index], 0), min(end - starts[index], len(page.text))
            stretch = page.text[first:last]
            first += len(stretch) - len(stretch.lstrip())
            last -= len(stretch) - len(stretch.rstrip())
            if first < last:
                spans.append(Span(page.number, first, last, page.sha256))
        return tuple(spans)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a source."""

    index: int
    """Its place among the source's sentences."""
    spans: tuple[Span, ...] = field(compare=False)
    """Where it stands, one span a page."""


def is_heading(text: str) -> bool:
    """Whether a sentence is a short line that no full stop ends: it names what follows, and says nothing itself."""
    return "\n" not in text and len(text) <= HEADING_CHARACTERS and not text.endswith(_ENDS)


def _with_headings(spans: Sequence[tuple[int, int]], joined: str, starts: list[int]) -> list[tuple[int, int]]:
    """Sentences, with each heading made one with the sentence behind it if both begin on the same page."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        before = found[-1] if found else (0, 0)
        is_headed = bool(found) and is_heading(joined[slice(*before)]) and not is_heading(joined[start:end])
        if is_headed and bisect_right(starts, before[0]) == bisect_right(starts, start):
            found[-1] = (before[0], end)
        else:
            found.append((start, end))
    return found


def _joined(pages: Sequence[PageText]) -> tuple[str, list[int]]:
    """Pages as one text, with the offset of each; a line break where a sentence goes on, else a paragraph break.

    No sentence goes on across a page that is not here.
    """
    parts: list[str] = []
    starts: list[int] = []
    length = 0
    for page, following in zip_longest(pages, pages[1:]):
        starts.append(length)
        goes_on = following is not None and following.number == page.number + 1
        goes_on = goes_on and not page.text.rstrip().endswith(_CLOSERS)
        part = page.text + ("\n" if goes_on else "\n\n")
        parts.append(part)
        length += len(part)
    return "".join(parts), starts

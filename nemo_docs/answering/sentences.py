"""Sentences of a run of pages, which may cross a page break.

Half of all page breaks fall inside a sentence, so sentences are found in the pages joined, and each is a list of spans,
one a page. A heading is made one with the sentence that it heads: alone it names something and says nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nemo_docs.answering.events import Span
from nemo_docs.library.records import PageText
from nemo_docs.library.sentences import sentence_spans

HEADING_CHARACTERS = 70
"""A heading is at most this long, and no full stop ends it."""
_ENDS = tuple(".!?:;,…。！？：；，、؟؛،।॥\"'”’»」』")
_CLOSERS = tuple(".!?:…。！？؟।॥\"'”’»」』)")
"""A page that ends with one of these ends its last sentence."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of one page, usually all of it."""

    page: PageText
    """The page."""
    start: int
    """Character offset."""
    end: int
    """Exclusive."""

    @property
    def text(self) -> str:
        """The characters of this part."""
        return self.page.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence."""

    spans: tuple[Span, ...]
    """Where it stands, one span a page."""
    text: str
    """The spans' texts, with a line break where a page ends."""


def sentences_of(stretches: Sequence[Stretch], language: str) -> tuple[Sentence, ...]:
    """The sentences of consecutive parts of a document, in order.

    Args:
        stretches: The parts; no sentence goes on across a page that is not among them.
        language: ISO 639-1 code, or `und`.
    """
    joined, starts = _joined(stretches)
    found = _with_headings(sentence_spans(joined, language), joined, starts)
    sentences = (_sentence(stretches, starts, start, end) for start, end in found)
    return tuple(sentence for sentence in sentences if sentence.spans)


def is_heading(text: str) -> bool:
    """Whether a sentence is a short line that no full stop ends."""
    return "\n" not in text and len(text) <= HEADING_CHARACTERS and not text.endswith(_ENDS)


def _joined(stretches: Sequence[Stretch]) -> tuple[str, list[int]]:
    """The parts as one text, with the offset of each; a line break where a sentence goes on, else a blank line."""
    goes_on = [_goes_on(here, following) for here, following in pairwise(stretches)]
    parts: list[str] = []
    starts: list[int] = []
    length = 0
    for stretch, is_open in zip(stretches, [*goes_on, False], strict=True):
        starts.append(length)
        parts.append(stretch.text + ("\n" if is_open else "\n\n"))
        length += len(parts[-1])
    return "".join(parts), starts


def _goes_on(here: Stretch, following: Stretch) -> bool:
    """Whether a sentence can go on from the end of one page to the next."""
    is_next_page = following.page.number == here.page.number + 1
    return is_next_page and not here.text.rstrip().endswith(_CLOSERS)


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


def _sentence(stretches: Sequence[Stretch], starts: list[int], start: int, end: int) -> Sentence:
    """The sentence at start..end of the joined text."""
    spans, texts = [], []
    for index in range(bisect_right(starts, start) - 1, len(stretches)):
        if starts[index] >= end:
            break
        here = stretches[index]
        offset = here.start - starts[index]
        first, last = max(start + offset, here.start), min(end + offset, here.end)
        text = here.page.text[first:last]
        first += len(text) - len(text.lstrip())
        last -= len(text) - len(text.rstrip())
        if first < last:
            spans.append(Span(here.page.number, first, last, here.page.sha256))
            texts.append(here.page.text[first:last])
    return Sentence(tuple(spans), "\n".join(texts))

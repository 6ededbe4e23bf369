"""Quotes: the program holds the pen.

Only a verbatim stretch of a window that begins at a sentence can be quoted, and where it stands is known from the
positions of its tokens, never from matching text. A quote may cross a page break: it is then several spans.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from nemo_docs.answering.events import Span
from nemo_docs.answering.ranking import Candidate
from nemo_docs.answering.sentences import Sentence
from nemo_docs.answering.source import Source
from nemo_docs.answering.windows import Segment, TokenPlace, Window
from nemo_docs.engine.protocol import Copy, Start

QUOTE_TOKENS = 200
"""A quote is one sentence, and ends here at the latest."""
MODEL_WEIGHT = 0.25
"""What the model's own next-token log-probability counts beside a candidate's weight."""
STARTS = 64
"""How many sentences of a window a quote may begin at: the best ones."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A verbatim stretch of a document."""

    source: Source
    """The document."""
    spans: tuple[Span, ...]
    """Where it stands, one span a page."""

    @property
    def text(self) -> str:
        """Its text, with a line break where a page ends."""
        return self.source.text_of(self.spans)

    def with_surroundings(self, characters: int) -> str:
        """The quote with up to so many characters of its pages on either side."""
        first, last = self.spans[0], self.spans[-1]
        before = self.source.by_number[first.page].text[max(0, first.start - characters) : first.start]
        behind = self.source.by_number[last.page].text[last.end : last.end + characters]
        return f"{before}{self.text}{behind}".strip()


@dataclass(frozen=True, slots=True)
class _Placed:
    """A sentence among the tokens that may be copied."""

    segment: Segment
    index: int
    """Its place among the segment's sentences."""
    start: int
    """Position of its first token."""
    end: int
    """Behind its last token."""


class Evidence:
    """What may be quoted from one window, and how much each sentence weighs.

    Args:
        window: Its text.
        candidates: Sentences of this and other windows; one that is not among them weighs nothing.
    """

    def __init__(self, window: Window, candidates: Sequence[Candidate]) -> None:
        self._tokens = [(segment.source, place) for segment in window.segments for place in segment.places]
        placed = _placed(window)
        worst = min((c.gain for c in candidates if c.gain is not None), default=None)
        known = {(id(c.segment), c.index): c if c.gain is not None else replace(c, gain=worst) for c in candidates}
        unknown = Candidate(window.segments[0], 0, words=0.0, gain=worst)
        weighted = [(known.get((id(at.segment), at.index), unknown).weight, at) for at in placed]
        weighted.sort(key=lambda pair: -pair[0])
        by_start: dict[int, tuple[float, _Placed]] = {}  # of sentences that begin in one token the better one counts
        for weight, at in weighted:
            by_start.setdefault(at.start, (weight, at))
        self._weighted = list(by_start.values())[:STARTS]
        self._by_start = {at.start: at for _, at in self._weighted}
        self._ends = _ends(placed)
        self._copyable = tuple(token for segment in window.segments for token in segment.copyable)

    def __len__(self) -> int:
        """How many quotes there could be."""
        return len(self._weighted)

    @property
    def sentences(self) -> list[Sentence]:
        """Those that a quote may be, best first."""
        return [at.segment.sentences[at.index] for _, at in self._weighted]

    def behind(self, rank: int) -> float:
        """By how much the sentence of that rank weighs less than the best."""
        return self._weighted[0][0] - self._weighted[rank][0]

    def share(self, rank: int) -> float:
        """What the sentence of that rank weighs of the best."""
        top = self._weighted[0][0]
        return self._weighted[rank][0] / top if top > 0.0 else 1.0

    def copy(self) -> Copy:
        """The constraint: one sentence, verbatim."""
        return Copy(
            source=self._copyable,
            starts=tuple(Start(at.start, -self.behind(rank)) for rank, (_, at) in enumerate(self._weighted)),
            ends=self._ends,
            max_tokens=QUOTE_TOKENS,
            model_weight=MODEL_WEIGHT,
        )

    def quote(self, start: int, end: int) -> Quote:
        """The quote that was copied from the positions start..end.

        The first token may carry the space before the sentence, the last one the line break behind it or the beginning
        of the next sentence: what is not of the sentence is cut off.
        """
        source = self._tokens[start][0]
        at = self._by_start[start]
        sentence = at.segment.sentences[at.index]
        spans = []
        for number, group in groupby((place for _, place in self._tokens[start:end]), key=lambda place: place.page):
            stretch = list(group)
            span = _trimmed(source, number, stretch[0].start, stretch[-1].end)
            bounds = next((s for s in sentence.spans if s.page == number), None)
            if span is None or bounds is None:
                continue
            span = replace(span, start=max(span.start, bounds.start), end=min(span.end, bounds.end))
            if span.start < span.end:
                spans.append(span)
        return Quote(source, tuple(spans))


def _placed(window: Window) -> list[_Placed]:
    """The sentences that lie wholly in the window."""
    placed: list[_Placed] = []
    base = 0
    for segment in window.segments:
        for index, sentence in enumerate(segment.sentences):
            found = _positions(segment, sentence)
            if found is not None:
                placed.append(_Placed(segment, index, base + found[0], base + found[1]))
        base += len(segment.places)
    return placed


def _ends(placed: Sequence[_Placed]) -> tuple[int, ...]:
    """Positions behind which a copy may end.

    A token can hold the end of one sentence and the beginning of the next (`。「` is one in Tekken): there no copy may
    end, or the next sentence would be over with its first token. The one before is copied on and cut off by `quote`.
    """
    shared = {at.start + 1 for at in placed if at.end > at.start + 1}
    return tuple(sorted({at.end for at in placed} - shared))


def _positions(segment: Segment, sentence: Sentence) -> tuple[int, int] | None:
    """First token and end among the segment's quotable tokens, or None if some of the sentence is not in it."""
    first, last = sentence.spans[0], sentence.spans[-1]
    start = bisect_left(segment.places, (first.page, first.start + 1), key=_ends_at)
    end = bisect_left(segment.places, (last.page, last.end), key=_starts_at)
    if start >= end or not _holds(segment.places[start], first.page, first.start):
        return None
    return (start, end) if _holds(segment.places[end - 1], last.page, last.end - 1) else None


def _ends_at(place: TokenPlace) -> tuple[int, int]:
    return (place.page, place.end)


def _starts_at(place: TokenPlace) -> tuple[int, int]:
    return (place.page, place.start)


def _holds(place: TokenPlace, page: int, character: int) -> bool:
    return place.page == page and place.start <= character < place.end


def _trimmed(source: Source, page: int, start: int, end: int) -> Span | None:
    """The stretch without white space around it, or None if it is nothing else."""
    text = source.by_number[page].text[start:end]
    start += len(text) - len(text.lstrip())
    end -= len(text) - len(text.rstrip())
    return Span(page, start, end, source.by_number[page].sha256) if start < end else None

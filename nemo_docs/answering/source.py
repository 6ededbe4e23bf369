"""A document as answering sees it: the texts of the pages that a question is about, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile

from nemo_docs.answering.events import Span
from nemo_docs.library.records import PageText, Passage


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
    passages: tuple[Passage, ...] = ()
    """All passages of these pages, in order."""
    sha256: str = ""
    """Of the file that the text comes from; what is stored of it in the model's numbers is known by this."""
    page_tokens: dict[str, list[int]] = field(default_factory=dict, compare=False, repr=False)
    """Tokens of each page in a window, by the tokenizer's fingerprint; counted once for all questions."""

    @property
    def pages_without_text(self) -> int:
        """Pages asked about that hold no text."""
        return self.pages_total - len(self.pages)

    @cached_property
    def by_number(self) -> dict[int, PageText]:
        """Pages by number."""
        return {page.number: page for page in self.pages}

    def take_counts(self, earlier: Source) -> None:
        """Take over the tokens that were counted when fewer pages had been read, as far as the pages are the same."""
        if min(len(self.pages), len(earlier.pages)) < 2:  # the only page of a document stands in a window without mark
            return
        both = zip(self.pages, earlier.pages, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))
        for fingerprint, tokens in earlier.page_tokens.items():
            self.page_tokens.setdefault(fingerprint, tokens[:same])

    def passage_at(self, page: int, character: int) -> str:
        """The name of the passage at a place, for display (`a.17`); empty if none is there."""
        for passage in self.passages:
            if passage.page == page and passage.start <= character < passage.end:
                return f"{self.handle}.{passage.ordinal}"
        return ""

    def text_of(self, spans: Sequence[Span]) -> str:
        """The text of some spans, joined by a line break where a page ends."""
        return "\n".join(self.by_number[span.page].text[span.start : span.end] for span in spans)

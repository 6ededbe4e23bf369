"""What answering yields: one stream of typed events, which every face renders.

Every event is plain data and has `as_dict`, one JSON object a line with `"v": 1`. The stream ends with exactly one
`Answer` or one `Failed`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

VERSION = 1


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""

    event: ClassVar[str] = ""

    def as_dict(self) -> dict[str, Any]:
        """The event as it is written by --json."""
        return {"v": VERSION, "event": self.event, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one page: `page_text[start:end]`."""

    page: int
    """From 1."""
    start: int
    """Character offset into the page text."""
    end: int
    """Exclusive."""
    text_sha256: str
    """The page text that the offsets belong to."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote and where it stands."""

    marker: int
    """The number in the answer's marks, from 1."""
    document: str
    """The document's handle."""
    title: str
    """The document's title."""
    passage: str
    """The passage that it begins in, for display (`a.17`); empty if it lies in none."""
    text: str
    """The quote: the spans' texts, joined by a line break where a page ends."""
    spans: tuple[Span, ...]
    """One for each page that it stands on."""


@dataclass(frozen=True, slots=True)
class WindowNote:
    """One window of the plan."""

    document: str
    """Handles of the documents in it, joined by a comma."""
    first_page: int
    """First page in it."""
    last_page: int
    """Last page in it."""
    tokens: int
    """Its length."""


@dataclass(frozen=True, slots=True)
class Plan(Event):
    """What will be read, before anything runs."""

    event: ClassVar[str] = "plan"
    question: str
    documents: int
    pages: int
    tokens: int
    """Of all documents asked about."""
    windows: tuple[WindowNote, ...]
    """In the order in which they will be read, as far as the budget allows."""
    window_tokens: int
    """The largest that a window may be."""
    tokens_cached: int
    """Of these windows; they are not read again."""
    budget_s: float
    seconds: float | None
    """Expected for reading what of these windows is not cached; None before the first measurement on this machine."""
    model: str


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """How far the reading of a window is."""

    event: ClassVar[str] = "progress"
    stage: str
    """`planning`, `loading`, `searching` or `reading`."""
    window: int = 0
    """From 1."""
    windows: int = 0
    tokens: int = 0
    """In the cache."""
    tokens_total: int = 0
    tokens_cached: int = 0
    """Taken from the cache, not computed again."""
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class QuoteOpen(Event):
    """A quote begins."""

    event: ClassVar[str] = "quote_open"
    marker: int
    document: str
    title: str
    page: int


@dataclass(frozen=True, slots=True)
class QuoteText(Event):
    """The next stretch of the quote, as it stands on the page."""

    event: ClassVar[str] = "quote_text"
    marker: int
    text: str


@dataclass(frozen=True, slots=True)
class QuoteClose(Event):
    """The quote is whole."""

    event: ClassVar[str] = "quote_close"
    citation: Citation


@dataclass(frozen=True, slots=True)
class Text(Event):
    """The next stretch of the answer, marks included."""

    event: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True, slots=True)
class Claim(Event):
    """One sentence of the answer and what stands behind it."""

    event: ClassVar[str] = "claim"
    start: int
    """Character offset into the answer's text."""
    end: int
    """Exclusive, before the marks."""
    verdict: str
    """`unchecked`: verdicts are not given yet."""
    citations: tuple[int, ...]
    """Markers of the quotes that share its words, best first."""
    reasons: tuple[str, ...]
    """Why the verdict is what it is."""


@dataclass(frozen=True, slots=True)
class Warn(Event):
    """Something that the user should know, and that does not stop the answer."""

    event: ClassVar[str] = "warning"
    message: str


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The answer cannot be given."""

    event: ClassVar[str] = "error"
    message: str
    hint: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Pages that were not read."""

    document: str
    """The document's handle."""
    first_page: int
    last_page: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was read out of what there is."""

    documents: int
    pages_read: int
    """To the end."""
    pages_in_part: int
    """Begun and not read to the end, because a window ended on them."""
    pages_total: int
    """Of the documents asked about, pages without text included."""
    pages_without_text: int
    tokens_read: int
    tokens_total: int
    windows: int
    """Read."""
    windows_total: int
    left_out: tuple[LeftOut, ...] = ()
    """Windows that were not read."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time went, in seconds and tokens."""

    tokens_cached: int = 0
    """Prompt tokens taken from the cache."""
    tokens_prefilled: int = 0
    """Prompt tokens computed."""
    first_quote_s: float | None = None
    """From the question's arrival at a loaded model to the first token of the first quote."""
    first_answer_s: float | None = None
    """The same to the first token of the answer."""
    total_s: float = 0.0
    tokens_per_s: float | None = None
    """Speed of writing the answer."""
    tokens_drafted: int = 0
    """Tokens that were guessed while quoting and writing, and checked several at once."""
    tokens_accepted: int = 0
    """Of these, guessed rightly."""
    tokens_restored: int = 0
    """Of the cached ones, those that came from the disk."""
    restore_s: float = 0.0
    """What that took."""
    tokens_recomputed: int = 0
    """They were on the disk, and computed again because that is faster on this machine."""


@dataclass(frozen=True, slots=True)
class Answer(Event):
    """The whole answer; the last event."""

    event: ClassVar[str] = "answer"
    question: str
    text: str
    finish: str
    """`stop`, `length`, `repetition`, `none` (the documents do not say) or `cancelled`."""
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    coverage: Coverage
    timing: Timing
    model: str
    language: str
    """ISO 639-1 code of the language that was asked for."""


AnswerEvent = Plan | Progress | QuoteOpen | QuoteText | QuoteClose | Text | Claim | Warn | Failed | Answer

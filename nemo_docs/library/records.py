"""What the library hands out: plain, frozen records, the same for every caller."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class VersionStatus(StrEnum):
    """How far the reading of a version has come."""

    READING = "reading"
    """Some pages may be missing; adding the file again resumes."""
    COMPLETE = "complete"
    """Every page has its ledger row."""


class PageStatus(StrEnum):
    """What became of one page."""

    OK = "ok"
    EMPTY = "empty"
    """No text layer: a scan, a drawing, a blank page."""
    ERROR = "error"
    TIMEOUT = "timeout"


class PageFlag(StrEnum):
    """What the ledger marks on a page."""

    EMPTY = "empty"
    """No text, and no picture that could hold some."""
    SCAN = "scan"
    """A picture and no text layer, or the text layer that a scanner's program made."""
    GARBLED = "garbled"
    """What was read is hardly text: a font without a mapping to letters."""
    REORDERED = "reordered"
    """The extractor's order of words was mended."""
    HIDDEN = "hidden"
    """Text that nobody sees on the page was left out."""
    TABLE = "table"
    ERROR = "error"
    TIMEOUT = "timeout"


class TurnState(StrEnum):
    """What became of a question."""

    ASKED = "asked"
    """Not answered: it is being answered, or what was answering it was killed."""
    ANSWERED = "answered"
    STOPPED = "stopped"
    """By the user; the answer is as far as it came."""
    FAILED = "failed"
    """The answer, if any, is as far as it came."""
    REMOVED = "removed"
    """A document that the answer came from was removed, and the answer with it."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it stands: its handle and title, and its current version.

    Attributes:
        handle: Short lowercase letters, never reused.
        title: The file's name, made harmless.
        path: Where the version was read from.
        sha256: Of the version's bytes, in hex.
        added: When, ISO 8601, UTC.
        status: Whether every page has been read.
        pages: How many pages the version has.
        pages_read: How many of them have a ledger row.
        pages_without_text: How many of those hold no text, for whatever reason.
        characters: Characters of page text.
        language: ISO 639-1 code, or "und".
        versions: How many versions of it the library has seen.
        collections: Names of the collections that it is in, in order.
        edition: Another number whenever any page has another text.
    """

    handle: str
    title: str
    path: str
    sha256: str
    added: str
    status: VersionStatus
    pages: int
    pages_read: int
    pages_without_text: int
    characters: int
    language: str
    versions: int
    collections: tuple[str, ...] = ()
    edition: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """One row of a version's ledger.

    Attributes:
        number: From 1.
        status: What became of it.
        characters: Of page text.
        dropped: Raw characters left out because they cannot be shown.
        extractor: Name and version of what read it.
        language: ISO 639-1 code, or "und".
        text_sha256: The hash of the page text; empty without text.
        note: Why, where the status is not "ok"; else what was left out of the text, if anything.
        script: The script of most of its letters, as Unicode calls it ("Latin"); empty without letters.
        flags: What there is to know of it, in the order of PageFlag.
        label: What the document calls it ("xii", a chapter's title), where that is not its number; else empty.
    """

    number: int
    status: PageStatus
    characters: int
    dropped: int
    extractor: str
    language: str
    text_sha256: str
    note: str
    script: str = ""
    flags: tuple[PageFlag, ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of one page, known by its hash."""

    number: int
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Passage:
    """What a search returns a document as: a paragraph or a run of sentences on one page.

    Attributes:
        ordinal: Its number in the document, for display ("a.17").
        page: Page number, from 1.
        start: Character offset into the page text.
        end: End of the passage, exclusive.
    """

    ordinal: int
    page: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PassageScore:
    """How well one passage matches a query.

    Attributes:
        page: Page number, from 1.
        start: Character offset into the page text.
        end: End of the passage, exclusive.
        score: BM25, larger is better; comparable within one query.
    """

    page: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage that a search found.

    Attributes:
        document: The document's handle.
        title: The document's title.
        passage: The passage's ordinal in the document, for display ("a.17").
        page: Page number, from 1.
        start: Character offset into the page text.
        end: End of the passage, exclusive.
        text_sha256: The hash of the page text that the offsets belong to.
        text: The passage, `page_text[start:end]`.
        score: BM25, larger is better; comparable within one query. Where meaning was searched, too, by how many
            standard deviations the passage stands out of those in its language.
        highlights: Spans of the words that matched, as offsets into the page text.
        found_by: By "words", by "meaning", or by both.
    """

    document: str
    title: str
    passage: int
    page: int
    start: int
    end: int
    text_sha256: str
    text: str
    score: float
    highlights: tuple[tuple[int, int], ...]
    found_by: tuple[str, ...] = ("words",)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation.

    Attributes:
        id: Its number, never given to another.
        started: When, ISO 8601, UTC.
        title: Its first question, made harmless and short.
        turns: How many questions it holds.
    """

    id: int
    started: str
    title: str
    turns: int


@dataclass(frozen=True, slots=True)
class TurnId:
    """Which question of which conversation; never given to another."""

    conversation: int
    turn: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and what became of it.

    Attributes:
        id: Which one.
        position: In the conversation, from 1.
        asked: When, ISO 8601, UTC.
        question: As the user wrote it; hostile text.
        scope: Handles of the documents that it was about; empty for the whole library.
        state: What became of it.
        answer: The answer event as `--json` writes it, as far as it came; None where there is none.
        documents: Handles of the documents that the answer came from.
        removed: Those of them that the library no longer has.
    """

    id: TurnId
    position: int
    asked: str
    question: str
    scope: tuple[str, ...]
    state: TurnState
    answer: dict[str, Any] | None
    documents: tuple[str, ...]
    removed: tuple[str, ...]

"""What reading a file and writing the library tell each other: how far a version is, and what a page gave."""

from __future__ import annotations

from dataclasses import dataclass

from nemo_docs.library.clean import CleanText
from nemo_docs.library.indexing import IndexedPassage
from nemo_docs.library.records import PageFlag, PageStatus, VersionStatus


@dataclass(frozen=True, slots=True)
class Version:
    """One file's bytes, as far as they have been read.

    Attributes:
        id: The row.
        handle: Of its document.
        title: Of its document.
        path: Where it was read from.
        status: Whether every page has its ledger row.
        pages: How many pages it has.
        pages_read: How many ledger rows there are; pages are read in order.
        pages_without_text: How many of those hold no text, for whatever reason.
        pages_failed: How many of these may hold some, but could not be read.
        characters: Of page text.
        is_current: Whether it is what the document shows now.
        language: ISO 639-1 code, or "und" while unknown.
    """

    id: int
    handle: str
    title: str
    path: str
    status: VersionStatus
    pages: int
    pages_read: int
    pages_without_text: int
    pages_failed: int
    characters: int
    is_current: bool
    language: str


@dataclass(frozen=True, slots=True)
class NewPage:
    """What the reading of one page gave.

    Attributes:
        number: From 1.
        extractor: Name and version of what read it.
        status: What became of it.
        note: Why, where the status is not "ok".
        language: ISO 639-1 code, or "und".
        raw: The extractor's output.
        text: The page text; None where there is none.
        script: The script of most of its letters; empty without letters.
        flags: What there is to know of it, in the order of PageFlag.
        label: What the document calls it, where that is not its number.
        passages: As the index takes them; None where whoever stores it is to cut it.
    """

    number: int
    extractor: str
    status: PageStatus
    note: str = ""
    language: str = "und"
    raw: str = ""
    text: CleanText | None = None
    script: str = ""
    flags: tuple[PageFlag, ...] = ()
    label: str = ""
    passages: tuple[IndexedPassage, ...] | None = None

"""What `ingest.add` tells, as values: the command line, `--json` and the app render the same stream."""

from __future__ import annotations

from dataclasses import dataclass

from nemo_docs.errors import NemoDocsError
from nemo_docs.library.records import PageStatus


@dataclass(frozen=True, slots=True)
class FileStarted:
    """A file is about to be read; several are read at once, so that what comes of them comes mixed.

    Attributes:
        path: Absolute path; hostile text, to be shown as text only.
        position: From 1.
        files: How many files there are.
    """

    path: str
    position: int
    files: int


@dataclass(frozen=True, slots=True)
class PageDone:
    """A page has been committed.

    Attributes:
        path: Absolute path of the file.
        handle: Of its document.
        title: Of its document.
        page: Page number, from 1.
        pages: How many the file has.
        status: What became of the page.
        characters: Of its page text.
    """

    path: str
    handle: str
    title: str
    page: int
    pages: int
    status: PageStatus
    characters: int


@dataclass(frozen=True, slots=True)
class FileDone:
    """A file is in the library, whole.

    Attributes:
        path: Absolute path of the file.
        handle: Of its document.
        title: Of its document.
        pages: How many it has.
        pages_without_text: How many of them hold no text, for whatever reason.
        characters: Of page text.
        language: ISO 639-1 code, or "und".
        resumed_at: The first page read now, where an earlier add had been interrupted; else 1.
        is_new_version: Whether the document was there with other bytes.
    """

    path: str
    handle: str
    title: str
    pages: int
    pages_without_text: int
    characters: int
    language: str
    resumed_at: int
    is_new_version: bool


@dataclass(frozen=True, slots=True)
class FileSkipped:
    """The same bytes are in the library already; nothing was done.

    Attributes:
        path: Absolute path of the file.
        handle: Of the document that has them.
        title: Of that document.
        known_path: Where that document was read from.
    """

    path: str
    handle: str
    title: str
    known_path: str


@dataclass(frozen=True, slots=True)
class FileFailed:
    """A file or path could not be added; the others go on.

    Attributes:
        path: As given, or absolute.
        error: What to tell the user.
        handle: Of the document that holds what could be kept (its ledger, the pages before); empty if nothing.
    """

    path: str
    error: NemoDocsError
    handle: str = ""


@dataclass(frozen=True, slots=True)
class FileStopped:
    """Somebody has paused a file, or taken it out of the queue; what was read of it is kept.

    Attributes:
        path: Absolute path of the file.
        handle: Of its document; empty if nothing was read of it.
    """

    path: str
    handle: str


@dataclass(frozen=True, slots=True)
class Totals:
    """The last event.

    Attributes:
        added: Files that are in the library now and were not, whole, before.
        already: Files that were there.
        failed: Paths that failed.
        unsupported: Files in folders that no reader knows.
        hidden: Hidden files in folders, which are left alone.
        pages: Pages committed.
        stopped: Files that were paused, or taken out of the queue, meanwhile.
        excluded: Files and folders in folders that patterns name.
        linked: Links to folders, which are not followed.
    """

    added: int = 0
    already: int = 0
    failed: int = 0
    unsupported: int = 0
    hidden: int = 0
    pages: int = 0
    stopped: int = 0
    excluded: int = 0
    linked: int = 0


IngestEvent = FileStarted | PageDone | FileDone | FileSkipped | FileFailed | FileStopped | Totals

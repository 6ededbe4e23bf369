"""Read pages of a document again: with another extractor, or as the program reads today.

A page that was read again has a new text; the texts before it stay, so an old citation keeps the very text that it
points into. What comes out worse changes nothing: a reading that fails, or finds no text where there was some, leaves
the page as it is and says so. The file must still have the bytes that were read; nothing else has these pages. Children
read them and make them ready, as when a file is added: beside the app's keys there is only writing to be done.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from nemo_docs.errors import NothingFound, Unreadable, UsageError
from nemo_docs.library.child import Children
from nemo_docs.library.clean import clean_line
from nemo_docs.library.crew import usable_workers
from nemo_docs.library.extraction import CHILD, Limits, Opened, RawPage, extract
from nemo_docs.library.languages import UNKNOWN
from nemo_docs.library.preparing import in_language
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.readers import EXTRACTORS, HEAD_BYTES, extractor_names, reader_name
from nemo_docs.library.records import Document, Page, PageFlag, PageStatus
from nemo_docs.library.store import Library


@dataclass(frozen=True, slots=True)
class PageRedone:
    """A page has been read again.

    Attributes:
        handle: Of the document.
        title: Of the document.
        page: Page number, from 1.
        position: How many pages of this order are done, this one included.
        pages: How many pages there are to do.
        status: What became of this reading.
        characters: Of page text that this reading gave.
        extractor: Name and version of what read it.
        flags: What there is to know of this reading.
        note: Why, where the status is not "ok".
        is_changed: Whether the page has another text now.
        is_kept: Whether the page stays as it was, because it has text and this reading gave none.
    """

    handle: str
    title: str
    page: int
    position: int
    pages: int
    status: PageStatus
    characters: int
    extractor: str
    flags: tuple[PageFlag, ...]
    note: str
    is_changed: bool
    is_kept: bool


def redo(
    library: Library,
    document: str,
    pages: Sequence[int] = (),
    *,
    extractor: str | None = None,
    password: str | None = None,
    limits: Limits | None = None,
) -> Generator[PageRedone, None, None]:
    """Read pages of a document's current version again, each committed as it comes.

    Stop by closing the iterator: what was committed stays.

    Args:
        library: Open for writing.
        document: Handle of the document.
        pages: Page numbers, from 1; none means every page in the ledger.
        extractor: Of EXTRACTORS; None leaves the choice to the reader.
        password: For an encrypted file.
        limits: What it may cost.

    Raises:
        NothingFound: If there is no such document, or it is removed or changed meanwhile.
        UsageError: If a page is not in the ledger, or the file's reader has no such extractor.
        Unreadable: If the file is gone, has other bytes now, or cannot be opened.
        Encrypted: If it needs a password.
        LibraryError: If the library cannot be written.
    """
    limits = limits or Limits()
    found, ledger = _ledger(library, document)
    wanted = list(dict.fromkeys(pages)) or list(ledger)
    if unknown := [number for number in wanted if number not in ledger]:
        raise UsageError(
            f"{document} has no page {unknown[0]} that was read.", hint=f"`nemo-docs pages {document}` shows them."
        )
    reader = _reader(found, extractor)
    if not wanted:
        return
    _check_bytes(found)
    with (
        closing(Children(CHILD, usable_workers())) as children,
        closing(
            extract(
                found.path,
                reader,
                numbers=wanted,
                extractor=extractor or "",
                password=password,
                limits=limits,
                children=children,
            )
        ) as read,
    ):
        opened = next(read)
        assert isinstance(opened, Opened)
        if opened.sha256 != found.sha256:
            raise _other_bytes(found)
        for position, raw in enumerate(read, 1):
            assert isinstance(raw, RawPage)
            before = ledger[raw.number]
            assert raw.ready is not None
            page = in_language(raw.ready, before.language if before.language != UNKNOWN else found.language)
            characters = len(page.text.text) if page.text else 0
            is_kept = not characters and before.status is PageStatus.OK
            changed = False if is_kept else library.replace_page(found.handle, found.sha256, page)
            if changed is None:
                raise NothingFound(
                    f"{found.title} was removed or changed while it was read.",
                    hint="`nemo-docs list` shows what is there.",
                )
            yield PageRedone(
                handle=found.handle,
                title=found.title,
                page=page.number,
                position=position,
                pages=len(wanted),
                status=page.status,
                characters=characters,
                extractor=page.extractor,
                flags=page.flags,
                note=page.note,
                is_changed=changed,
                is_kept=is_kept,
            )


def _ledger(library: Library, handle: str) -> tuple[Document, dict[int, Page]]:
    with LibraryReader(library.path) as reader:
        document = next((each for each in reader.documents() if each.handle == handle), None)
        if document is None:
            raise NothingFound(
                f"There is no document {clean_line(handle)}.", hint="`nemo-docs list` shows what is there."
            )
        return document, {page.number: page for page in reader.pages(document)}


def _reader(document: Document, extractor: str | None) -> str:
    """The reader of a document's file.

    Raises:
        Unreadable: If the file is gone or of no kind that is known.
        UsageError: If the reader has no such extractor.
    """
    if extractor is not None and extractor not in EXTRACTORS:
        raise UsageError(
            f"There is no extractor {clean_line(extractor)!r}.", hint=f"There are {', '.join(EXTRACTORS)}."
        )
    try:
        with open(document.path, "rb") as file:
            reader = reader_name(document.path, file.read(HEAD_BYTES))
    except OSError as error:
        raise Unreadable(
            f"{document.title} cannot be read again: {clean_line(document.path)}: {error.strerror}.",
            hint="Put the file back where it was; or add it from where it is now, and it is recognised.",
        ) from error
    if reader is None:
        raise _other_bytes(document)
    if extractor is not None and extractor not in (names := extractor_names(reader)):
        choice = f"It can be read with {', '.join(names)}." if names else "Leave the extractor out to read it again."
        raise UsageError(f"{document.title} cannot be read with {extractor}.", hint=choice)
    return reader


def _check_bytes(document: Document) -> None:
    """Before anything is started.

    Raises:
        Unreadable: If the file has other bytes than those that were read.
    """
    try:
        with open(document.path, "rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == document.sha256
    except OSError as error:
        raise Unreadable(f"{document.title} cannot be read again: {error.strerror}.") from error
    if not same:
        raise _other_bytes(document)


def _other_bytes(document: Document) -> Unreadable:
    return Unreadable(
        f"{clean_line(os.path.basename(document.path))} has other bytes than when it was read.",
        hint="Add it again: it becomes a new version of its document.",
    )

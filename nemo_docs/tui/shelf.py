"""The library as the app works on it, without a model: what is read of it, and what changes it.

Every method blocks and is called from a job's thread; each opens the library for itself, because an SQLite connection
belongs to one thread and reading costs a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nemo_docs.library.records import Document, Hit, Page, PageText
from nemo_docs.settings import Configuration

if TYPE_CHECKING:
    from nemo_docs.library.adding_queue import AddingQueue
    from nemo_docs.library.events import IngestEvent
    from nemo_docs.library.reader import LibraryReader
    from nemo_docs.library.redo import PageRedone
    from nemo_docs.library.watched import WatchedFolders
    from nemo_docs.tui.jobs.job import Cancelled


@dataclass(frozen=True, slots=True)
class Leaf:
    """One page of a document, as the source pane shows it."""

    document: Document
    number: int
    """From 1; may be behind what has been read."""
    page: Page | None
    """Its row in the ledger; None while it has not been read."""
    text: PageText | None
    """Its text, if it has any; where it was asked for as it was quoted, that one."""

    @property
    def is_earlier(self) -> bool:
        """Whether the text is one that the page no longer has."""
        return self.text is not None and (self.page is None or self.text.sha256 != self.page.text_sha256)


class Shelf:
    """The library.

    Args:
        configuration: The settings and where they came from.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    @property
    def configuration(self) -> Configuration:
        """The settings and where they came from."""
        return self._configuration

    def reader(self) -> LibraryReader:
        """The library, opened for the calling thread.

        Raises:
            LibraryError: If it cannot be read.
        """
        from nemo_docs.library.reader import LibraryReader

        return LibraryReader(self.configuration.paths.library)

    def documents(self) -> list[Document]:
        """All documents, in the order of their handles."""
        with self.reader() as library:
            return library.documents()

    def pages(self, handle: str) -> list[Page]:
        """A document's ledger."""
        with self.reader() as library:
            return library.pages(handle)

    def page_text(self, handle: str, page: int) -> PageText:
        """One page.

        Raises:
            NothingFound: If it has no text.
        """
        with self.reader() as library:
            return library.page_text(handle, page)

    def leaf(self, handle: str, number: int, quoted: str = "") -> Leaf:
        """One page with its document.

        Args:
            handle: Of the document.
            number: Of the page.
            quoted: The hash of the text that is wanted, if the library still has it; empty for the one of today.

        Raises:
            NothingFound: If there is no such document any more.
        """
        from nemo_docs.errors import NothingFound

        with self.reader() as library:
            document = next((each for each in library.documents() if each.handle == handle), None)
            if document is None:
                raise NothingFound("This document is no longer in the library.", hint="Add its file again.")
            if quoted:
                with suppress(NothingFound):
                    earlier = library.text_with_hash(handle, quoted)
                    page = next((each for each in library.pages(handle) if each.number == number), None)
                    return Leaf(document, number, page, earlier)
            number = max(1, min(number, document.pages))
            page = next((each for each in library.pages(handle) if each.number == number), None)
            text = library.page_text(handle, number) if page is not None and page.text_sha256 else None
        return Leaf(document, number, page, text)

    def can_search_by_meaning(self) -> bool:
        """Whether that is installed, and anything in the library can be found so."""
        from nemo_docs.library.meaning import model

        if model.absence():
            return False
        with self.reader() as library:
            return library.has_meaning()

    def search(
        self,
        query: str,
        handles: Sequence[str],
        limit: int,
        cancelled: Cancelled,
        *,
        match: str = "words",
        by: str = "passage",
        vector: Callable[[str], bytes | None] | None = None,
    ) -> list[Hit]:
        """What matches best; nothing as soon as nobody wants it any more.

        Args:
            query: Any text.
            handles: Documents; none means all.
            limit: Hits at most.
            cancelled: Whether they are no longer wanted.
            match: What has to match: "words", "meaning", "exact" letters, or "auto" for words or meaning.
            by: One hit for each "passage", "page" or "document".
            vector: Turns the query into one; without it, and in a library without vectors, words alone are looked for.

        Raises:
            LibraryError: If the library cannot be read.
            ModelError: If the query cannot be turned into a vector.
        """
        from nemo_docs.errors import LibraryError

        with self.reader() as library:
            is_meant = vector is not None and match in ("auto", "meaning") and library.has_meaning()
            question = vector(query) if vector is not None and is_meant else None
            if cancelled():
                return []
            library.give_up_when(cancelled)
            try:
                return library.search(
                    query,
                    handles or None,
                    limit,
                    by=by,
                    exact=match == "exact",
                    question=question,
                    words=match != "meaning",
                )
            except LibraryError:
                if cancelled():
                    return []
                raise

    def add(
        self,
        paths: Sequence[str],
        cancelled: Cancelled,
        *,
        password: str | None = None,
        collections: Sequence[str] = (),
        excludes: Sequence[str] = (),
    ) -> Iterator[IngestEvent]:
        """Add files and folders to the library; stopping keeps every page that was read."""
        from nemo_docs.library import ingest_process

        yield from ingest_process.add(
            self.configuration.paths.library,
            paths,
            password=password,
            collections=collections,
            excludes=excludes,
            cancelled=cancelled,
        )

    def adding_queue(self) -> AddingQueue:
        """The files that wait to be added, are paused, or could not be."""
        from nemo_docs.library.adding_queue import AddingQueue

        return AddingQueue(self.configuration.paths.library)

    def watched_folders(self) -> WatchedFolders:
        """The folders whose files are added as they come."""
        from nemo_docs.library.watched import WatchedFolders

        return WatchedFolders(self.configuration.paths.library)

    def redo(
        self,
        handle: str,
        pages: Sequence[int],
        extractor: str | None,
        cancelled: Cancelled,
        *,
        password: str | None = None,
    ) -> Iterator[PageRedone]:
        """Read pages of a document again; stopping keeps those that were.

        Raises:
            NemoDocsError: As `library.redo.redo` says.
        """
        from nemo_docs.library.redo import redo
        from nemo_docs.library.store import Library

        with (
            Library(self.configuration.paths.library) as library,
            closing(redo(library, handle, pages, extractor=extractor, password=password)) as told,
        ):
            for event in told:
                yield event
                if cancelled():
                    return

    def count_files(self, paths: Sequence[str], excludes: Sequence[str], cancelled: Cancelled) -> Iterator[int]:
        """How many files these files and folders hold that are to be read; more and more until all are counted."""
        from nemo_docs.library.ingest import count_files

        for number in count_files(paths, excludes):
            if cancelled():
                return
            yield number

    def set_collections(self, handle: str, names: Sequence[str]) -> None:
        """Put a document into these collections and take it out of all others.

        Raises:
            NothingFound: If there is no such document any more.
            UsageError: If a collection cannot be called that.
        """
        from nemo_docs.library.store import Library
        from nemo_docs.library.tags import collection_key, collection_name

        wanted = {collection_key(name): name for name in map(collection_name, names)}
        with self.reader() as library:
            held = [name for name, handles in library.collections().items() if handle in handles]
        with Library(self.configuration.paths.library) as library:
            for name in wanted.values():
                library.tag(handle, name)
            for name in held:
                if collection_key(name) not in wanted:
                    library.untag(handle, name)

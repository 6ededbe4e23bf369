"""The read path of list, show, pages and search: the standard library's sqlite3 on the library's file, read-only.

It knows the schema that migrations.py builds, and imports neither sqlite-utils nor anything heavier: these commands
answer in the time that Python takes to start. A file that is not there reads as an empty library.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_docs.errors import NothingFound
from nemo_docs.library.connection import connect_read_only, database_errors, is_file
from nemo_docs.library.naming import document_named
from nemo_docs.library.records import (
    Document,
    Hit,
    Page,
    PageFlag,
    PageStatus,
    PageText,
    Passage,
    PassageScore,
    VersionStatus,
)

if TYPE_CHECKING:
    from nemo_docs.library.meaning.storing import Share

_DOCUMENTS = """
    SELECT d.handle, d.title, v.path, v.sha256, v.added, v.status, v.pages, v.language,
           count(p.id) AS pages_read,
           coalesce(sum(p.id IS NOT NULL AND p.status <> 'ok'), 0) AS pages_without_text,
           coalesce(sum(p.characters), 0) AS characters,
           (SELECT count(*) FROM versions w WHERE w.document = d.id) AS versions
    FROM documents d JOIN versions v ON v.id = d.version LEFT JOIN pages p ON p.version = v.id
    GROUP BY d.id ORDER BY d.id
"""
_COLLECTIONS = """
    SELECT c.name, d.handle FROM collections c JOIN collection_documents m ON m.collection = c.id
    JOIN documents d ON d.id = m.document ORDER BY c.key, d.id
"""


class LibraryReader:
    """A read-only view of the library, safe beside a process that writes. A context manager."""

    def __init__(self, path: Path) -> None:
        """Open the library's file.

        Args:
            path: The database; may not exist.

        Raises:
            LibraryError: If it is not a library, or belongs to a newer program.
        """
        self._path = path
        self._open()

    def _open(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._file = _identity(self._path)
        if self._file is not None:
            self._connection = connect_read_only(self._path)

    def __enter__(self) -> LibraryReader:
        """The reader itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def state(self) -> object:
        """A value that is another one whenever some other connection, of any process, has committed a change since.

        For watchers: keep one reader open in one thread, and compare what it says now to what it said before. Values of
        two readers mean nothing to each other. It costs microseconds (SQLite's `data_version`, a counter in shared
        memory, and one look at the file) and notices a library that is made, taken away or replaced, too. In a folder
        that cannot be written it notices only that, because nobody writes there.
        """
        if self._connection is None or _identity(self._path) != self._file:
            self.close()
            self._open()
        return self._file, *(row[0] for row in self._rows("PRAGMA data_version"))

    def damage(self) -> str:
        """What SQLite finds wrong with the file; empty if it is sound. Reads all of it."""
        found = [str(row[0]) for row in self._rows("PRAGMA quick_check(1)")]
        return "" if found == ["ok"] else "".join(found)

    def documents(self) -> list[Document]:
        """All documents in the order of their handles, each with its current version."""
        names: dict[str, list[str]] = {}
        for name, handles in self.collections().items():
            for handle in handles:
                names.setdefault(handle, []).append(name)
        return [_document(row, tuple(names.get(row["handle"], ()))) for row in self._rows(_DOCUMENTS)]

    def resolve(self, reference: str, *, for_removal: bool = False) -> Document:
        """The document that a user means, as `naming` says.

        Args:
            reference: What the user wrote.
            for_removal: Take handles and paths only.

        Raises:
            NothingFound: If no document answers to it.
            UsageError: If several titles do; the hint names them.
        """
        return document_named(self.documents(), reference, for_removal=for_removal)

    def version_hashes(self) -> dict[str, frozenset[str]]:
        """The SHA-256 (hex) of every version of every document, each with the handles of those that have it."""
        found: dict[str, set[str]] = {}
        for row in self._rows("SELECT v.sha256, d.handle FROM versions v JOIN documents d ON d.id = v.document"):
            found.setdefault(row["sha256"], set()).add(row["handle"])
        return {sha256: frozenset(handles) for sha256, handles in found.items()}

    def collections(self) -> dict[str, tuple[str, ...]]:
        """The handles in each collection; both in order."""
        if self._schema() < 2:
            return {}
        members: dict[str, list[str]] = {}
        for row in self._rows(_COLLECTIONS):
            members.setdefault(row["name"], []).append(row["handle"])
        return {name: tuple(handles) for name, handles in members.items()}

    def _schema(self) -> int:
        """Which schema the file has: a library of an earlier one is read as it is."""
        return next((int(row[0]) for row in self._rows("PRAGMA user_version")), 0)

    def pages(self, document: Document | str) -> list[Page]:
        """The ledger of the document's current version, in page order."""
        known = "p.script, p.flags, p.label" if self._schema() >= 4 else _EARLIER_LEDGER
        rows = self._rows(
            f"""SELECT p.number, p.status, p.characters, p.dropped, p.extractor, p.language,
                      coalesce(t.sha256, '') AS text_sha256, p.note, {known}
               FROM documents d JOIN pages p ON p.version = d.version LEFT JOIN texts t ON t.id = p.text
               WHERE d.handle = ? ORDER BY p.number""",
            (_handle(document),),
        )
        return [_page(row) for row in rows]

    def page_texts(self, document: Document | str) -> list[PageText]:
        """The current texts of all pages that have one, in page order."""
        return [PageText(**dict(row)) for row in self._rows(f"{_PAGE_TEXTS} ORDER BY p.number", (_handle(document),))]

    def page_text(self, document: Document | str, number: int) -> PageText:
        """The current text of one page.

        Raises:
            NothingFound: If there is no such page, or it has no text.
        """
        rows = self._rows(f"{_PAGE_TEXTS} AND p.number = ?", (_handle(document), number))
        if not rows:
            raise NothingFound(
                f"Document {_handle(document)} has no text on a page {number}.",
                hint=f"nemo-docs pages {_handle(document)} shows its pages.",
            )
        return PageText(**dict(rows[0]))

    def passages(self, document: Document | str) -> list[Passage]:
        """The passages of the document's current version, in order."""
        rows = self._rows(
            """SELECT s.ordinal, p.number AS page, s.start, s."end"
               FROM documents d JOIN pages p ON p.version = d.version JOIN passages s ON s.text = p.text
               WHERE d.handle = ? ORDER BY s.ordinal""",
            (_handle(document),),
        )
        return [Passage(**dict(row)) for row in rows]

    def search(
        self,
        query: str,
        documents: Iterable[Document | str] | None = None,
        limit: int = 20,
        *,
        pages: Mapping[str, Iterable[int]] | None = None,
        languages: Sequence[str] | None = None,
        by: str = "passage",
        exact: bool = False,
        question: bytes | None = None,
        words: bool = True,
    ) -> list[Hit]:
        """What matches best, best first.

        A passage matches if it holds any word of the query in any form that its own language gives the word, and what
        stands in quotation marks as words one behind the other. Nothing else in the query is syntax.

        Args:
            query: Any text.
            documents: Look in these only; None looks in all.
            limit: Hits at most.
            pages: By a document's handle the numbers of its pages to look in; a document that is not named is looked
                through as a whole.
            languages: ISO 639-1 codes: look in pages of these only.
            by: One hit for each "passage", "page" or "document"; the last two by the passage of it that fits best.
            exact: Look for the query's very letters, quotation marks and all, in the order of the pages.
            question: The query's vector (`meaning.embedder`): look by meaning, too.
            words: Look by words; without them by meaning alone.

        Raises:
            LibraryError: If the index cannot be read.
        """
        from nemo_docs.library.search import finding

        wanted: dict[str, Iterable[int] | None] | None = None
        if documents is not None:
            wanted = {handle: (pages or {}).get(handle) for handle in map(_handle, documents)}
        unit = finding.Unit(by)
        with self._snapshot():
            if exact:
                return finding.search_exactly(self._rows, self._schema(), query, wanted, limit, languages, unit)
            if question is None or not self.has_meaning():
                return finding.search(self._rows, self._schema(), query, wanted, limit, languages, unit)
            return finding.search_by_meaning(
                self._rows, query, question, wanted, limit, languages, unit, with_words=words
            )

    def passage_scores(
        self, query: str, documents: Iterable[Document | str], *, question: bytes | None = None
    ) -> dict[str, list[PassageScore]]:
        """For each document by its handle, the score of every passage that matches, in page order.

        Args:
            query: Any text.
            documents: Those to look in.
            question: The query's vector (`meaning.embedder`): in other languages look by meaning, too.
        """
        from nemo_docs.library.search import finding

        handles = [_handle(document) for document in documents]
        with self._snapshot():
            question = question if self.has_meaning() else None
            return finding.passage_scores(self._rows, self._schema(), query, handles, question)

    def has_meaning(self) -> bool:
        """Whether anything in it can be found by meaning."""
        from nemo_docs.library.meaning import storing

        return self._schema() >= storing.SCHEMA and storing.has_vectors(self._rows)

    def lacks_meaning(self) -> bool:
        """Whether some page that could be found by meaning cannot be yet."""
        from nemo_docs.library.meaning import storing

        if self._schema() < storing.SCHEMA:
            return bool(self._rows("SELECT 1 FROM passages LIMIT 1"))
        return bool(storing.pending(self._rows, 0, 1))

    def meaning_shares(self) -> dict[str, Share]:
        """By each document's handle how many of its pages can be found by meaning; empty if none can."""
        from nemo_docs.library.meaning import storing

        return storing.shares(self._rows) if self.has_meaning() else {}

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """One state of the library for several queries, whatever another process writes meanwhile."""
        self._rows("BEGIN")
        try:
            yield
        finally:
            self._rows("ROLLBACK")

    def _rows(self, sql: str, values: Any = ()) -> list[sqlite3.Row]:
        if self._connection is None:
            return []
        with database_errors(self._path):
            return self._connection.execute(sql, values).fetchall()


_EARLIER_LEDGER = """
    '' AS script, CASE WHEN p.status <> 'ok' THEN p.status WHEN p.note LIKE 'hidden text%' THEN 'hidden' ELSE '' END
    AS flags, '' AS label
"""
"""Of a library that no program has written since the ledger tells more."""

_PAGE_TEXTS = """
    SELECT p.number, t.text, t.sha256
    FROM documents d JOIN pages p ON p.version = d.version JOIN texts t ON t.id = p.text
    WHERE d.handle = ?
"""


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file is there; its number is not given to another while a connection is open to it."""
    try:
        status = path.stat() if is_file(path) else None
    except FileNotFoundError:
        return None
    return (status.st_dev, status.st_ino) if status else None


def _document(row: sqlite3.Row, collections: tuple[str, ...]) -> Document:
    path, status = os.fsdecode(row["path"]), VersionStatus(row["status"])
    return Document(**{**dict(row), "path": path, "status": status}, collections=collections)


def _page(row: sqlite3.Row) -> Page:
    flags = tuple(PageFlag(name) for name in row["flags"].split())
    return Page(**{**dict(row), "status": PageStatus(row["status"]), "flags": flags})


def _handle(document: Document | str) -> str:
    return document if isinstance(document, str) else document.handle

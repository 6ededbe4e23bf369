"""The write side of the library: versions, pages, passages, removal. Each act is one short transaction.

SQLite in WAL mode: other processes read while one writes, two writers wait for each other, and a process that is killed
loses nothing that was committed. `synchronous` is normal: a power cut may cost the last pages, which the next add reads
again, never the database. Deleted content is overwritten (`secure_delete`), the index is rewritten without what was
removed, and the log is emptied, so that no word of a removed document stays in the files.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from nemo_docs.errors import LibraryError, NothingFound
from nemo_docs.library import inbox
from nemo_docs.library.analysis import index_terms
from nemo_docs.library.clean import CleanText
from nemo_docs.library.connection import (
    BUSY_TIMEOUT_S,
    SCHEMA_VERSION,
    check_schema,
    database_errors,
    is_file,
    path_to_column,
)
from nemo_docs.library.migrations import migrations
from nemo_docs.library.passages import passage_spans
from nemo_docs.library.records import PageStatus, VersionStatus


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
    """

    number: int
    extractor: str
    status: PageStatus
    note: str = ""
    language: str = "und"
    raw: str = ""
    text: CleanText | None = None


class Library:
    """The library, open for writing. Use it as a context manager, or `close` it."""

    def __init__(self, path: Path) -> None:
        """Open the library's file; make it, and its folder, if need be; bring its schema up to date.

        Args:
            path: The database.

        Raises:
            LibraryError: If it is not a library, belongs to a newer program, or cannot be written.
        """
        self.path = path
        is_file(path)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise LibraryError(
                f"The library {path} cannot be opened: {error.strerror}.",
                hint="Check the folder's permissions, or point NEMO_DOCS_HOME at another one.",
            ) from error
        with database_errors(path):
            self._connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            self._connection.row_factory = sqlite3.Row
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        if (schema := check_schema(self._connection, self.path)) == 0:
            execute("PRAGMA auto_vacuum = INCREMENTAL")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA secure_delete = ON")
        execute("PRAGMA foreign_keys = ON")
        if schema < SCHEMA_VERSION:
            database = Database(self._connection)
            with self._transaction():  # a second process that opens a new library waits here, then finds it made
                migrations.apply(database)

    def __enter__(self) -> Library:
        """The library itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._connection.close()

    def version(self, sha256: str, path: str) -> Version | None:
        """The version with these bytes: any document's current one, else one that this path has had before.

        Args:
            sha256: Of the file's bytes, in hex.
            path: Absolute path of the file.
        """
        with database_errors(self.path):
            return self._version("v.sha256 = ? AND d.version = v.id", sha256) or self._version(
                "v.sha256 = ? AND v.document = (SELECT document FROM versions WHERE path = ? ORDER BY id DESC LIMIT 1)",
                sha256,
                path_to_column(path),
            )

    def start_version(self, *, path: str, title: str, sha256: str, pages: int) -> Version:
        """The version with these bytes: the one that is there already, or a new one without pages.

        A path that is known gives its document a new version, which takes the old one's place when it is finished. Any
        other path gives a new document under the next handle.

        Args:
            path: Absolute path of the file.
            title: For a new document.
            sha256: Of the file's bytes, in hex.
            pages: How many there are.
        """
        with self._transaction() as execute:
            if found := self.version(sha256, path):
                return found
            known = execute(
                "SELECT document FROM versions WHERE path = ? ORDER BY id DESC LIMIT 1", (path_to_column(path),)
            ).fetchone()
            document = known["document"] if known else self._new_document(title)
            version = execute(
                """INSERT INTO versions (document, sha256, path, added, status, pages, language)
                   VALUES (?, ?, ?, ?, 'reading', ?, 'und')""",
                (document, sha256, path_to_column(path), datetime.now(UTC).isoformat(timespec="seconds"), pages),
            ).lastrowid
            execute("UPDATE documents SET version = coalesce(version, ?) WHERE id = ?", (version, document))
            started = self._version("v.id = ?", version)
        assert started is not None
        return started

    def _new_document(self, title: str) -> int:
        execute = self._connection.execute
        (count,) = execute("UPDATE counters SET value = value + 1 WHERE name = 'handles' RETURNING value").fetchone()
        row = execute("INSERT INTO documents (handle, title) VALUES (?, ?) RETURNING id", (handle(count), title))
        return int(row.fetchone()["id"])

    def add_page(self, version: Version, page: NewPage) -> bool:
        """Commit one page: its ledger row, its text with raw output and map, its passages and their index rows.

        Returns:
            False if the page was there already, or the document has been removed meanwhile; nothing is written then.
        """
        text = page.text.text if page.text else ""
        passages = _passages(text, page.language)
        with self._transaction() as execute:
            if execute("SELECT 1 FROM versions WHERE id = ?", (version.id,)).fetchone() is None:
                return False
            row = execute(
                """INSERT INTO pages (version, number, status, characters, dropped, extractor, language, note)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (version, number) DO NOTHING RETURNING id""",
                (version.id, page.number, page.status, len(text), page.text.dropped if page.text else 0,
                 page.extractor, page.language, page.note),
            ).fetchone()  # fmt: skip
            if row is not None and page.text is not None and text:
                text_id = execute(
                    "INSERT INTO texts (page, sha256, extractor, text, raw, map) VALUES (?, ?, ?, ?, ?, ?)",
                    (row["id"], hashlib.sha256(text.encode()).hexdigest(), page.extractor, text,
                     zlib.compress(page.raw.encode("utf-8", "surrogatepass")), page.text.offsets.pack()),
                ).lastrowid  # fmt: skip
                execute("UPDATE pages SET text = ? WHERE id = ?", (text_id, row["id"]))
                self._index(version.id, text_id, page.language, passages)
        return row is not None

    def finish(self, version: Version) -> Version | None:
        """Mark a version as complete and make it its document's current one; also an earlier one whose bytes are back.

        Passages of the document's other versions leave the index; their texts stay, for citations made earlier.

        Returns:
            The version as it is now, or None if the document has been removed meanwhile.
        """
        others = (
            "SELECT o.id FROM versions o JOIN versions n ON n.document = o.document WHERE n.id = ? AND o.id <> n.id"
        )
        with self._transaction() as execute:
            execute(
                """UPDATE versions SET status = 'complete', language = coalesce(
                       (SELECT language FROM pages WHERE version = versions.id AND language <> 'und'
                        GROUP BY language ORDER BY sum(characters) DESC LIMIT 1), 'und') WHERE id = ?""",
                (version.id,),
            )
            execute(
                "UPDATE documents SET version = ? WHERE id = (SELECT document FROM versions WHERE id = ?)",
                (version.id, version.id),
            )
            execute(f"DELETE FROM passages WHERE version IN ({others})", (version.id,))
            self._restore_index(version.id)
            return self._version("v.id = ?", version.id)

    def _restore_index(self, version_id: int) -> None:
        """Index a version anew, if passages of it have left the index while another version was current."""
        texts = self._connection.execute(
            """SELECT t.id, t.text, p.language, EXISTS (SELECT 1 FROM passages WHERE text = t.id) AS indexed
               FROM pages p JOIN texts t ON t.id = p.text WHERE p.version = ? ORDER BY p.number""",
            (version_id,),
        ).fetchall()
        if all(row["indexed"] for row in texts):
            return
        self._connection.execute("DELETE FROM passages WHERE version = ?", (version_id,))
        for row in texts:
            self._index(version_id, row["id"], row["language"], _passages(row["text"], row["language"]))

    def _index(self, version_id: int, text_id: int, language: str, passages: list[_Passage]) -> None:
        execute = self._connection.execute
        (last,) = execute("SELECT coalesce(max(ordinal), 0) FROM passages WHERE version = ?", (version_id,)).fetchone()
        for ordinal, (start, end, terms) in enumerate(passages, last + 1):
            execute(
                """INSERT INTO passages (version, text, ordinal, start, "end", language, terms)
                   VALUES (?, ?, ?, ?, ?, ?, ?)""",
                (version_id, text_id, ordinal, start, end, language, terms),
            )

    def move(self, version: Version, path: str) -> None:
        """Record that the version's file is now at another path."""
        with self._transaction() as execute:
            execute("UPDATE versions SET path = ? WHERE id = ?", (path_to_column(path), version.id))

    def remove(self, document_handle: str) -> None:
        """Remove a document with all its versions, pages, texts and index rows. Its handle is not given again.

        A file that a user gave stays; the copy of what came through standard input goes, before its row does.

        Raises:
            NothingFound: If there is no such document.
            LibraryError: If the copy cannot be deleted, and nothing is removed then; or if another program goes on
                reading: the document is gone, but the log still holds its words.
        """
        with database_errors(self.path):
            paths = self._connection.execute(
                "SELECT v.path FROM versions v JOIN documents d ON d.id = v.document WHERE d.handle = ?",
                (document_handle,),
            ).fetchall()
        for row in paths:
            inbox.discard(self.path, os.fsdecode(row["path"]))
        of_document = "IN (SELECT v.id FROM versions v JOIN documents d ON d.id = v.document WHERE d.handle = ?)"
        with self._transaction() as execute:
            if execute("SELECT 1 FROM documents WHERE handle = ?", (document_handle,)).fetchone() is None:
                raise NothingFound(
                    f"No document has the handle {document_handle!r}.", hint="nemo-docs list shows them."
                )
            execute("PRAGMA defer_foreign_keys = ON")
            execute(f"DELETE FROM passages WHERE version {of_document}", (document_handle,))
            execute(
                f"DELETE FROM texts WHERE page IN (SELECT id FROM pages WHERE version {of_document})",
                (document_handle,),
            )
            execute(f"DELETE FROM pages WHERE version {of_document}", (document_handle,))
            execute(
                "DELETE FROM versions WHERE document = (SELECT id FROM documents WHERE handle = ?)", (document_handle,)
            )
            execute("DELETE FROM documents WHERE handle = ?", (document_handle,))
            execute("INSERT INTO passage_index (passage_index) VALUES ('optimize')")
        with database_errors(self.path):
            # executescript runs it to its end; execute would give back a single page
            self._connection.executescript("PRAGMA incremental_vacuum")
            (is_busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise LibraryError(
                f"Document {document_handle} is removed, but its words stay in {self.path}-wal while others read the "
                "library.",
                hint="End the other nemo-docs; the next `nemo-docs add` or `remove` then empties that file.",
            )

    def _version(self, where: str, *values: Any) -> Version | None:
        row = self._connection.execute(
            f"""SELECT v.id, d.handle, d.title, v.path, v.status, v.pages, v.language, d.version = v.id AS is_current,
                       count(p.id) AS pages_read, coalesce(sum(p.characters), 0) AS characters,
                       coalesce(sum(p.id IS NOT NULL AND p.status <> 'ok'), 0) AS pages_without_text,
                       coalesce(sum(p.status IN ('error', 'timeout')), 0) AS pages_failed
                FROM versions v JOIN documents d ON d.id = v.document LEFT JOIN pages p ON p.version = v.id
                WHERE {where} GROUP BY v.id""",
            values,
        ).fetchone()
        if row is None:
            return None
        return Version(
            **{
                **dict(row),
                "path": os.fsdecode(row["path"]),
                "status": VersionStatus(row["status"]),
                "is_current": bool(row["is_current"]),
            }
        )

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """All or nothing. Takes the write lock at once, so that nobody's reading goes stale before his writing."""
        with database_errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


_Passage = tuple[int, int, str]
"""Start, end, and the index terms in a string."""


def _passages(text: str, language: str) -> list[_Passage]:
    return [
        (start, end, " ".join(index_terms(text[start:end], language))) for start, end in passage_spans(text, language)
    ]


def handle(count: int) -> str:
    """The `count`-th handle, from 1: a, b, … z, aa, ab, and so on."""
    letters = ""
    while count:
        count, digit = divmod(count - 1, 26)
        letters = chr(ord("a") + digit) + letters
    return letters

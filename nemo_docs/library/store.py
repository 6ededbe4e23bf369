"""The write side of the library: documents, versions, pages, collections. Each act is one short transaction.

What a power cut costs of the last pages the next add reads again.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nemo_docs.library import indexing, removal, tags
from nemo_docs.library.connection import connect_to_write, database_errors, path_to_column, transaction
from nemo_docs.library.languages import UNKNOWN
from nemo_docs.library.records import VersionStatus
from nemo_docs.library.versions import NewPage, Version

_LANGUAGE = """coalesce((SELECT language FROM pages WHERE version = versions.id AND language <> 'und'
    GROUP BY language ORDER BY sum(characters) DESC LIMIT 1), 'und')"""
"""Of a version: that of most of its characters."""


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
        self._connection = connect_to_write(path)

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

    def version_at(self, path: str) -> Version | None:
        """The newest version that was read from a path."""
        with database_errors(self.path):
            return self._version("v.id = (SELECT max(id) FROM versions WHERE path = ?)", path_to_column(path))

    def last_language(self, version: Version) -> str:
        """The language of the last page that was read and has text; "und" if there is none."""
        with database_errors(self.path):
            row = self._connection.execute(
                "SELECT language FROM pages WHERE version = ? AND status = 'ok' ORDER BY number DESC LIMIT 1",
                (version.id,),
            ).fetchone()
        return str(row["language"]) if row else UNKNOWN

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
        return self.add_pages([(version, page)])[0]

    def add_pages(self, pages: Sequence[tuple[Version, NewPage]]) -> list[bool]:
        """Commit some pages at once, as `add_page` does; all or none.

        Returns:
            For each what `add_page` says.
        """
        passages = [_passages(page) for _, page in pages]
        with self._transaction() as execute:
            return [self._add_page(execute, *each, cut) for each, cut in zip(pages, passages, strict=True)]

    def _add_page(
        self,
        execute: Callable[..., Any],
        version: Version,
        page: NewPage,
        passages: Sequence[indexing.IndexedPassage],
    ) -> bool:
        text = page.text.text if page.text else ""
        if execute("SELECT 1 FROM versions WHERE id = ?", (version.id,)).fetchone() is None:
            return False
        row = execute(
            """INSERT INTO pages (version, number, status, characters, dropped, extractor, language, note,
                                  script, flags, label)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (version, number) DO NOTHING RETURNING id""",
            (version.id, page.number, page.status, len(text), page.text.dropped if page.text else 0,
             page.extractor, page.language, page.note, page.script, " ".join(page.flags), page.label),
        ).fetchone()  # fmt: skip
        if row is not None and page.text is not None and text:
            text_id = self._insert_text(row["id"], page)
            execute("UPDATE pages SET text = ? WHERE id = ?", (text_id, row["id"]))
            indexing.insert(self._connection, version.id, text_id, page.language, passages)
        return row is not None

    def replace_page(self, document_handle: str, sha256: str, page: NewPage) -> bool | None:
        """Commit a page that was read again: its ledger row, its text, its passages. Texts before it stay.

        Args:
            document_handle: Of the document.
            sha256: Of the file that was read; must be the document's current version.
            page: What the reading gave.

        Returns:
            Whether the page has another text now; None, and nothing is written, if the document has been removed or
            has another version meanwhile.
        """
        text = page.text.text if page.text else ""
        passages = _passages(page)
        with self._transaction() as execute:
            row = execute(
                """SELECT p.id, p.version, p.text, coalesce(t.sha256, '') AS sha256
                   FROM documents d JOIN versions v ON v.id = d.version JOIN pages p ON p.version = v.id
                   LEFT JOIN texts t ON t.id = p.text WHERE d.handle = ? AND v.sha256 = ? AND p.number = ?""",
                (document_handle, sha256, page.number),
            ).fetchone()
            if row is None:
                return None
            text_id = None
            if text:
                indexing.take_out(self._connection, row["version"], row["text"])
                text_id = self._insert_text(row["id"], page)
                indexing.insert_at(self._connection, row["version"], text_id, page.number, page.language, passages)
            elif row["text"] is not None:
                indexing.take_out(self._connection, row["version"], row["text"])
            execute(
                """UPDATE pages SET status = ?, characters = ?, dropped = ?, extractor = ?, language = ?, note = ?,
                                    script = ?, flags = ?, label = ?, text = ? WHERE id = ?""",
                (page.status, len(text), page.text.dropped if page.text else 0, page.extractor, page.language,
                 page.note, page.script, " ".join(page.flags), page.label, text_id, row["id"]),
            )  # fmt: skip
            execute(f"UPDATE versions SET language = {_LANGUAGE} WHERE id = ?", (row["version"],))
            return bool(row["sha256"] != (hashlib.sha256(text.encode()).hexdigest() if text else ""))

    def _insert_text(self, page_id: int, page: NewPage) -> int:
        """A page's newest text. One that it has had before is written anew, so that the newest has the largest id."""
        assert page.text is not None
        execute, sha256 = self._connection.execute, hashlib.sha256(page.text.text.encode()).hexdigest()
        execute("UPDATE pages SET text = NULL WHERE id = ?", (page_id,))
        execute("DELETE FROM texts WHERE page = ? AND sha256 = ?", (page_id, sha256))
        row = execute(
            "INSERT INTO texts (page, sha256, extractor, text, raw, map) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
            (page_id, sha256, page.extractor, page.text.text,
             zlib.compress(page.raw.encode("utf-8", "surrogatepass")), page.text.offsets.pack()),
        )  # fmt: skip
        return int(row.fetchone()["id"])

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
            execute(f"UPDATE versions SET status = 'complete', language = {_LANGUAGE} WHERE id = ?", (version.id,))
            execute(
                "UPDATE documents SET version = ? WHERE id = (SELECT document FROM versions WHERE id = ?)",
                (version.id, version.id),
            )
            execute(f"DELETE FROM passages WHERE version IN ({others})", (version.id,))
            indexing.restore(self._connection, version.id)
            indexing.count_common_terms(self._connection)
            return self._version("v.id = ?", version.id)

    def move(self, version: Version, path: str) -> None:
        """Record that the version's file is now at another path."""
        with self._transaction() as execute:
            execute("UPDATE versions SET path = ? WHERE id = ?", (path_to_column(path), version.id))

    def paths(self) -> frozenset[str]:
        """Where all versions were read from."""
        with database_errors(self.path):
            return frozenset(os.fsdecode(row["path"]) for row in self._connection.execute("SELECT path FROM versions"))

    def tag(self, document_handle: str, name: str) -> str:
        """Put a document into a collection, which is made if there is none of that name.

        Returns:
            The collection's name as it was first written; case does not tell names apart.

        Raises:
            NothingFound: If there is no such document.
            UsageError: If a collection cannot be called that.
        """
        with self._transaction() as execute:
            return tags.put(execute, document_handle, name)

    def untag(self, document_handle: str, name: str) -> str:
        """Take a document out of a collection; a collection goes with its last document.

        Returns:
            The collection's name as it was first written.

        Raises:
            NothingFound: If there is no such document, or it is in no such collection.
            UsageError: If a collection cannot be called that.
        """
        with self._transaction() as execute:
            return tags.take_out(execute, document_handle, name)

    def remove(self, document_handle: str) -> None:
        """Remove a document with all that came of it; see `removal`. Its handle is not given again.

        A file that a user gave stays; the copy of what came through standard input goes, before its row does.

        Raises:
            NothingFound: If there is no such document.
            LibraryError: If the copy cannot be deleted, and nothing is removed then; or if another program goes on
                reading: the document is gone, but the log still holds its words.
        """
        removal.remove_document(self._connection, self.path, document_handle)

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

    def _transaction(self) -> AbstractContextManager[Callable[..., Any]]:
        return transaction(self._connection, self.path)


def _passages(page: NewPage) -> Sequence[indexing.IndexedPassage]:
    """A page's passages; cut here, before any transaction, where they are not yet."""
    if page.passages is not None:
        return page.passages
    return indexing.indexed_passages(page.text.text if page.text else "", page.language)


def handle(count: int) -> str:
    """The `count`-th handle, from 1: a, b, … z, aa, ab, and so on."""
    letters = ""
    while count:
        count, digit = divmod(count - 1, 26)
        letters = chr(ord("a") + digit) + letters
    return letters

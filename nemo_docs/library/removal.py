"""Removal that leaves nothing behind: no row, no term, no answer, no byte in the files.

A document goes with its versions, pages, texts and index rows, and out of its collections. Answers over it lose their
text and their quotes; the questions stay, and say that a document was removed. SQLite overwrites what is deleted
(`secure_delete`); the index is rewritten, because its terms outlive a deletion; the room is given back and the log is
emptied, because it still holds the pages as they were.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from nemo_docs.errors import LibraryError
from nemo_docs.library import inbox, indexing, tags
from nemo_docs.library.connection import BUSY_TIMEOUT_S, database_errors, transaction


def remove_document(connection: sqlite3.Connection, path: Path, handle: str) -> None:
    """Remove a document; the copy of what came through standard input goes before its row does.

    Args:
        connection: To write with.
        path: The library.
        handle: Of the document.

    Raises:
        NothingFound: If there is no such document.
        LibraryError: If the copy cannot be deleted, and nothing is removed then; or if another program goes on
            reading: the document is gone, but the log still holds its words.
    """
    with database_errors(path):
        files = connection.execute(
            "SELECT v.path FROM versions v JOIN documents d ON d.id = v.document WHERE d.handle = ?", (handle,)
        ).fetchall()
    for row in files:
        inbox.discard(path, os.fsdecode(row["path"]))
    inbox.discard_unfinished(path)
    with transaction(connection, path) as execute:
        document = tags.document_id(execute, handle)
        execute("PRAGMA defer_foreign_keys = ON")
        versions = "IN (SELECT id FROM versions WHERE document = ?)"
        execute(f"DELETE FROM passages WHERE version {versions}", (document,))
        execute(f"DELETE FROM texts WHERE page IN (SELECT id FROM pages WHERE version {versions})", (document,))
        execute(f"DELETE FROM pages WHERE version {versions}", (document,))
        execute("DELETE FROM adding_queue WHERE path IN (SELECT path FROM versions WHERE document = ?)", (document,))
        execute("DELETE FROM versions WHERE document = ?", (document,))
        execute("DELETE FROM collection_documents WHERE document = ?", (document,))
        execute("DELETE FROM reading_queue WHERE document = ?", (document,))
        execute("DELETE FROM documents WHERE id = ?", (document,))
        tags.drop_empty(execute)
        execute(
            """UPDATE turns SET answer = NULL, state = 'removed'
               WHERE state <> 'asked' AND id IN (SELECT turn FROM turn_documents WHERE handle = ?)""",
            (handle,),
        )
        indexing.rewrite(connection)
        indexing.forget_terms(connection)
    leave_no_byte(connection, path, f"Document {handle} is removed")


def leave_no_byte(connection: sqlite3.Connection, path: Path, what: str) -> None:
    """After a deletion was committed: give the room back and empty the log.

    Args:
        connection: To write with.
        path: The library.
        what: Was done, for the error; such as "Document a is removed".

    Raises:
        LibraryError: If another program goes on reading, so that the log still holds the words.
    """
    with database_errors(path):
        # executescript runs it to its end; execute would give back a single page
        connection.executescript("PRAGMA incremental_vacuum")
        until = time.monotonic() + BUSY_TIMEOUT_S
        # SQLite waits for whoever reads or writes, but not for another that empties the log
        while (is_busy := _empty_log(connection)) and time.monotonic() < until:
            time.sleep(0.01)
    if is_busy:
        raise LibraryError(
            f"{what}, but its words stay in {path}-wal while others read the library.",
            hint="End the other nemo-docs; the next `nemo-docs add` or `remove` then empties that file.",
        )


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Whether it could not be emptied."""
    (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return bool(is_busy)

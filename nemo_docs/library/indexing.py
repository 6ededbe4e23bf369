"""The passages of a page in the index: cut, turned into terms, written; and written again when an old version is back.

Cutting and terms take far longer than writing, so they are done before the transaction, by whoever opens it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from nemo_docs.library.analysis import index_terms
from nemo_docs.library.passages import passage_spans

IndexedPassage = tuple[int, int, str]
"""Start, end, and the index terms in a string."""


def indexed_passages(text: str, language: str) -> list[IndexedPassage]:
    """The passages of a page text, as the index takes them."""
    return [
        (start, end, " ".join(index_terms(text[start:end], language))) for start, end in passage_spans(text, language)
    ]


def insert(
    connection: sqlite3.Connection,
    version_id: int,
    text_id: int,
    language: str,
    passages: Sequence[IndexedPassage],
    *,
    behind: int | None = None,
) -> None:
    """Write the passages of a version's next page, or behind a passage; the index follows by itself."""
    execute = connection.execute
    if behind is None:
        (behind,) = execute(
            "SELECT coalesce(max(ordinal), 0) FROM passages WHERE version = ?", (version_id,)
        ).fetchone()
    for ordinal, (start, end, terms) in enumerate(passages, behind + 1):
        execute(
            """INSERT INTO passages (version, text, ordinal, start, "end", language, terms)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            (version_id, text_id, ordinal, start, end, language, terms),
        )


def take_out(connection: sqlite3.Connection, version_id: int, text_id: int | None) -> None:
    """Take the passages of one text out of the index; later passages of the version move up."""
    execute = connection.execute
    first, count = execute(
        "SELECT min(ordinal), count(*) FROM passages WHERE version = ? AND text = ?", (version_id, text_id)
    ).fetchone()
    if count:
        execute("DELETE FROM passages WHERE version = ? AND text = ?", (version_id, text_id))
        _shift(connection, version_id, first + count, -count)


def insert_at(
    connection: sqlite3.Connection,
    version_id: int,
    text_id: int,
    number: int,
    language: str,
    passages: Sequence[IndexedPassage],
) -> None:
    """Write the passages of a page behind those of the pages before it; those of later pages move down."""
    execute = connection.execute
    (before,) = execute(
        """SELECT coalesce(max(s.ordinal), 0) FROM passages s JOIN pages p ON p.text = s.text
           WHERE s.version = ? AND p.number < ?""",
        (version_id, number),
    ).fetchone()
    _shift(connection, version_id, before + 1, len(passages))
    insert(connection, version_id, text_id, language, passages, behind=before)


def _shift(connection: sqlite3.Connection, version_id: int, first: int, by: int) -> None:
    """Change the numbers of passages from `first` on; by way of negative ones, as no two may be the same meanwhile."""
    execute = connection.execute
    execute("UPDATE passages SET ordinal = -ordinal WHERE version = ? AND ordinal >= ?", (version_id, first))
    execute("UPDATE passages SET ordinal = ? - ordinal WHERE version = ? AND ordinal < 0", (by, version_id))


def restore(connection: sqlite3.Connection, version_id: int) -> None:
    """Index a version anew, if passages of it have left the index while another version was current."""
    texts = connection.execute(
        """SELECT t.id, t.text, p.language, EXISTS (SELECT 1 FROM passages WHERE text = t.id) AS indexed
           FROM pages p JOIN texts t ON t.id = p.text WHERE p.version = ? ORDER BY p.number""",
        (version_id,),
    ).fetchall()
    if all(row["indexed"] for row in texts):
        return
    connection.execute("DELETE FROM passages WHERE version = ?", (version_id,))
    for row in texts:
        insert(connection, version_id, row["id"], row["language"], indexed_passages(row["text"], row["language"]))

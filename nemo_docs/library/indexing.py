"""The passages of a page in the index: cut, turned into terms, written; and written again when an old version is back.

Cutting and terms take far longer than writing, so they are done before the transaction, by whoever opens it.

A passage's id holds its version in the upper bits, so that the passages of a version stand together in the index, and a
search in some documents reads no more than those. A term in few passages is counted when it is asked for; those in many
are counted beforehand, again whenever the library has grown by a quarter.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from nemo_docs.library.analysis import tokens
from nemo_docs.library.passages import Span, passage_spans

VERSION_BITS = 24
"""A version's passages number from `version << VERSION_BITS` on; 16 million of them are more than any file's pages."""
COMMON = 1_000
"""Passages that hold a term from which on it is counted beforehand: the others are counted in microseconds."""
_GROWTH = 1.25
_FEWEST_PASSAGES = 20_000
"""Fewer than this need nothing counted beforehand."""


class IndexedPassage(NamedTuple):
    """A passage as the index takes it."""

    start: int
    """Character offset into the page text."""
    end: int
    """End of the passage, exclusive."""
    terms: str
    """Its terms in order, a space between two."""
    alternates: str
    """What else it is found by; see `analysis`."""


def indexed_passages(text: str, language: str) -> list[IndexedPassage]:
    """The passages of a page text, as the index takes them."""
    return [_indexed(text, span, language) for span in passage_spans(text, language)]


def _indexed(text: str, span: Span, language: str) -> IndexedPassage:
    found = list(tokens(text[slice(*span)], language, indexing=True))
    alternates = dict.fromkeys(token.term for token in found if token.is_alternate)
    return IndexedPassage(
        *span, " ".join(token.term for token in found if not token.is_alternate), " ".join(alternates)
    )


def insert(
    connection: sqlite3.Connection, version_id: int, text_id: int, language: str, passages: list[IndexedPassage]
) -> None:
    """Write the passages of a version's next page; the index follows by itself."""
    execute = connection.execute
    (last,) = execute("SELECT coalesce(max(ordinal), 0) FROM passages WHERE version = ?", (version_id,)).fetchone()
    first_id, last_id = id_range(version_id)
    (used,) = execute(
        "SELECT coalesce(max(id), ?) FROM passages WHERE id BETWEEN ? AND ?", (first_id, first_id, last_id)
    ).fetchone()
    connection.executemany(
        """INSERT INTO passages (id, version, text, ordinal, start, "end", language, terms, alternates)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [(used + n, version_id, text_id, last + n, p.start, p.end, language, p.terms, p.alternates)
         for n, p in enumerate(passages, 1)],
    )  # fmt: skip


def id_range(version_id: int) -> tuple[int, int]:
    """The least and the greatest id that a version's passages can have."""
    first = version_id << VERSION_BITS
    return first, first + (1 << VERSION_BITS) - 1


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


def rebuild(connection: sqlite3.Connection) -> None:
    """Index every version that an earlier program has indexed, text by text, with the analysis of today."""
    indexed = connection.execute("SELECT DISTINCT version FROM earlier_passages ORDER BY version").fetchall()
    for (version_id,) in indexed:
        texts = connection.execute(
            """SELECT t.id, t.text, p.language FROM pages p JOIN texts t ON t.id = p.text
               WHERE p.version = ? ORDER BY p.number""",
            (version_id,),
        )
        for text_id, text, language in texts:
            insert(connection, version_id, text_id, language, indexed_passages(text, language))
    count_common_terms(connection)


def count_common_terms(connection: sqlite3.Connection, *, anew: bool = False) -> None:
    """Count the terms that many passages hold, if the library has grown by a quarter since that was last done.

    Args:
        connection: To write with, within a transaction.
        anew: Count them in any case: a removal must leave none that only the removed document held.
    """
    execute = connection.execute
    (passages,) = execute("SELECT coalesce(sum(passages), 0) FROM index_sizes").fetchone()
    (counted,) = execute("SELECT value FROM counters WHERE name = 'passages counted'").fetchone()
    if not anew and passages < max(_FEWEST_PASSAGES, _GROWTH * counted):
        return
    execute("DELETE FROM common_terms")
    if passages >= _FEWEST_PASSAGES:
        execute("INSERT INTO common_terms SELECT term, doc FROM index_terms WHERE doc >= ?", (COMMON,))
    execute("UPDATE counters SET value = ? WHERE name = 'passages counted'", (passages,))

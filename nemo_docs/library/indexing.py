"""The passages of a page in the index: cut, turned into terms, written; and written again when an old version is back.

Cutting and terms take far longer than writing, so they are done before the transaction, by whoever opens it.

A passage's id holds its version in the upper bits, so that the passages of a version stand together in the index, and a
search in some documents reads no more than those. A term in few passages is counted when it is asked for; those in many
are counted beforehand, again whenever the library has grown by a quarter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from nemo_docs.library import upkeep
from nemo_docs.library.analysis import tokens
from nemo_docs.library.passages import Span, passage_spans

VERSION_BITS = 24
"""A version's passages number from `version << VERSION_BITS` on; 16 million of them are more than any file's pages."""
COMMON = 1_000
"""Passages that hold a term from which on it is counted beforehand: the others are counted in microseconds."""
_GROWTH = 1.25
_STEP_PAGES = 500
"""Of the index's pages, 4 kB each, that are rewritten between two looks whether the user has had enough."""
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
    first_id, last_id = id_range(version_id)
    (used,) = execute(
        "SELECT coalesce(max(id), ?) FROM passages WHERE id BETWEEN ? AND ?", (first_id, first_id, last_id)
    ).fetchone()
    connection.executemany(
        """INSERT INTO passages (id, version, text, ordinal, start, "end", language, terms, alternates)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [(used + n, version_id, text_id, behind + n, p.start, p.end, language, p.terms, p.alternates)
         for n, p in enumerate(passages, 1)],
    )  # fmt: skip


def id_range(version_id: int) -> tuple[int, int]:
    """The least and the greatest id that a version's passages can have."""
    first = version_id << VERSION_BITS
    return first, first + (1 << VERSION_BITS) - 1


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


def rebuild(connection: sqlite3.Connection) -> None:
    """Index every version that an earlier program has indexed, text by text, with the analysis of today."""
    indexed = connection.execute("SELECT DISTINCT version FROM earlier_passages ORDER BY version").fetchall()
    (pages,) = connection.execute(
        "SELECT count(text) FROM pages WHERE version IN (SELECT version FROM earlier_passages)"
    ).fetchone()
    done = 0
    for (version_id,) in indexed:
        texts = connection.execute(
            """SELECT t.id, t.text, p.language FROM pages p JOIN texts t ON t.id = p.text
               WHERE p.version = ? ORDER BY p.number""",
            (version_id,),
        )
        for text_id, text, language in texts:
            insert(connection, version_id, text_id, language, indexed_passages(text, language))
            done += 1
            upkeep.tell("Indexing all pages anew", done, pages)
    count_common_terms(connection)


def rewrite(connection: sqlite3.Connection) -> None:
    """Write the index anew without the terms that only deleted passages held; FTS5 itself leaves them where they are.

    As `optimize` does, but step by step, so that it can be told and ended. SQLite 3.42 could take the terms out one by
    one ('secure-delete'): that takes as long for a document of 500 pages among 200,000 passages, a third of the time
    among a million, and leaves a file whose index no earlier SQLite reads.
    """
    execute = connection.execute
    (pages,) = execute("SELECT count(*) FROM passage_index_data").fetchone()
    done, pages_of_step = 0, -_STEP_PAGES  # negative: all segments at first become one level, to be merged into one
    while True:
        before = connection.total_changes
        execute("INSERT INTO passage_index (passage_index, rank) VALUES ('merge', ?)", (pages_of_step,))
        if connection.total_changes - before < 2:  # as FTS5 says that nothing was left to do
            return
        pages_of_step = _STEP_PAGES
        done = min(done + _STEP_PAGES, pages)
        upkeep.tell("Rewriting the index", done, pages)


def forget_terms(connection: sqlite3.Connection) -> None:
    """Let go of counts of terms that no passage holds any more, or of all if they tell of a far larger library.

    For after `rewrite`. The other counts stay as they are: counting takes as long as reading the whole index.
    """
    execute = connection.execute
    (passages,) = execute("SELECT coalesce(sum(passages), 0) FROM index_sizes").fetchone()
    (counted,) = execute("SELECT value FROM counters WHERE name = 'passages counted'").fetchone()
    if passages < _FEWEST_PASSAGES or _GROWTH * passages < counted:
        execute("UPDATE counters SET value = 0 WHERE name = 'passages counted'")
        execute("DELETE FROM common_terms")
        count_common_terms(connection)
    else:
        execute(
            """DELETE FROM common_terms WHERE NOT EXISTS (
                   SELECT 1 FROM index_instances WHERE index_instances.term = common_terms.term)"""
        )


def count_common_terms(connection: sqlite3.Connection) -> None:
    """Count the terms that many passages hold, if the library has grown by a quarter since that was last done."""
    execute = connection.execute
    (passages,) = execute("SELECT coalesce(sum(passages), 0) FROM index_sizes").fetchone()
    (counted,) = execute("SELECT value FROM counters WHERE name = 'passages counted'").fetchone()
    if passages < max(_FEWEST_PASSAGES, _GROWTH * counted):
        return
    execute("DELETE FROM common_terms")
    execute("INSERT INTO common_terms SELECT term, doc FROM index_terms WHERE doc >= ?", (COMMON,))
    execute("UPDATE counters SET value = ? WHERE name = 'passages counted'", (passages,))

"""Where vectors are kept: in the library, a row for each page text, gone with the text's passages.

What lacks a vector is a page text that has passages and no row; there is no queue, so nothing can go wrong with one. A
row is made in one go, so that whatever ends a program costs one page's work.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nemo_docs.library.meaning.model import NAME
from nemo_docs.library.passages import is_fragment

SCHEMA = 7
"""From which schema on a library has room for vectors."""
Rows = Callable[..., list[sqlite3.Row]]
"""Runs a query, with its values, on one state of the library."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A page text whose passages have no vectors yet.

    Attributes:
        text: Its row.
        version: Of which version it is.
        language: Of its passages.
        passages: Their numbers, those that are worth a vector.
        contents: What each says.
    """

    text: int
    version: int
    language: str
    passages: tuple[int, ...]
    contents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a document can be found by meaning.

    Attributes:
        pages: Pages with vectors.
        of: Pages with text.
    """

    pages: int
    of: int


def pending(rows: Rows, after: int, limit: int) -> list[Pending]:
    """The next page texts without vectors, in the order of their rows.

    Args:
        rows: Reads the library.
        after: Only texts behind this row.
        limit: Texts at most.
    """
    texts = rows(
        """SELECT t.id, t.text FROM texts t WHERE t.id > ?
           AND EXISTS (SELECT 1 FROM passages s WHERE s.text = t.id)
           AND NOT EXISTS (SELECT 1 FROM passage_vectors v WHERE v.text = t.id AND v.model = ?)
           ORDER BY t.id LIMIT ?""",
        (after, NAME, limit),
    )
    return [_pending(rows, *text) for text in texts]


def _pending(rows: Rows, text: int, content: str) -> Pending:
    passages = rows(_PASSAGES, (text,))
    spans = [(row["start"], row["end"]) for row in passages]
    kept = [at for at, span in enumerate(spans) if not is_fragment(content, span)]
    return Pending(
        text=text,
        version=passages[0]["version"],
        language=passages[0]["language"],
        passages=tuple(passages[at]["id"] for at in kept),
        contents=tuple(content[slice(*spans[at])] for at in kept),
    )


_PASSAGES = """SELECT id, version, language, start, "end" FROM passages WHERE text = ? ORDER BY ordinal"""


def keep(execute: Callable[..., Any], page: Pending, vectors: bytes) -> bool:
    """Write the vectors of a page text, within the caller's transaction.

    Args:
        execute: Of the connection.
        page: What they are of.
        vectors: As `vectors.quantised` gives them, in the order of the passages.

    Returns:
        False if the passages are gone or others meanwhile; nothing is written then.
    """
    there = {row["id"] for row in execute(_PASSAGES, (page.text,))}
    if not there or not there.issuperset(page.passages):
        return False
    execute(
        """INSERT OR REPLACE INTO passage_vectors (text, version, language, model, passages, vectors)
           VALUES (?, ?, ?, ?, ?, ?)""",
        (page.text, page.version, page.language, NAME, array("q", page.passages).tobytes(), vectors),
    )
    return True


def kept(
    rows: Rows, handles: Iterable[str] | None, languages: Iterable[str] | None
) -> Iterator[tuple[str, bytes, bytes]]:
    """Language, passages and vectors of the page texts of what documents show now.

    Args:
        rows: Reads the library.
        handles: Of these documents only; None for all.
        languages: In these only; None for all.
    """
    wanted = None if handles is None else frozenset(handles)
    spoken = None if languages is None else frozenset(languages)
    for document in rows("SELECT handle, version FROM documents"):
        if wanted is None or document["handle"] in wanted:
            for language, passages, vectors in rows(
                "SELECT language, passages, vectors FROM passage_vectors WHERE version = ? AND model = ?",
                (document["version"], NAME),
            ):
                if spoken is None or language in spoken:
                    yield language, passages, vectors


def has_vectors(rows: Rows) -> bool:
    """Whether anything can be found by meaning."""
    return bool(rows("SELECT 1 FROM passage_vectors WHERE model = ? LIMIT 1", (NAME,)))


def shares(rows: Rows) -> dict[str, Share]:
    """By each document's handle how much of it can be found by meaning."""
    found = rows(
        """SELECT d.handle, count(v.text) AS pages, count(p.text) AS of
           FROM documents d LEFT JOIN pages p ON p.version = d.version AND p.text IS NOT NULL
           LEFT JOIN passage_vectors v ON v.text = p.text AND v.model = ? GROUP BY d.id""",
        (NAME,),
    )
    return {row["handle"]: Share(row["pages"], row["of"]) for row in found}

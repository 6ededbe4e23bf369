"""Search: the passages that hold words of a query, in any form that each passage's own language gives them.

BM25 over SQLite's FTS5, asked once for each language in the library. It is a module of its own because the analysis of
eleven languages takes longer to import than a list takes to print.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from nemo_docs.library.analysis import terms, tokens
from nemo_docs.library.records import Hit, PassageScore

Rows = Callable[..., list[sqlite3.Row]]
"""Runs a query, with its values, on one state of the library."""

_MATCHES = """
    SELECT p.id, p.version, p.text, p.ordinal, p.start, p."end", p.language, -bm25(passage_index) AS score
    FROM passage_index CROSS JOIN passages p ON p.id = passage_index.rowid
    CROSS JOIN versions v ON v.id = p.version CROSS JOIN documents d ON d.id = v.document AND d.version = v.id
    WHERE passage_index MATCH :query AND p.language = :language
"""
_DEPTH = 400
"""Passages of each language that are looked at where words and meaning are joined."""
# CROSS JOIN fixes the order: the index is asked once. Left to itself SQLite starts at the document and asks the index
# anew for every passage, which took 77 s on a document of 5,000 pages in place of 0.3 s.


def search(rows: Rows, query: str, handles: Sequence[str] | None, limit: int) -> list[Hit]:
    """The passages that match best, best first; of these documents, or of all."""
    where, values = ("", {}) if handles is None else _among(handles)
    found = _matches(rows, query, f"{where} ORDER BY score DESC, p.id LIMIT :limit", {**values, "limit": limit})
    found.sort(key=lambda row: (-row["score"], row["id"]))
    return [_hit(rows, row, query) for row in found[:limit]]


def search_by_meaning(
    rows: Rows, query: str, question: bytes, handles: Sequence[str] | None, limit: int, *, words: bool
) -> list[Hit]:
    """The passages that words or meaning find, best first; by meaning alone if words are not wanted."""
    from nemo_docs.library.meaning.searching import found

    ranked: dict[str, list[tuple[int, float]]] = {}
    if words:
        where, values = ("", {}) if handles is None else _among(handles)
        depth = max(_DEPTH, limit)
        for row in _matches(rows, query, f"{where} ORDER BY score DESC LIMIT :limit", {**values, "limit": depth}):
            ranked.setdefault(row["language"], []).append((row["id"], row["score"]))
    hits = []
    for each in found(rows, question, ranked, handles=handles, depth=max(_DEPTH, limit))[:limit]:
        (row,) = rows(
            """SELECT text, ordinal, start, "end", language, ? AS score FROM passages WHERE id = ?""",
            (each.score, each.passage),
        )
        hits.append(replace(_hit(rows, row, query), found_by=each.found_by))
    return hits


def passage_scores(rows: Rows, query: str, handles: Sequence[str]) -> dict[str, list[PassageScore]]:
    """For each document by its handle, the score of every passage that matches, in page order."""
    where, values = _among(handles)
    found = _matches(rows, query, where, values)
    pages = rows(
        f"""SELECT p.text, p.number, d.handle FROM documents d JOIN pages p ON p.version = d.version
            WHERE p.text IS NOT NULL {where}""",
        values,
    )
    places = {page["text"]: page for page in pages}
    scores: dict[str, list[PassageScore]] = {page["handle"]: [] for page in pages}
    for row in found:
        page = places[row["text"]]
        scores[page["handle"]].append(PassageScore(page["number"], row["start"], row["end"], row["score"]))
    return {handle: sorted(scored, key=lambda s: (s.page, s.start)) for handle, scored in scores.items()}


def _matches(rows: Rows, query: str, rest: str, values: dict[str, Any]) -> list[sqlite3.Row]:
    """Passages of every language, each asked for in its own way."""
    found: list[sqlite3.Row] = []
    for row in rows("SELECT DISTINCT language FROM passages"):
        if words := list(dict.fromkeys(terms(query, row["language"]))):
            match = " OR ".join(f'"{word}"' for word in words)
            found += rows(f"{_MATCHES} {rest}", {**values, "query": match, "language": row["language"]})
    return found


def _hit(rows: Rows, row: sqlite3.Row, query: str) -> Hit:
    (place,) = rows(
        """SELECT d.handle, d.title, p.number, t.sha256, t.text
           FROM texts t JOIN pages p ON p.id = t.page JOIN versions v ON v.id = p.version
           JOIN documents d ON d.id = v.document WHERE t.id = ?""",
        (row["text"],),
    )
    start, end = row["start"], row["end"]
    passage = place["text"][start:end]
    wanted = frozenset(terms(query, row["language"]))
    return Hit(
        document=place["handle"],
        title=place["title"],
        passage=row["ordinal"],
        page=place["number"],
        start=start,
        end=end,
        text_sha256=place["sha256"],
        text=passage,
        score=row["score"],
        highlights=_merged(
            (start + token.start, start + token.end)
            for token in tokens(passage, row["language"], indexing=True)
            if token.term in wanted
        ),
    )


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Spans in order, those that touch or overlap made one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _among(handles: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A condition that holds for these documents, and its values."""
    values = {f"handle{n}": handle for n, handle in enumerate(handles)}
    return f"AND d.handle IN ({', '.join(f':{name}' for name in values)})", values

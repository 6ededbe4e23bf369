"""Search for letters as they stand on the page, in the order of the pages.

Case counts, accents count, a part of a word is found; only white space stands for any white space, since where a line
ends is the page's doing. Words that stand whole within what is asked for, and pairs of Chinese, Japanese and Korean
characters, are in the index, and the rarest names the pages to look at. The first and the last word may be parts
of longer ones: where there are no others, all page texts are looked through, a gigabyte in some two seconds.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping

from nemo_docs.library.analysis import tokens
from nemo_docs.library.search.statistics import Rows, collections, frequencies

_MOST = 20_000
"""Passages with the rarest word from which on it is quicker to look through all texts."""

_PAIR = re.compile("[\u4e00-\u9fff\u3041-\u3096\u30a1-\u30fa\uac00-\ud7a3]{2}")
"""Characters that the analysis leaves as they are."""

Found = tuple[sqlite3.Row, list[tuple[int, int]]]
"""A passage, and where in its page text the letters begin that stand in it."""


def occurrences(
    rows: Rows,
    letters: str,
    pages: Mapping[str, Iterable[int] | None] | None,
    languages: Iterable[str] | None,
    is_indexed: bool,
) -> Iterator[Found]:
    """Passages in which the letters begin, in the order of documents and pages.

    Args:
        rows: Reads the library.
        letters: What to look for.
        pages: Look in these pages of these documents only, by their handles; None for a document's pages means all.
        languages: Look in pages of these languages only.
        is_indexed: Whether the library has today's index; an earlier one is not asked.
    """
    pieces = letters.split()
    pattern = re.compile(r"\s+".join(map(re.escape, pieces)))
    wanted = None if pages is None else {handle: None if n is None else frozenset(n) for handle, n in pages.items()}
    spoken = None if languages is None else frozenset(languages)
    near = _texts_with(rows, letters) if is_indexed else None
    for version, handle in rows("SELECT version, handle FROM documents WHERE version IS NOT NULL ORDER BY id"):
        if (wanted is not None and handle not in wanted) or (near is not None and version not in near):
            continue
        numbers = None if wanted is None else wanted[handle]
        for row in rows(*_candidates(version, max(pieces, key=len), None if near is None else near[version])):
            if (numbers is None or row["number"] in numbers) and (spoken is None or row["language"] in spoken):
                yield from _in_page(rows, row, [match.span() for match in pattern.finditer(row["text"])])


def _candidates(version: int, piece: str, texts: Collection[int] | None) -> tuple[str, tuple[object, ...]]:
    """The query for a version's pages, or those of them with these texts, that hold a piece of what is asked for."""
    among = "" if texts is None else f"AND t.id IN ({', '.join(map(str, texts))})"
    sql = f"""SELECT t.id, t.text, p.number, p.language FROM pages p JOIN texts t ON t.id = p.text
              WHERE p.version = ? {among} AND instr(t.text, ?) ORDER BY p.number"""
    return sql, (version, piece)


def _texts_with(rows: Rows, letters: str) -> dict[int, set[int]] | None:
    """By version the texts that hold the rarest word that is whole; None if there is none, or it is in too many."""
    languages = [collection.language for collection in collections(rows)]
    words = {(token.start, token.end) for token in tokens(letters) if _is_whole(letters, token.start, token.end)}
    spellings = {
        span: [language + token.term for language in languages for token in tokens(letters[slice(*span)], language)]
        for span in words
    }
    counts = frequencies(rows, [term for terms in spellings.values() for term in terms])
    totals = {span: sum(counts[term] for term in terms) for span, terms in spellings.items() if terms}
    rarest = min(totals, key=totals.__getitem__, default=None)
    if rarest is None or totals[rarest] > _MOST:
        return None
    found: dict[int, set[int]] = {}
    for version, text in rows(
        """SELECT DISTINCT version, text FROM passages
           WHERE id IN (SELECT rowid FROM passage_index WHERE passage_index MATCH ?)""",
        (" OR ".join(f'"{term}"' for term in spellings[rarest]),),
    ):
        found.setdefault(version, set()).add(text)
    return found


def _is_whole(letters: str, start: int, end: int) -> bool:
    """Whether a token of what is asked for is one of the page, too, whatever stands there before and behind it."""
    if _PAIR.fullmatch(letters, start, end):
        return True
    return start > 0 and end < len(letters) and letters[start - 1].isspace() and letters[end].isspace()


def _in_page(rows: Rows, page: sqlite3.Row, spans: list[tuple[int, int]]) -> Iterator[Found]:
    if not spans:
        return
    for passage in rows('SELECT id, start, "end" FROM passages WHERE text = ? ORDER BY start', (page["id"],)):
        if here := [span for span in spans if passage["start"] <= span[0] < passage["end"]]:
            yield passage, here

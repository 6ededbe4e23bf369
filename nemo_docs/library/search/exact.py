"""Search for letters as they stand on the page, in the order of the pages.

Case counts, accents count, a part of a word is found; only white space stands for any white space, since where a line
ends is the page's doing. A word that stands whole within what is asked for names the pages to look at; without one all
page texts are looked through, which SQLite does at some 300 MB a second.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from nemo_docs.library.search.statistics import Rows

Found = tuple[sqlite3.Row, list[tuple[int, int]]]
"""A passage, and where in its page text the letters begin that stand in it."""


def occurrences(
    rows: Rows, letters: str, pages: Mapping[str, Iterable[int] | None] | None, languages: Iterable[str] | None = None
) -> Iterator[Found]:
    """Passages in which the letters begin, in the order of documents and pages.

    Args:
        rows: Reads the library.
        letters: What to look for.
        pages: Look in these pages of these documents only, by their handles; None for a document's pages means all.
        languages: Look in pages of these languages only.
    """
    pieces = letters.split()
    pattern = re.compile(r"\s+".join(map(re.escape, pieces)))
    wanted = None if pages is None else {handle: None if n is None else frozenset(n) for handle, n in pages.items()}
    spoken = None if languages is None else frozenset(languages)
    for version, handle in rows("SELECT version, handle FROM documents WHERE version IS NOT NULL ORDER BY id"):
        if wanted is not None and handle not in wanted:
            continue
        numbers = None if wanted is None else wanted[handle]
        for row in rows(
            """SELECT t.id, t.text, p.number, p.language FROM pages p JOIN texts t ON t.id = p.text
               WHERE p.version = ? AND instr(t.text, ?) ORDER BY p.number""",
            (version, max(pieces, key=len)),
        ):
            if (numbers is None or row["number"] in numbers) and (spoken is None or row["language"] in spoken):
                yield from _in_page(rows, row, [match.span() for match in pattern.finditer(row["text"])])


def _in_page(rows: Rows, page: sqlite3.Row, spans: list[tuple[int, int]]) -> Iterator[Found]:
    if not spans:
        return
    for passage in rows('SELECT id, start, "end" FROM passages WHERE text = ? ORDER BY start', (page["id"],)):
        if here := [span for span in spans if passage["start"] <= span[0] < passage["end"]]:
            yield passage, here

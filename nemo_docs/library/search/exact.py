"""Search for letters as they stand on the page, in the order of the pages.

Case counts, accents count, a part of a word is found; only white space stands for any white space, since where a line
ends is the page's doing. Words that stand whole within what is asked for, and pairs of Chinese, Japanese and Korean
characters, are in the index, and the rarest names the pages to look at. The first and the last word may be parts of
longer ones, and a stem does not tell which letters its words end with ("cat" stands in "publication", whose French
stem is "public"): where there are no others, all page texts are looked through, a gigabyte in half a second to one.
FTS5 has no list of its terms apart from their entries: looking through those takes four times as long as the texts.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nemo_docs.library.analysis import tokens
from nemo_docs.library.passages import LONGEST_UNCUT
from nemo_docs.library.search.statistics import Rows, collections, frequencies

_MOST = 20_000
"""Passages with the rarest word from which on it is quicker to look through all texts."""
_LONGEST_LOOKED_FOR = 1_000
"""Characters that SQLite is asked for; its patterns are limited to 50,000 bytes."""
_WILD = re.compile(r"[*?\[]")
"""What GLOB takes for more than itself."""
_PAIR = re.compile("(?=([\u4e00-\u9fff\u3041-\u3096\u30a1-\u30fa\uac00-\ud7a3]{2}))")
"""Characters that the analysis leaves as they are, unless one of `_JOINING` follows."""
_JOINING = [*map(chr, range(0x1161, 0x1200)), *map(chr, range(0xFF9E, 0xFFDD))]
"""Half-width sound marks and parts of syllables, which NFKC may make one with the character before them."""

Found = tuple[sqlite3.Row, list[tuple[int, int]]]
"""A passage, and where in its page text the letters begin that stand in it."""


@dataclass(frozen=True, slots=True)
class _Clue:
    """One thing that every page with the letters has in the index."""

    terms: Sequence[str]
    """Of which it has at least one."""
    openings: Sequence[str] = ()
    """How a passage may begin in its place, where a cut has taken the pair of characters apart."""


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
    near = _texts_with(rows, " ".join(pieces)) if is_indexed else None
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
    # GLOB leaps from one first letter to the next, which takes a third of the time that instr takes in Latin letters
    sql = f"""SELECT t.id, t.text, p.number, p.language FROM pages p JOIN texts t ON t.id = p.text
              WHERE p.version = ? {among} AND t.text GLOB ? ORDER BY p.number"""
    tame = _WILD.sub(r"[\g<0>]", piece[:_LONGEST_LOOKED_FOR])
    return sql, (version, f"*{tame}*")


def _texts_with(rows: Rows, letters: str) -> dict[int, set[int]] | None:
    """By version the texts that hold the rarest clue; None if there is none, or it is in too many."""
    languages = [collection.language for collection in collections(rows)]
    clues = [*_whole_words(letters, languages), *_pairs(letters, languages)]
    counts = frequencies(rows, list({term for clue in clues for term in clue.terms}))
    totals = [sum(counts[term] for term in clue.terms) for clue in clues]
    if min(totals, default=_MOST + 1) > _MOST:
        return None
    rarest = clues[totals.index(min(totals))]
    found: dict[int, set[int]] = {}
    expression = " OR ".join([f'"{term}"' for term in rarest.terms] + [f'^ "{term}" *' for term in rarest.openings])
    for version, text in rows(
        """SELECT DISTINCT version, text FROM passages
           WHERE id IN (SELECT rowid FROM passage_index WHERE passage_index MATCH ?)""",
        (expression,),
    ):
        found.setdefault(version, set()).add(text)
    return found


def _whole_words(letters: str, languages: Sequence[str]) -> Iterator[_Clue]:
    """Of what stands between two spaces; there the page has white space, too, and so the same words.

    A short number may be a part of one whose thousands a space sets apart on the page.
    """
    for piece in letters.split(" ")[1:-1]:
        if len(piece) > LONGEST_UNCUT:
            continue
        spellings: dict[int, list[str]] = {}
        for language in languages:
            for at, token in enumerate(tokens(piece, language)):
                word = piece[token.start : token.end]
                if not word[0].isdecimal() or (word.isdecimal() and len(word) > 3):
                    spellings.setdefault(at, []).append(language + token.term)
        yield from map(_Clue, spellings.values())


def _pairs(letters: str, languages: Sequence[str]) -> Iterator[_Clue]:
    """Two characters of Chinese, Japanese or Korean, side by side wherever they stand."""
    for match in _PAIR.finditer(letters):
        first, last = match[1][0], match[1][1]
        behind = letters[match.end(1) : match.end(1) + 1]
        forms = [last]  # of the second, by what may follow it
        if not behind or behind in _JOINING:
            forms += {unicodedata.normalize("NFKC", last + joining)[0] for joining in _JOINING} - {last}
        yield _Clue(
            [language + first + form for language in languages for form in forms],
            [language + form for language in languages for form in forms],
        )


def _in_page(rows: Rows, page: sqlite3.Row, spans: list[tuple[int, int]]) -> Iterator[Found]:
    if not spans:
        return
    for passage in rows('SELECT id, start, "end" FROM passages WHERE text = ? ORDER BY start', (page["id"],)):
        if here := [span for span in spans if passage["start"] <= span[0] < passage["end"]]:
            yield passage, here

"""What a search gives: passages, pages or documents as hits, with the words that matched."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from nemo_docs.library.analysis import PARTED, SHORTEST_PART, terms, tokens
from nemo_docs.library.records import Hit, PassageScore
from nemo_docs.library.search import earlier, exact
from nemo_docs.library.search.ranking import SCORED, by_language, every_score
from nemo_docs.library.search.scope import everywhere, of_documents
from nemo_docs.library.search.scoring import Scored
from nemo_docs.library.search.statistics import Rows

Pages = Mapping[str, Iterable[int] | None]
"""By a document's handle the numbers of its pages to look in; None for all of them."""

FOREIGN = 0.5
"""What a passage's score counts in another language than the query's: words that are common in the one, "de" and "and",
are rare in the other, and would say too much there."""
_QUOTED = re.compile('"([^"]+)"|“([^“”]+)”|„([^„“”]+)[“”]|«([^«»]+)»|「([^「」]+)」|『([^『』]+)』')


class Unit(StrEnum):
    """What a search gives one hit for."""

    PASSAGE = "passage"
    PAGE = "page"
    """Each by the passage of it that fits best."""
    DOCUMENT = "document"


def phrases(query: str) -> list[str]:
    """The parts of a query that stand in quotation marks and hold a word."""
    found = ("".join(filter(None, match.groups())) for match in _QUOTED.finditer(query))
    return [phrase for phrase in found if any(character.isalnum() for character in phrase)]


def search(
    rows: Rows, schema: int, query: str, pages: Pages | None, limit: int, languages: Sequence[str] | None, by: Unit
) -> list[Hit]:
    """What matches best, best first."""
    quoted = phrases(query)
    if schema < earlier.SCHEMA:
        found = earlier.ranked(rows, query, pages, languages)
        found = [each for each in found if _holds(rows, each[0], pages, quoted)]
    else:
        scope = everywhere(rows) if pages is None else of_documents(rows, pages)
        most = limit if by is Unit.PASSAGE else max(SCORED, 4 * limit)
        lists = by_language(rows, query, scope, most, languages, quoted, FOREIGN).values()
        found = sorted((each for some in lists for each in some), key=lambda each: (-each[1], each[0]))
    return [_hit(rows, passage, score, query) for passage, score in _first_of_each(rows, found, by, limit)]


def search_by_meaning(
    rows: Rows, query: str, question: bytes, pages: Pages | None, limit: int, languages: Sequence[str] | None, by: Unit,
    *, with_words: bool,
) -> list[Hit]:  # fmt: skip
    """What words or meaning find, best first.

    What stands in quotation marks has to be there, so words alone find it; but where no passage holds it, meaning finds
    what answers a question around it.

    Args:
        rows: Reads the library.
        query: Words.
        question: The query's vector.
        pages: Where to look; None looks in all documents.
        limit: Hits at most.
        languages: Look in pages of these only.
        by: What to give one hit for.
        with_words: Whether words count; else meaning alone.
    """
    from nemo_docs.library.meaning.searching import found

    scope = everywhere(rows) if pages is None else of_documents(rows, pages)
    most = max(SCORED, limit)
    quoted = phrases(query)
    words = by_language(rows, query, scope, most, languages, quoted) if with_words else {}
    is_phrase_alone = not any(character.isalnum() for character in _QUOTED.sub("", query))
    where = () if with_words and quoted and (any(words.values()) or is_phrase_alone) else pages
    joined = found(rows, question, words, handles=where, languages=languages, among=scope.among, depth=most)
    ways = {each.passage: each.found_by for each in joined}
    first = _first_of_each(rows, [(each.passage, each.score) for each in joined], by, limit)
    return [replace(_hit(rows, passage, score, query), found_by=ways[passage]) for passage, score in first]


def search_exactly(
    rows: Rows, schema: int, letters: str, pages: Pages | None, limit: int, languages: Sequence[str] | None, by: Unit
) -> list[Hit]:
    """Where these very letters stand, in the order of the pages; the score is how often they begin in the passage."""
    if not letters.strip():
        return []
    seen: set[object] = set()
    hits: list[Hit] = []
    for passage, spans in exact.occurrences(rows, letters, pages, languages, schema >= earlier.SCHEMA):
        hit = _hit(rows, passage["id"], float(len(spans)), "", spans)
        unit = _unit(by, passage["id"], hit.text_sha256, hit.document)
        if unit not in seen:
            seen.add(unit)
            hits.append(hit)
        if len(hits) == limit:
            break
    return hits


def passage_scores(
    rows: Rows, schema: int, query: str, handles: Sequence[str], question: bytes | None
) -> dict[str, list[PassageScore]]:
    """For each document by its handle, the score of every passage that matches, in page order.

    With the query's vector also of passages in other languages that mean the same.
    """
    if schema < earlier.SCHEMA:
        found = earlier.ranked(rows, query, handles)
    else:
        found = every_score(rows, query, of_documents(rows, dict.fromkeys(handles)))
    scores: dict[str, list[PassageScore]] = {handle: [] for handle in handles}
    known = dict(found)
    if question is not None:
        from nemo_docs.library.meaning.searching import in_other_languages

        for passage, meant in in_other_languages(rows, question, handles).items():
            known[passage] = known.get(passage, 0.0) + meant
    for handle in scores:
        passages = rows(
            """SELECT s.id, p.number, s.start, s."end" FROM documents d JOIN pages p ON p.version = d.version
               JOIN passages s ON s.text = p.text WHERE d.handle = ? ORDER BY p.number, s.start""",
            (handle,),
        )
        scores[handle] = [
            PassageScore(number, start, end, known[passage])
            for passage, number, start, end in passages
            if passage in known
        ]
    return scores


def _first_of_each(rows: Rows, found: Scored, by: Unit, limit: int) -> Scored:
    """The best passage of each unit."""
    if by is Unit.PASSAGE:
        return found[:limit]
    seen: set[object] = set()
    first: Scored = []
    for passage, score in found:
        for text, version in rows("SELECT text, version FROM passages WHERE id = ?", (passage,)):
            unit = _unit(by, passage, text, version)
            if unit not in seen:
                seen.add(unit)
                first.append((passage, score))
        if len(first) == limit:
            break
    return first


def _unit(by: Unit, passage: object, page: object, document: object) -> object:
    return {Unit.PASSAGE: passage, Unit.PAGE: page, Unit.DOCUMENT: document}[by]


def _holds(rows: Rows, passage: int, pages: Pages | None, quoted: Sequence[str]) -> bool:
    """Whether a passage of an earlier library stands on a wanted page and holds all phrases."""
    ((place),) = rows(_PLACE, (passage,))
    wanted = None if pages is None else pages[place["handle"]]
    if wanted is not None and place["number"] not in wanted:
        return False
    words = f" {' '.join(terms(place['text'][place['start'] : place['end']], place['language']))} "
    return all(f" {' '.join(terms(phrase, place['language']))} " in words for phrase in quoted)


_PLACE = """
    SELECT d.handle, d.title, p.number, t.sha256, t.text, s.ordinal, s.start, s."end", s.language
    FROM passages s JOIN texts t ON t.id = s.text JOIN pages p ON p.id = t.page JOIN versions v ON v.id = p.version
    JOIN documents d ON d.id = v.document WHERE s.id = ?
"""


def _hit(rows: Rows, passage: int, score: float, query: str, spans: Iterable[tuple[int, int]] | None = None) -> Hit:
    (place,) = rows(_PLACE, (passage,))
    start, end = place["start"], place["end"]
    return Hit(
        document=place["handle"],
        title=place["title"],
        passage=place["ordinal"],
        page=place["number"],
        start=start,
        end=end,
        text_sha256=place["sha256"],
        text=place["text"][start:end],
        score=score,
        highlights=_merged((first, min(last, end)) for first, last in spans or _matching(place, query)),
    )


def _matching(place: sqlite3.Row, query: str) -> Iterable[tuple[int, int]]:
    """Where the words of a query stand in a passage, in any of their forms."""
    language, start = place["language"], place["start"]
    wanted = frozenset(terms(query, language))
    parts = [term for term in wanted if language in PARTED and len(term) >= SHORTEST_PART]
    for token in tokens(place["text"][start : place["end"]], language, indexing=True):
        if token.term in wanted or any(part in token.term for part in parts):
            yield start + token.start, start + token.end


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Spans in order, those that touch or overlap made one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)

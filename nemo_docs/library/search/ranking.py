"""The passages that match a query, ranked: by words, each language by itself."""

from __future__ import annotations

from collections.abc import Sequence

from nemo_docs.library.analysis import terms as terms_of
from nemo_docs.library.search.candidates import candidates
from nemo_docs.library.search.scope import Scope
from nemo_docs.library.search.scoring import PASSAGES, Held, Scored, held, score, scored
from nemo_docs.library.search.statistics import Rows, collections, query_terms

SCORED = 400
"""Passages of a language that are scored at least."""
_AT_ONCE = 5_000
"""Passages that are read at once where all are scored."""


def ranked(rows: Rows, query: str, language: str, scope: Scope, limit: int, phrases: Sequence[str] = ()) -> Scored:
    """Ids and scores of the passages in one language that match best, best first.

    Args:
        rows: Reads the library.
        query: Words in any language; they are taken as this one takes them.
        language: ISO 639-1 code, or "und".
        scope: Where to look.
        limit: Passages at most.
        phrases: Each passage must hold the words of each of these, one behind the other in the same order.
    """
    runs = [run for phrase in phrases if (run := terms_of(phrase, language))]
    for collection in collections(rows, [language]):
        terms = query_terms(rows, query, collection)
        most = max(SCORED, limit)
        found = candidates(rows, terms, collection, scope, most, runs)
        return scored(rows, found, terms, collection)[:limit]
    return []


def all_ranked(
    rows: Rows, query: str, scope: Scope, limit: int, languages: Sequence[str] | None = None,
    phrases: Sequence[str] = (),
) -> Scored:  # fmt: skip
    """As `ranked`, over all languages of the library, or over these."""
    found = [
        each
        for collection in collections(rows, languages)
        for each in ranked(rows, query, collection.language, scope, limit, phrases)
    ]
    return sorted(found, key=lambda item: (-item[1], item[0]))[:limit]


def every_score(rows: Rows, query: str, scope: Scope) -> Scored:
    """The score of every passage that matches, however many they are; for a scope of documents."""
    languages = [(collection, query_terms(rows, query, collection)) for collection in collections(rows)]
    found: dict[str, dict[int, Held]] = {collection.language: {} for collection, _ in languages}
    for first, last in scope.ranges or ():
        while passages := rows(f"{PASSAGES} WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", (first, last, _AT_ONCE)):
            present = {row["language"] for row in passages}
            for collection, terms in languages:
                if collection.language in present:
                    found[collection.language].update(held(passages, terms, collection))
            first = passages[-1]["id"] + 1
    return [
        each
        for collection, terms in languages
        for each in score(rows, found[collection.language], found[collection.language], terms, collection)
    ]

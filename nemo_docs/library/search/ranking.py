"""The passages that match a query, ranked: by words, each language by itself."""

from __future__ import annotations

from collections.abc import Sequence

from nemo_docs.library.search.candidates import candidates, own_language
from nemo_docs.library.search.scope import Scope
from nemo_docs.library.search.scoring import PASSAGES, Held, Scored, held, score, scored
from nemo_docs.library.search.statistics import Rows, collections, query_terms

SCORED = 250
"""Passages that are scored at least, of all languages together."""
_AT_ONCE = 5_000
"""Passages that are read at once where all are scored."""


def ranked(rows: Rows, query: str, language: str, scope: Scope, limit: int) -> Scored:
    """Ids and scores of the passages in one language that match best, best first.

    Args:
        rows: Reads the library.
        query: Words in any language; they are taken as this one takes them.
        language: ISO 639-1 code, or "und".
        scope: Where to look.
        limit: Passages at most.
    """
    return by_language(rows, query, scope, limit, [language]).get(language, [])[:limit]


def by_language(
    rows: Rows, query: str, scope: Scope, limit: int, languages: Sequence[str] | None = None,
    phrases: Sequence[str] = (), foreign: float = 1.0,
) -> dict[str, Scored]:  # fmt: skip
    """As `ranked`, for every language of the library, or these; the best `limit` of all, at least, are among them.

    Args:
        rows: Reads the library.
        query: Words in any language.
        scope: Where to look.
        limit: How many are wanted.
        languages: ISO 639-1 codes.
        phrases: Each passage must hold the words of each of these, one behind the other in the same order.
        foreign: What scores count in all languages but the query's own, where they are compared with each other.
    """
    sought = collections(rows, languages)
    terms = query_terms(rows, query, sought)
    asked = {collection.language: (collection, terms[collection.language]) for collection in sought}
    found = candidates(rows, asked, scope, max(SCORED, limit), phrases)
    own = own_language(asked)
    return scored(rows, found, asked, limit, {language: 1.0 if language == own else foreign for language in asked})


def every_score(rows: Rows, query: str, scope: Scope) -> Scored:
    """The score of every passage that matches, however many they are; for a scope of documents."""
    sought = collections(rows)
    of_query = query_terms(rows, query, sought)
    languages = [(collection, of_query[collection.language]) for collection in sought]
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

"""How well passages fit a query: BM25 of each, of its surroundings, and of the parts of words.

A passage often names its subject only by a pronoun, so half of its score is that of the passage together with those
before and after it on its page. The best are looked at once more by the letters of their words, three by three: that
forgives an inflection which no stemmer undoes, a compound, an article grown onto an Arabic noun. Measured on XQuAD
(recall at 1, question to paragraph): see tests/benchmarks/NOTES.md.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest

from nemo_docs.library.analysis import PARTED, SHORTEST_PART
from nemo_docs.library.search.candidates import PART_WEIGHT, Asked
from nemo_docs.library.search.statistics import Collection, Rows, Term

K1, B = 1.2, 0.75
"""BM25's usual saturation and length normalisation."""
SURROUNDINGS_SHARE = 0.5
LETTERS_SHARE = 0.3
"""What the letters add at most, as a share of the best score by words."""
LOOKED_AT = 60
"""How many of the best are looked at by their letters."""
_GRAM = 3
_DENSE = "\u2e80"
"""From here on a term is a pair of characters, and has no letters to look at."""

PASSAGES = "SELECT id, text, language, terms, alternates FROM passages"
"""What `held` reads."""

Scored = list[tuple[int, float]]
"""Ids of passages and their scores, best first; larger is better, comparable within one query."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one passage holds of a query."""

    text: int
    """Which page text it is a part of."""
    length: int
    """In terms."""
    counts: Sequence[float]
    """Of each term of the query."""


def scored(
    rows: Rows, ids: Mapping[str, Sequence[int]], asked: Asked, limit: int, weights: Mapping[str, float]
) -> dict[str, Scored]:
    """Passages with their scores by language, best first; those that hold no term of the query are left out.

    Args:
        rows: Reads the library.
        ids: Of passages, by language.
        asked: The query.
        limit: How many are wanted of all languages; those that do not come near are not scored to the end.
        weights: What scores count, by language.
    """
    found: dict[str, dict[int, Held]] = {}
    alone: list[tuple[float, int, str]] = []
    for language, (collection, terms) in asked.items():
        found[language] = held(_by_id(rows, ids[language]), terms, collection)
        for passage, one in found[language].items():
            if any(one.counts):
                alone_score = _bm25(one.counts, one.length / collection.average_length, terms)
                alone.append((weights[language] * alone_score, -passage, language))
    best: dict[str, list[int]] = {}
    for _, passage, language in nlargest(max(limit, LOOKED_AT), alone):
        best.setdefault(language, []).append(-passage)
    scores = {}
    for language, passages in best.items():
        collection, terms = asked[language]
        near = {passage + step for passage in passages for step in (-1, 1)} - found[language].keys()
        found[language].update(held(_by_id(rows, near), terms, collection))
        of_language = score(rows, found[language], passages, terms, collection)
        scores[language] = [(passage, weights[language] * each) for passage, each in of_language]
    return scores


def _by_id(rows: Rows, ids: Iterable[int]) -> list[sqlite3.Row]:
    ordered = sorted(ids)
    return [
        row
        for at in range(0, len(ordered), 500)
        for row in rows(f"{PASSAGES} WHERE id IN ({', '.join(map(str, ordered[at : at + 500]))})")
    ]


def held(found: Iterable[sqlite3.Row], terms: Sequence[Term], collection: Collection) -> dict[int, Held]:
    """What passages in this language hold of a query, by their ids; those in others are left out.

    Args:
        found: Rows as `PASSAGES` selects them.
        terms: Of the query, in this language.
        collection: The language.
    """
    wanted = [(term.text, _may_be_part(term, collection)) for term in terms]
    holding = {}
    for passage, text, language, words, alternates in found:
        if language != collection.language:
            continue
        every = f"{words} {alternates}"
        present = Counter(every.split(" "))
        counts = [present.get(term) or (PART_WEIGHT if is_part and term in every else 0) for term, is_part in wanted]
        holding[passage] = Held(text, words.count(" ") + 1, counts)
    return holding


def _may_be_part(term: Term, collection: Collection) -> bool:
    return collection.language in PARTED and len(term.text) >= SHORTEST_PART


def score(
    rows: Rows, held: Mapping[int, Held], ids: Iterable[int], terms: Sequence[Term], collection: Collection
) -> Scored:
    """As `scored`, for passages of which it is known what they and their neighbours hold."""
    scores = {}
    average = collection.average_length
    for passage in ids:
        own = held[passage]
        if not any(own.counts):
            continue
        around = _around(held, passage)
        counts = [sum(each) for each in zip(*(one.counts for one in around), strict=True)]
        length = sum(one.length for one in around)
        scores[passage] = (1 - SURROUNDINGS_SHARE) * _bm25(own.counts, own.length / average, terms)
        scores[passage] += SURROUNDINGS_SHARE * _bm25(counts, length / (2 * average), terms)
    best = sorted(scores, key=lambda passage: (-scores[passage], passage))[:LOOKED_AT]
    for passage, more in _by_letters(rows, held, best, terms).items():
        scores[passage] += LETTERS_SHARE * more * scores[best[0]]
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _around(held: Mapping[int, Held], passage: int) -> list[Held]:
    """A passage and its neighbours on its page."""
    return [held[near] for near in _near(held, passage)]


def _near(held: Mapping[int, Held], passage: int) -> list[int]:
    text = held[passage].text
    return [near for near in (passage - 1, passage, passage + 1) if near in held and held[near].text == text]


def _bm25(counts: Sequence[float], length: float, terms: Sequence[Term]) -> float:
    damping = K1 * (1 - B + B * length)
    return sum(
        term.weight * count * (K1 + 1) / (count + damping) for term, count in zip(terms, counts, strict=True) if count
    )


def _by_letters(rows: Rows, held: Mapping[int, Held], ids: Sequence[int], terms: Sequence[Term]) -> dict[int, float]:
    """For each passage, how much of the query's letters its surroundings hold: BM25 among these, 1 for the best."""
    grams = {
        term.text[at : at + _GRAM]
        for term in terms
        if term.text and term.text[0] < _DENSE
        for at in range(len(term.text) - _GRAM + 1)
    }
    if not grams or not ids:
        return {}
    words = {row["id"]: row["terms"] for row in _by_id(rows, {near for each in ids for near in _near(held, each)})}
    texts = [" ".join(words[near] for near in _near(held, passage)) for passage in ids]
    average = sum(map(len, texts)) / len(texts) or 1.0
    sums = [0.0] * len(texts)
    for gram in sorted(grams):
        counts = [text.count(gram) for text in texts]
        holding = sum(map(bool, counts))
        weight = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5)) ** 1.5
        for at, count in enumerate(counts):
            if count:
                sums[at] += weight * count * (K1 + 1) / (count + K1 * (1 - B + B * len(texts[at]) / average))
    highest = max(sums)
    return {passage: each / highest for passage, each in zip(ids, sums, strict=True)} if highest > 0 else {}

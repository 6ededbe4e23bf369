"""Which passages to score: those that hold the rarest terms of a query, within a fixed budget of index entries.

An OR over all words of a question walks the entries of its stop words, which are as many as there are passages: 3.2 s
at a million of them. The rarest terms find nearly every passage that could win. Leaving terms out by their share would
cost small libraries 0.05 of recall at 1, so nothing is left out as long as the budget lasts: in a small one all terms
are within it. Terms beyond it are asked only in company, which the index answers by leaping from one list to the other.

Words that are common in one language are not in another. So the language whose passages hold the words of a query most
often, which is nearly always the query's own, has the whole budget, and each of the others a part of it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from heapq import nlargest
from itertools import combinations

from nemo_docs.library.analysis import PART, PARTED, SHORTEST_PART
from nemo_docs.library.analysis import terms as terms_of
from nemo_docs.library.indexing import COMMON
from nemo_docs.library.search.scope import Scope
from nemo_docs.library.search.statistics import Collection, Rows, Term

BUDGET = 20_000
"""Index entries that are read in the language of the query."""
_SIFTED = 3
"""How many times the budget is read where what the index says has to be sifted: of it only what passes counts."""
_OTHERS = 20
"""Which part of it each other language has."""
PART_WEIGHT = 0.5
"""What a compound counts that holds a term as a part."""
_COMPANIONS = 3
"""Terms beyond the budget that are asked together with others."""
_COMPANION_SHARE = 0.1
"""Of the passages; a term that more of them hold says too little to be asked for."""
_SIZE = 1_000
"""Added to a language's passages, so that a language of ten is not taken for the query's because two hold a word."""
_K1 = 1.2
_MOST = 4
"""Times that a term counts here in one passage; more hardly add to it."""
_EVERYTHING = ((0, (1 << 63) - 1),)

Asked = Mapping[str, tuple[Collection, Sequence[Term]]]
"""By language: its passages, and the terms of the query there, rarest first."""


def candidates(rows: Rows, asked: Asked, scope: Scope, limit: int, phrases: Sequence[str] = ()) -> dict[str, list[int]]:
    """Ids of passages to score, by language.

    Args:
        rows: Reads the library.
        asked: The query.
        scope: Where to look.
        limit: How many will be scored: where there are more, the most promising are taken.
        phrases: Each passage must hold the words of each of these, one behind the other.
    """
    found: dict[str, dict[int, float]] = {}
    own = own_language(asked)
    for language, (collection, terms) in asked.items():
        budget = BUDGET if language == own else BUDGET // _OTHERS
        if phrases:
            found[language] = _holding(rows, phrases, collection, scope, budget)
        else:
            found[language] = _promising(rows, terms, collection, scope, budget, limit)
    # The best of each language first: its promises are compared where they lie, in place of tuples made of all of them.
    best = [
        (promises[passage], -passage, language)
        for language, promises in found.items()
        for passage in nlargest(limit, promises, key=promises.__getitem__)
    ]
    chosen: dict[str, list[int]] = {language: [] for language in asked}
    for _, passage, language in nlargest(limit, best):
        chosen[language].append(-passage)
    return chosen


def own_language(asked: Asked) -> str:
    """The language whose passages hold the words of a query most often: nearly always the query's own."""
    return max(asked, key=lambda language: _likelihood(*asked[language]), default="")


def _likelihood(collection: Collection, terms: Sequence[Term]) -> float:
    """How often the language's passages hold the query's words: the logarithm of the shares' mean."""
    shares = [(term.passages + 0.5) / (collection.passages + _SIZE) for term in terms]
    return sum(map(math.log, shares)) / max(len(shares), 1) if shares else -math.inf


def _holding(rows: Rows, phrases: Sequence[str], collection: Collection, scope: Scope, limit: int) -> dict[int, float]:
    runs = [
        " ".join(collection.language + word for word in terms_of(phrase, collection.language)) for phrase in phrases
    ]
    expression = " AND ".join(f'"{run}"' for run in runs if run)
    return dict.fromkeys(_matches(rows, expression, scope, limit), 1.0) if expression else {}


def _promising(
    rows: Rows, terms: Sequence[Term], collection: Collection, scope: Scope, budget: int, limit: int
) -> dict[int, float]:
    promise: dict[int, float] = defaultdict(float)
    rare: list[Term] = []
    common: list[Term] = []
    for term in terms:
        reach = budget if scope.is_everything else _SIFTED * budget
        if budget <= 0 or (not scope.is_narrow and (common or term.passages > reach)):
            common.append(term)
            continue
        rare.append(term)
        entries = _entries(rows, term, collection, scope, budget) if term.passages else {}
        gains = [term.weight * count * (_K1 + 1) / (count + _K1) for count in range(_MOST + 1)]
        for passage, count in entries.items():
            promise[passage] += gains[count] if count < _MOST else gains[_MOST]
        compounds = _compounds(rows, term, collection, scope, budget - len(entries))
        for passage in compounds:
            promise[passage] += PART_WEIGHT * term.weight
        budget -= len(entries) + len(compounds)
    if common and not scope.is_narrow:
        telling = [term for term in common if term.passages <= _COMPANION_SHARE * collection.passages]
        beside = rare if len(promise) > limit else []
        _ask_in_company(rows, promise, beside, telling[:_COMPANIONS], collection, scope, budget)
        if len(promise) < limit:  # nothing that would fill the list is left out while there is budget
            for passage, count in _entries(rows, common[0], collection, scope, budget).items():
                promise[passage] += common[0].weight * count / (count + _K1)
    return promise


def _ask_in_company(
    rows: Rows, promise: dict[int, float], rare: Sequence[Term], common: Sequence[Term], collection: Collection,
    scope: Scope, budget: int,
) -> None:  # fmt: skip
    """What terms beyond the budget add: to the candidates there are, and passages that hold two of them."""
    holding: dict[str, set[int]] = {term.text: set() for term in common}
    if rare:
        anyone = " OR ".join(_quoted(term, collection) for term in rare)
        for term in common:
            company = f"({anyone}) AND {_quoted(term, collection)}"
            holding[term.text].update(_matches(rows, company, scope, len(promise)))
    for one, other in combinations(common, 2):
        pair = _matches(rows, f"{_quoted(one, collection)} AND {_quoted(other, collection)}", scope, budget)
        holding[one.text].update(pair)
        holding[other.text].update(pair)
        budget -= len(pair)
        if budget <= 0:
            break
    for term in common:
        for passage in holding[term.text]:
            promise[passage] += term.weight


def _entries(rows: Rows, term: Term, collection: Collection, scope: Scope, limit: int) -> Mapping[int, int]:
    """Passages that hold a term, and how often, as far as that is cheap to know."""
    if scope.is_narrow:
        return dict.fromkeys(_matches(rows, _quoted(term, collection), scope, limit), 1)
    (found,) = rows(  # one string of them all: a row for each would take three times as long
        "SELECT group_concat(doc) FROM (SELECT doc FROM index_instances WHERE term = ? LIMIT ?)",
        (collection.language + term.text, limit if scope.is_everything else _SIFTED * limit),
    )
    counts = Counter(map(int, found[0].split(","))) if found[0] else Counter()
    if scope.is_everything:
        return counts
    return {passage: counts[passage] for passage in scope.among(counts)[:limit]}


def _compounds(rows: Rows, term: Term, collection: Collection, scope: Scope, limit: int) -> Sequence[int]:
    """Passages that hold longer words with a term in them; those of a common term would be too many to help."""
    if collection.language not in PARTED or len(term.text) < SHORTEST_PART or term.passages >= COMMON or limit <= 0:
        return []
    begins, within = (f'"{collection.language}{opening}{term.text}" *' for opening in ("", PART))
    return _matches(rows, f"({begins} OR {within}) NOT {_quoted(term, collection)}", scope, limit)


def _matches(rows: Rows, expression: str, scope: Scope, limit: int) -> list[int]:
    """Passages that match an expression of the index's own, in order."""
    matching: list[int] = []
    reach = limit if scope.is_everything or scope.is_narrow else _SIFTED * limit
    for first, last in scope.ranges if scope.is_narrow and scope.ranges else _EVERYTHING:
        found = rows(
            "SELECT rowid FROM passage_index WHERE passage_index MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?",
            (expression, first, last, reach - len(matching)),
        )
        matching += scope.among(row[0] for row in found)
        if len(matching) >= limit:
            break
    return matching[:limit]


def _quoted(term: Term, collection: Collection) -> str:
    return f'"{collection.language}{term.text}"'

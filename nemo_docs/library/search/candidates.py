"""Which passages to score: those that hold the rarest terms of a query, within a fixed budget of index entries.

An OR over all words of a question walks the entries of its stop words, which are as many as there are passages: 3.2 s
at a million of them. The rarest terms find nearly every passage that could win. Leaving terms out by their share would
cost small libraries 0.05 of recall at 1, so nothing is left out as long as the budget lasts: in a small one all terms
are within it. Terms beyond it are asked only in company, which the index answers by leaping from one list to the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from nemo_docs.library.analysis import PART, PARTED, SHORTEST_PART
from nemo_docs.library.indexing import COMMON
from nemo_docs.library.search.scope import Scope
from nemo_docs.library.search.statistics import Collection, Rows, Term

BUDGET = 20_000
"""Index entries that are read of one language."""
PART_WEIGHT = 0.5
"""What a compound counts that holds a term as a part."""
_COMPANIONS = 4
"""Terms beyond the budget that are asked together with others."""
_K1 = 1.2


def candidates(
    rows: Rows,
    terms: Sequence[Term],
    collection: Collection,
    scope: Scope,
    limit: int,
    phrases: Sequence[Sequence[str]] = (),
) -> list[int]:
    """Ids of passages to score, the most promising first.

    Args:
        rows: Reads the library.
        terms: Of the query, rarest first.
        collection: The language.
        scope: Where to look.
        limit: How many will be scored: more than these need more to choose by.
        phrases: Each a run of terms that every passage must hold, one behind the other.
    """
    if phrases:
        expression = " AND ".join(
            '"' + " ".join(collection.language + word for word in phrase) + '"' for phrase in phrases
        )
        return list(_matches(rows, expression, scope, BUDGET))
    promise: dict[int, float] = defaultdict(float)
    budget = BUDGET
    rare: list[Term] = []
    common: list[Term] = []
    for term in terms:
        if budget <= 0 or (scope.ranges is None and (common or term.passages > budget)):
            common.append(term)
            continue
        rare.append(term)
        for passage, count in _entries(rows, term, collection, scope, budget):
            promise[passage] += term.weight * count * (_K1 + 1) / (count + _K1)
            budget -= 1
        for passage in _compounds(rows, term, collection, scope, budget):
            promise[passage] += PART_WEIGHT * term.weight
            budget -= 1
    if scope.ranges is None:
        _ask_in_company(rows, promise, rare, common[:_COMPANIONS], collection, scope, max(budget, 0), limit)
    return sorted(promise, key=lambda passage: (-promise[passage], passage))[:limit]


def _ask_in_company(
    rows: Rows, promise: dict[int, float], rare: Sequence[Term], common: Sequence[Term], collection: Collection,
    scope: Scope, budget: int, limit: int,
) -> None:  # fmt: skip
    """What terms beyond the budget add: to the candidates there are, and passages that hold two of them."""
    held: dict[int, set[Term]] = {}
    if rare and len(promise) > limit:
        anyone = " OR ".join(_quoted(term, collection) for term in rare)
        for term in common:
            for passage in _matches(rows, f"({anyone}) AND {_quoted(term, collection)}", scope, BUDGET):
                held.setdefault(passage, set()).add(term)
    for one, other in combinations(common, 2):
        if len(held) - len(promise) > budget:
            break
        for passage in _matches(
            rows, f"{_quoted(one, collection)} AND {_quoted(other, collection)}", scope, budget // 3
        ):
            held.setdefault(passage, set()).update((one, other))
    for passage, these in held.items():
        promise[passage] += sum(term.weight for term in these)
    if not promise and common:
        for passage, count in _entries(rows, common[0], collection, scope, BUDGET):
            promise[passage] += count


def _entries(rows: Rows, term: Term, collection: Collection, scope: Scope, limit: int) -> Iterable[tuple[int, int]]:
    """Passages that hold a term, and how often, as far as that is cheap to know."""
    if scope.ranges is None or term.passages <= BUDGET:
        most = BUDGET if scope.ranges is None else -1
        found = rows("SELECT doc FROM index_instances WHERE term = ? LIMIT ?", (collection.language + term.text, most))
        counts = Counter([row[0] for row in found])
        return [(passage, count) for passage, count in counts.items() if passage in scope][:limit]
    return [(passage, 1) for passage in _matches(rows, _quoted(term, collection), scope, limit)]


def _compounds(rows: Rows, term: Term, collection: Collection, scope: Scope, limit: int) -> Iterable[int]:
    """Passages that hold longer words with a term in them; those of a common term would be too many to help."""
    if collection.language not in PARTED or len(term.text) < SHORTEST_PART or term.passages >= COMMON or limit <= 0:
        return []
    begins, within = (f'"{collection.language}{opening}{term.text}" *' for opening in ("", PART))
    return _matches(rows, f"({begins} OR {within}) NOT {_quoted(term, collection)}", scope, limit)


def _matches(rows: Rows, expression: str, scope: Scope, limit: int) -> Iterator[int]:
    """Passages that match an expression of the index's own, in order."""
    for first, last in scope.ranges or ((0, (1 << 63) - 1),):
        found = rows(
            "SELECT rowid FROM passage_index WHERE passage_index MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?",
            (expression, first, last, limit),
        )
        limit -= len(found)
        yield from (row[0] for row in found if row[0] in scope)
        if limit <= 0:
            return


def _quoted(term: Term, collection: Collection) -> str:
    return f'"{collection.language}{term.text}"'

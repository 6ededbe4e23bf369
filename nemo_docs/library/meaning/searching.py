"""A question asked by meaning: its vector, those of the library, and the words joined to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from nemo_docs.library.meaning import storing
from nemo_docs.library.meaning.joining import Joined, joined, noticeable
from nemo_docs.library.meaning.storing import Rows

_BM25_OF_A_DEVIATION = 4.0
"""What a right passage stands out by, against the BM25 that it has in the question's own language: 5.2 and 21."""


def in_other_languages(rows: Rows, question: bytes, handles: Iterable[str]) -> dict[int, float]:
    """The passages of some documents that meaning finds in other languages than the question's, scored as by words.

    Within the question's language words do well, and what is done with their scores was weighed for them alone.

    Args:
        rows: Reads one state of the library.
        question: Its vector.
        handles: The documents.
    """
    from nemo_docs.library.meaning.vectors import standings

    scores: dict[int, float] = {}
    for standing in standings(storing.kept(rows, handles, None), question).values():
        if not standing.is_home:
            every = len(standing.passages)
            for passage, deviations in standing.best(every, noticeable(every)).items():
                scores[passage] = _BM25_OF_A_DEVIATION * deviations
    return scores


def found(
    rows: Rows,
    question: bytes,
    words: Mapping[str, Sequence[tuple[int, float]]],
    *,
    handles: Iterable[str] | None = None,
    languages: Iterable[str] | None = None,
    among: Callable[[Iterable[int]], Iterable[int]],
    depth: int,
) -> list[Joined]:
    """The passages that words or meaning find, best first.

    Args:
        rows: Reads one state of the library.
        question: Its vector, see `Embedder.query`.
        words: For each language passages with their BM25; empty to search by meaning alone.
        handles: Look in these documents only; None looks in all.
        languages: Look in these languages only; None looks in all.
        among: Leaves of passages those that may be found.
        depth: Passages of each language that only meaning finds, at most.
    """
    from nemo_docs.library.meaning.vectors import standings  # numpy takes longer to import than a search by words

    standing = standings(storing.kept(rows, handles, languages), question)
    every = joined(words, standing, depth)
    wanted = frozenset(among(each.passage for each in every))
    return [each for each in every if each.passage in wanted]

"""A question asked by meaning: its vector, those of the library, and the words joined to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from nemo_docs.library.meaning import storing
from nemo_docs.library.meaning.joining import Joined, joined
from nemo_docs.library.meaning.storing import Rows


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

"""Words and meaning joined: one order of passages out of both, over all languages.

Within a language a passage counts 100 times its cosine plus four tenths of its BM25. The model was trained with its
cosines divided by 0.01, so a hundredfold cosine is a log-likelihood, and so, more or less, is BM25, which counts words
that go together more than once. Joining the two by rank (RRF, k = 60), as is usual, throws away how sure either is:
measured on XQuAD in six languages, R@1, words 0.890, meaning 0.916, by rank 0.925, this way 0.942 (and 0.947 with the
words of today, 0.913).

Between languages what is compared is how far a passage stands out of its own, in standard deviations (see `vectors`);
of two that stand out alike the one in the question's language is first. In a library of the same paragraphs in six
languages the right one in the question's own is first for 0.955 of the questions, as in a library of it alone, and 3.7
of the five others are among the first ten. Taking the languages' lists in turns brings 4.2 of them, and loses 0.03 of
R@5 in the question's.

A passage that holds no word of the question is found only if it stands out nearly as far as the best of as many random
ones would; else a search for a name that is nowhere would find something.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nemo_docs.library.meaning.vectors import Standing

WORDS, MEANING = "words", "meaning"
"""By what a passage is found."""
_BM25_SHARE = 0.004
"""Four tenths of a BM25, over 100 cosines; from 0.003 to 0.006 R@1 is the same to 0.002."""
_AT_HOME = 1.0
"""Standard deviations that the question's own language is ahead."""
_USUAL_DEVIATION = 0.023
"""Of the cosines of a language in which nothing has a vector yet."""
_SHORT_OF_THE_BEST = 0.75
_LEAST = 2.0
"""Standard deviations."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A passage that was found.

    Attributes:
        passage: Its number in the library.
        score: By how many standard deviations it stands out; comparable within one question.
        found_by: WORDS, MEANING or both.
    """

    passage: int
    score: float
    found_by: tuple[str, ...]


def joined(
    words: Mapping[str, Sequence[tuple[int, float]]], standings: Mapping[str, Standing], depth: int
) -> list[Joined]:
    """What words and meaning found, best first.

    Args:
        words: For each language passages and their BM25, above zero.
        standings: For each language how its passages stand to the question; passages without a vector are in none.
        depth: Passages that only meaning finds, of each language, at most.
    """
    found: list[Joined] = []
    for language in {*words, *standings}:
        found += _of_language(dict(words.get(language, ())), standings.get(language), depth)
    return sorted(found, key=lambda each: (-each.score, each.passage))


def noticeable(passages: int) -> float:
    """From how many standard deviations on a passage is found by meaning, among so many of its language.

    The best of N draws from a normal distribution lies near sqrt(2 ln N).
    """
    return max(_LEAST, math.sqrt(2 * math.log(max(passages, 1))) - _SHORT_OF_THE_BEST)


def _of_language(words: dict[int, float], standing: Standing | None, depth: int) -> list[Joined]:
    meant: dict[int, float] = {}
    about: dict[int, float] = {}
    passages, deviation, ahead = len(words), _USUAL_DEVIATION, 0.0
    if standing is not None:
        passages, deviation = max(len(standing.passages), len(words)), standing.deviation
        ahead = _AT_HOME if standing.is_home else 0.0
        meant = standing.best(depth, noticeable(len(standing.passages)))
        about = standing.of(words)
    by_words = {passage: _BM25_SHARE * score for passage, score in words.items()}
    usual = sum(by_words.values()) / max(passages, 1)
    spread = sum(score**2 for score in by_words.values()) / max(passages, 1) - usual**2
    found = []
    for passage in {*words, *meant}:
        by = (WORDS,) * (passage in words) + (MEANING,) * (passage in meant)
        by_meaning = deviation * meant.get(passage, about.get(passage, 0.0))
        score = (by_meaning + by_words.get(passage, 0.0) - usual) / math.sqrt(deviation**2 + spread)
        found.append(Joined(passage, score + ahead, by))
    return found

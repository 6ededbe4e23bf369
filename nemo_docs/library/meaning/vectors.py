"""Vectors of passages: how they are kept, and how far each stands out for a question.

They are kept in int8 on one grid for all: no number of the model's unit vectors is beyond 0.19, and the rounding moves
no rank worth the name (XQuAD R@1 0.916 before and after). All are looked at, with one product over rows of bytes:
200,000 take 0.13 s, most of it reading them.

Two things keep cosines from being compared as they are, and both are measured (XQuAD, R@1):

- A text's language is a part of its vector. Between languages half of each one's mean is taken away from either side:
  0.767 becomes 0.788 over all thirty pairs, Chinese to English 0.673 becomes 0.760. Within a language nothing is
  (0.916; 0.912 with it). The means are those of news in eleven languages (NTREX-128), so that they are at hand in a
  library of one language, too; the question's language is that of the nearest mean (right for 0.994 of XQuAD's).
- Some languages lie closer than others. So a passage's place is told in standard deviations from the passages of its
  language: that is the same scale in all pairs, for right passages as for wrong ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nemo_docs.library.meaning.model import WIDTH
from nemo_docs.settings import LANGUAGES

_STEP = 0.25 / 127
_MEANS_STEP = 0.125 / 127
_MEAN_SHARE = 0.5
"""How much of the languages' means is taken away between two languages."""
_PRIOR = 5
"""What is known of all libraries counts as much as this many passages."""
_WITHIN, _BETWEEN = (0.76, 0.023), (0.42, 0.047)
"""Mean and deviation of cosines within a language and between two, measured on XQuAD."""
_ROWS_AT_ONCE = 512

Floats = NDArray[np.float32]
"""Numbers of 32 bits."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the passages of one language stand to a question.

    Attributes:
        passages: Their numbers in the library, [N] int64.
        deviations: For each, by how many standard deviations it lies above the mean of its language, [N] float32.
        deviation: The standard deviation of its language, as a cosine.
        is_home: Whether it is the question's language.
    """

    passages: NDArray[np.int64]
    deviations: Floats
    deviation: float
    is_home: bool

    def best(self, limit: int, least: float) -> dict[int, float]:
        """The passages that stand out most, and by how much; at most `limit`, each by at least `least`."""
        places = np.flatnonzero(self.deviations >= least)
        if len(places) > limit:
            places = places[np.argpartition(-self.deviations[places], limit - 1)[:limit]]
        return {int(self.passages[at]): float(self.deviations[at]) for at in places}

    def of(self, wanted: Iterable[int]) -> dict[int, float]:
        """By how much these passages stand out, those that have a vector."""
        places = np.flatnonzero(np.isin(self.passages, np.fromiter(wanted, np.int64)))
        return {int(self.passages[at]): float(self.deviations[at]) for at in places}


def quantised(vectors: Floats) -> NDArray[np.int8]:
    """Unit vectors as they are kept, [N, WIDTH]."""
    kept: NDArray[np.int8] = np.clip(np.rint(vectors / _STEP), -127, 127).astype(np.int8)
    return kept


def restored(kept: bytes) -> Floats:
    """What `quantised` gave, as unit vectors again, [N, WIDTH]."""
    return np.frombuffer(kept, np.int8).reshape(-1, WIDTH).astype(np.float32) * np.float32(_STEP)


def standings(rows: Iterable[tuple[str, bytes, bytes]], query: bytes) -> dict[str, Standing]:
    """How all passages stand to a question, by language.

    Args:
        rows: Language, the passages' numbers (int64) and their vectors as they are kept; any number in each row.
        query: The question's vector, float32, of length 1.
    """
    asked = _Question.of(np.frombuffer(query, "<f4"))
    numbers: dict[str, list[bytes]] = {}
    products: dict[str, list[Floats]] = {}
    for languages, ids, vectors in _batches(rows):
        found = restored(vectors) @ asked.columns
        at = 0
        for language, some in zip(languages, ids, strict=True):
            n = len(some) // 8
            numbers.setdefault(language, []).append(some)
            products.setdefault(language, []).append(found[at : at + n])
            at += n
    return {
        language: _standing(np.frombuffer(b"".join(numbers[language]), "<i8"), np.concatenate(found), language, asked)
        for language, found in products.items()
    }


def language_of(question: Floats) -> str:
    """The language that a question's vector tells of."""
    return LANGUAGES[int(np.argmin(((language_means() - question) ** 2).sum(axis=1)))]


@cache
def language_means() -> Floats:
    """The mean vector of news in each of LANGUAGES, [11, WIDTH]; see tests/benchmarks/language_means.py."""
    kept = np.frombuffer(Path(__file__).with_name("language_means.bin").read_bytes(), np.int8)
    return kept.reshape(len(LANGUAGES), WIDTH).astype(np.float32) * np.float32(_MEANS_STEP)


@dataclass(frozen=True, slots=True)
class _Question:
    """A question's vector, as it is compared.

    Attributes:
        home: Its language.
        columns: What every vector is multiplied with: the question, the question without its language, and the means of
            all languages, [WIDTH, 2 + languages].
    """

    home: str
    columns: Floats

    @classmethod
    def of(cls, vector: Floats) -> _Question:
        home = language_of(vector)
        centred = vector - _MEAN_SHARE * language_means()[LANGUAGES.index(home)]
        centred /= np.linalg.norm(centred)
        return cls(home, np.vstack([vector, centred, language_means()]).T.astype(np.float32))


def _batches(rows: Iterable[tuple[str, bytes, bytes]]) -> Iterable[tuple[list[str], list[bytes], bytes]]:
    """Rows by the hundred, so that products are worth their while and memory stays small."""
    languages: list[str] = []
    ids: list[bytes] = []
    vectors: list[bytes] = []
    for language, some, kept in rows:
        languages.append(language)
        ids.append(some)
        vectors.append(kept)
        if len(vectors) == _ROWS_AT_ONCE:
            yield languages, ids, b"".join(vectors)
            languages, ids, vectors = [], [], []
    if vectors:
        yield languages, ids, b"".join(vectors)


def _standing(numbers: NDArray[np.int64], products: Floats, language: str, asked: _Question) -> Standing:
    """From the products with the question's columns, [N, 2 + languages], to standard deviations."""
    if language == asked.home or language not in LANGUAGES:
        cosines, (usual, spread) = products[:, 0], _WITHIN
    else:
        mean = language_means()[LANGUAGES.index(language)]
        along = products[:, 2 + LANGUAGES.index(language)]
        lengths = np.sqrt(
            1 - 2 * _MEAN_SHARE * along + _MEAN_SHARE**2 * float(mean @ mean)
        )  # of vectors less their mean
        cosines = (products[:, 1] - _MEAN_SHARE * float(mean @ asked.columns[:, 1])) / lengths
        usual, spread = _BETWEEN
    n = len(cosines)
    centre = (float(cosines.sum()) + _PRIOR * usual) / (n + _PRIOR)
    variance = (float(((cosines - centre) ** 2).sum()) + _PRIOR * spread**2) / (n + _PRIOR)
    deviation = float(np.sqrt(variance))
    return Standing(numbers, (cosines - centre) / np.float32(deviation), deviation, language == asked.home)

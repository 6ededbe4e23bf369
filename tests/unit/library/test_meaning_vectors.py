from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.library.meaning.model import WIDTH
from nemo_docs.library.meaning.vectors import Floats, language_means, language_of, quantised, restored, standings
from nemo_docs.settings import LANGUAGES

seeds = st.integers(0, 2**32 - 1)


def texts_of(language: str, count: int, seed: int) -> Floats:
    """Unit vectors about a language's mean, as the model's are."""
    mean = language_means()[LANGUAGES.index(language)]
    found = mean + np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32) * np.float32(0.025)
    lengths: Floats = np.linalg.norm(found, axis=1, keepdims=True)
    return found / lengths


def row(language: str, vectors: Floats, first: int = 1) -> tuple[str, bytes, bytes]:
    return language, np.arange(first, first + len(vectors), dtype="<i8").tobytes(), quantised(vectors).tobytes()


def question(vector: Floats) -> bytes:
    return vector.astype("<f4").tobytes()


@given(seeds, st.integers(1, 40))
def test_a_vector_comes_back_to_within_half_a_step(seed: int, count: int) -> None:
    vectors = texts_of("en", count, seed)
    assert np.abs(restored(quantised(vectors).tobytes()) - vectors).max() <= 0.25 / 127 / 2 + 1e-6


@given(seeds, st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_how_passages_are_spread_over_rows_does_not_matter(seed: int, cuts: list[int]) -> None:
    vectors = texts_of("de", sum(cuts), seed)
    asked = question(texts_of("de", 1, seed + 1)[0])
    (whole,) = standings([row("de", vectors)], asked).values()
    ends = np.cumsum([0, *cuts])
    rows = [row("de", vectors[first:last], first + 1) for first, last in pairwise(map(int, ends))]
    (parted,) = standings(rows, asked).values()
    assert np.array_equal(whole.passages, parted.passages)
    assert np.allclose(whole.deviations, parted.deviations, atol=1e-4)


@given(seeds)
def test_within_a_language_passages_stand_in_the_order_of_their_cosines(seed: int) -> None:
    vectors, asked = texts_of("fr", 50, seed), texts_of("fr", 1, seed + 1)[0]
    (found,) = standings([row("fr", vectors)], question(asked)).values()
    cosines = restored(quantised(vectors).tobytes()) @ asked
    assert np.allclose(np.diff(found.deviations), np.diff(cosines) / found.deviation, atol=1e-3)


@given(seeds)
def test_between_languages_half_of_either_mean_is_taken_away(seed: int) -> None:
    vectors, asked = texts_of("zh", 30, seed), texts_of("en", 1, seed + 1)[0]
    (found,) = standings([row("zh", vectors)], question(asked)).values()
    means = dict(zip(LANGUAGES, language_means(), strict=True))
    passages = restored(quantised(vectors).tobytes()) - 0.5 * means["zh"]
    wanted = asked - 0.5 * means["en"]
    cosines = passages @ wanted / np.linalg.norm(passages, axis=1) / np.linalg.norm(wanted)
    rounding = 1e-2  # what is kept is not quite of length 1
    assert np.allclose(np.diff(found.deviations) * found.deviation, np.diff(cosines), atol=rounding)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_is_in_the_language_whose_mean_is_nearest(language: str) -> None:
    assert language_of(texts_of(language, 1, 3)[0]) == language


def test_a_passage_that_says_the_same_stands_out_of_its_language_however_few_there_are() -> None:
    asked = texts_of("en", 1, 1)[0]
    for count in (0, 1, 20, 200):
        rows = [row("en", asked[None], 1_000), *([row("en", texts_of("en", count, 2))] if count else [])]
        (found,) = standings(rows, question(asked)).values()
        assert max(found.best(5, 2.0), key=lambda passage: found.of([passage])[passage]) == 1_000
        assert found.of([1_000, 5_000]).keys() == {1_000}


def test_no_more_than_wanted_are_the_best() -> None:
    vectors, asked = texts_of("en", 100, 5), texts_of("en", 1, 6)[0]
    (found,) = standings([row("en", vectors)], question(asked)).values()
    best = found.best(7, -99.0)
    assert len(best) == 7
    assert min(best.values()) >= sorted(found.deviations, reverse=True)[6]
    assert found.best(7, 99.0) == {}

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.library.meaning.joining import MEANING, WORDS, joined, noticeable
from nemo_docs.library.meaning.vectors import Standing

scores = st.dictionaries(st.integers(1, 60), st.integers(1, 400).map(lambda tenths: tenths / 10), max_size=20)
"""BM25s that are equal or tell two passages apart: the last bit of a float is lost where scores are added."""


def standing(deviations: list[float], *, is_home: bool = False) -> Standing:
    numbers = np.arange(1, len(deviations) + 1, dtype=np.int64)
    return Standing(numbers, np.array(deviations, np.float32), 0.023, is_home)


@given(scores)
def test_without_vectors_words_keep_their_order(words: dict[int, float]) -> None:
    found = joined({"en": list(words.items())}, {}, 10)
    assert [each.passage for each in found] == [
        passage for passage, _ in sorted(words.items(), key=lambda w: (-w[1], w[0]))
    ]
    assert all(each.found_by == (WORDS,) for each in found)


@given(st.lists(st.floats(-3, 6), min_size=1, max_size=60))
def test_without_words_what_stands_out_keeps_its_order(deviations: list[float]) -> None:
    found = joined({}, {"en": standing(deviations)}, 100)
    assert all(each.found_by == (MEANING,) for each in found)
    kept = [float(np.float32(each)) for each in deviations if np.float32(each) >= noticeable(len(deviations))]
    assert [each.score for each in found] == pytest.approx(sorted(kept, reverse=True))


@given(scores, st.lists(st.floats(-3, 6), min_size=60, max_size=60), st.data())
def test_more_of_either_never_lowers_a_passage(
    words: dict[int, float], deviations: list[float], data: st.DataObject
) -> None:
    """Ranks, not scores: a language is measured by all its passages."""

    def rank(words: dict[int, float], deviations: list[float]) -> int:
        found = joined({"en": list(words.items())}, {"en": standing(deviations)}, 100)
        return [each.passage for each in found].index(passage)

    passage = data.draw(st.integers(1, 60))
    words = {**words, passage: 5.0}
    before = rank(words, deviations)
    assert rank({**words, passage: 9.0}, deviations) <= before
    raised = [*deviations]
    raised[passage - 1] += 1.0
    assert rank(words, raised) <= before


def test_words_and_meaning_together_beat_either() -> None:
    deviations = [0.0] * 50
    deviations[0] = deviations[1] = 4.0
    words = [(1, 10.0), (3, 10.0)]
    first, *rest = joined({"en": words}, {"en": standing(deviations)}, 10)
    assert (first.passage, first.found_by) == (1, (WORDS, MEANING))
    assert {each.passage: each.found_by for each in rest} == {2: (MEANING,), 3: (WORDS,)}


def test_languages_are_compared_by_how_far_passages_stand_out_of_their_own() -> None:
    english = standing([5.0, 3.5, *[0.0] * 40])
    chinese = Standing(np.array([101, 102]), np.array([4.2, 0.0], np.float32), 0.05, False)
    found = joined({}, {"en": english, "zh": chinese}, 10)
    assert [each.passage for each in found] == [1, 101, 2]
    at_home = standing([5.0, 3.5, *[0.0] * 40], is_home=True)
    assert [each.passage for each in joined({}, {"en": at_home, "zh": chinese}, 10)] == [1, 2, 101]


def test_words_without_a_vector_count_all_the_same() -> None:
    """The page was added a moment ago, and is not indexed by meaning yet."""
    found = joined({"en": [(900, 12.0)], "de": [(950, 3.0)]}, {"en": standing([0.0] * 30)}, 10)
    assert [each.passage for each in found] == [900, 950]


@given(st.integers(0, 10**7))
def test_among_more_passages_one_has_to_stand_out_further(passages: int) -> None:
    assert 2.0 <= noticeable(passages) <= noticeable(passages * 2)
    assert joined({}, {"en": standing([1.0] * 5)}, 10) == []

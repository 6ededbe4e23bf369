"""The walk through earlier questions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.tui.history import QuestionHistory


@given(st.lists(st.text(min_size=1)), st.text(), st.integers(0, 20))
def test_walking_back_and_forth_returns_to_the_draft(questions: list[str], draft: str, steps: int) -> None:
    history = QuestionHistory()
    for question in questions:
        history.add(question)
    shown = draft
    taken = 0
    for _ in range(steps):
        if (earlier := history.earlier(shown)) is None:
            break
        shown, taken = earlier, taken + 1
    for _ in range(taken):
        later = history.later()
        assert later is not None
        shown = later
    assert shown == draft
    assert history.later() is None

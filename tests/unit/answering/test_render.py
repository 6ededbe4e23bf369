"""The plan as a terminal shows it."""

from __future__ import annotations

import pytest

from nemo_docs.answering.events import Plan, WindowNote
from nemo_docs.answering.render import plan_line

BEGIN = "m: 1 document, 90 tokens; reading"


@pytest.mark.parametrize(
    ("windows", "cached", "seconds", "line"),
    [
        (1, 0, None, f"{BEGIN} 30 in 1 window, speed not measured yet."),
        (3, 0, None, f"{BEGIN} 90 in 3 windows, speed not measured yet: as many as 5 s allow."),
        (3, 0, 4.0, f"{BEGIN} 90 in 3 windows, about 4 s."),
        (3, 60, 62.0, f"{BEGIN} 90 (60 of them cached) in 3 windows, about 1 min 2 s, of which 5 s are allowed."),
        (1, 0, 62.0, f"{BEGIN} 30 in 1 window, about 1 min 2 s."),
    ],
)
def test_the_plan_says_how_long_it_takes_as_far_as_that_is_known(
    windows: int, cached: int, seconds: float | None, line: str
) -> None:
    notes = tuple(WindowNote("a", number, number, 30) for number in range(1, windows + 1))
    plan = Plan(
        question="Why?",
        documents=1,
        pages=3,
        tokens=90,
        windows=notes,
        window_tokens=30,
        tokens_cached=cached,
        budget_s=5.0,
        seconds=seconds,
        model="m",
    )
    assert plan_line(plan) == line

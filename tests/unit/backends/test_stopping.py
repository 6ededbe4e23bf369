"""Free text ends before a stop string, however it is cut into pieces."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.backends.base import Piece
from nemo_docs.backends.stopping import StopStrings
from nemo_docs.engine.protocol import StepEnded

STOPS = ("\nQ:", "\n\n>")


def passed(pieces: list[str]) -> str:
    stop = StopStrings(STOPS)
    events = [*(Piece(0, piece) for piece in pieces), StepEnded(0, "stop")]
    return "".join(kept.text for event in events for kept in stop.follow(event) if isinstance(kept, Piece))


@given(text=st.text(alphabet="a\nQ:>", max_size=30), cuts=st.lists(st.integers(0, 30)))
def test_text_is_cut_at_the_first_stop_string(text: str, cuts: list[int]) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(bounds)]
    found = [text.find(stop) for stop in STOPS if stop in text]
    assert passed(pieces) == text[: min(found, default=len(text))]


def test_what_may_begin_a_stop_string_is_not_shown_before_it_is_decided() -> None:
    stop = StopStrings(STOPS)
    assert list(stop.follow(Piece(0, "Yes.\n"))) == [Piece(0, "Yes.")]
    assert list(stop.follow(Piece(0, "Q"))) == []
    assert not stop.is_met
    assert list(stop.follow(Piece(0, ": more"))) == []
    assert stop.is_met

"""Fewer events, the same picture."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.answering.events import AnswerEvent, Progress, QuoteText, Text, Warn
from nemo_docs.tui.coalesce import coalesced

EVENTS = st.one_of(
    st.builds(Text, st.text()),
    st.builds(QuoteText, st.integers(1, 3), st.text()),
    st.builds(Progress, st.just("reading"), tokens=st.integers(0, 9)),
    st.builds(Warn, st.text()),
)


def picture(events: Sequence[AnswerEvent]) -> object:
    """What is on the screen once all are shown."""
    quotes: dict[int, str] = {}
    for event in events:
        if isinstance(event, QuoteText):
            quotes[event.marker] = quotes.get(event.marker, "") + event.text
    text = "".join(event.text for event in events if isinstance(event, Text))
    progress = [event for event in events if isinstance(event, Progress)][-1:]
    return text, quotes, progress, [event for event in events if isinstance(event, Warn)]


@given(st.lists(EVENTS))
def test_joined_events_draw_the_same_picture(events: list[AnswerEvent]) -> None:
    assert picture(coalesced(events)) == picture(events)


@given(st.lists(EVENTS))
def test_no_neighbours_can_be_joined_further(events: list[AnswerEvent]) -> None:
    joined = coalesced(events)
    assert coalesced(joined) == joined


def test_a_thousand_pieces_are_one() -> None:
    assert coalesced([Text("a")] * 1000) == [Text("a" * 1000)]

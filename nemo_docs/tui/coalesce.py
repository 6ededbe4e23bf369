"""Fewer events for the same picture: a fast model tells more in a second than a screen should draw."""

from __future__ import annotations

from collections.abc import Iterable

from nemo_docs.answering.events import AnswerEvent, Progress, QuoteText, Text


def coalesced(events: Iterable[AnswerEvent]) -> list[AnswerEvent]:
    """The events with neighbours joined: stretches of text into one, of progress only the newest."""
    joined: list[AnswerEvent] = []
    for event in events:
        match joined[-1:], event:
            case [Text(text=before)], Text(text=after):
                joined[-1] = Text(before + after)
            case [QuoteText(marker=marker, text=before)], QuoteText(text=after) if marker == event.marker:
                joined[-1] = QuoteText(marker, before + after)
            case [Progress()], Progress():
                joined[-1] = event
            case _:
                joined.append(event)
    return joined

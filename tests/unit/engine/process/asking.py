"""What tests of the engine's process ask of it, and how they wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nemo_docs.engine.process.link import Link
from nemo_docs.engine.protocol import EngineEvent, Free, Request, Token

NewLink = Callable[[], Link]
SHORT = Request((tuple(range(1000, 1300)), (5, 6)), (Free(12, stops=()),))
ENDLESS = Request((tuple(range(2000, 2300)), (7,)), (Free(30_000, stops=()),))
"""Longer than anybody here waits."""


def never() -> bool:
    return False


def tokens(events: list[EngineEvent]) -> list[int]:
    return [event.id for event in events if isinstance(event, Token)]


def until(condition: Callable[[], bool]) -> None:
    """Wait for another process, for a minute at most."""
    for _ in range(6_000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")

"""Ctrl-C as a wish: the first one asks to stop, keeps what was done, and the second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

_Event = TypeVar("_Event")


def stoppable(events: Iterator[_Event], wish: threading.Event, *, once: Callable[[_Event], bool]) -> Iterator[_Event]:
    """Pass events on, so that Ctrl-C stops at once while nobody looks at the wish, and is a wish from then on.

    Args:
        events: Where they come from.
        wish: What that place looks at.
        once: Says of which event on it does.

    Raises:
        KeyboardInterrupt: If Ctrl-C was pressed; in the second case when the events have come to their end.
    """
    for event in events:
        yield event
        if once(event):
            break
    with interruptible(wish):
        yield from events
    if wish.is_set():
        raise KeyboardInterrupt


@contextmanager
def interruptible(wish: threading.Event | None = None) -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C while the block runs.

    Args:
        wish: The event, where it must be known before the block; else a new one.
    """
    wish = wish or threading.Event()

    def first(_signal: int, _frame: FrameType | None) -> None:
        if wish.is_set():
            raise KeyboardInterrupt
        wish.set()

    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = signal.signal(signal.SIGINT, first)
    try:
        yield wish
    finally:
        signal.signal(signal.SIGINT, before)

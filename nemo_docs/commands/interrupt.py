"""Ctrl-C as a wish: the first one asks to stop, keeps what was done, and the second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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

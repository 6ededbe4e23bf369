"""When the app is at rest: every message is handled, with all that follows from it, and the screen is drawn.

Textual's pilot takes the app for idle when the process uses little of the processor for 20 ms. On a loaded machine that
is so in the middle of a key press, and beside a thread that computes it is never so: then each key takes a second. Here
the queues of messages say it, at once and whatever else the machine does. What comes from threads, timers and other
processes is not waited for: a test waits for the very thing.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from typing import Any

import textual.app
import textual.pilot
from textual._context import active_app
from textual.app import App
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.screen import Screen

from nemo_docs.tui.jobs.job import Job

LIMIT_S = 5.0
"""Who waits for something else in the middle of a message is not waited for, as Textual does."""
_ROUNDS = 5
"""Of the event loop: what the driver sends takes three to become a message."""
JITTER = os.environ.get("NEMO_DOCS_TEST_JITTER", "")
"""A number: have messages and threads come late by chance, and let nothing come to rest by itself. It finds races."""
_LATE_S = 0.03


async def at_rest(app: App[Any]) -> None:
    """Let the app come to rest."""
    end, calm = time.monotonic() + LIMIT_S, 0
    while calm < _ROUNDS and app.is_running and time.monotonic() < end:
        await asyncio.sleep(0)
        calm = 0 if any(_is_busy(each) for each in (app, *app._registry)) else calm + 1
        if calm and _is_to_be_drawn(screen := app.screen):
            screen._on_timer_update()  # what is due with the next picture, without waiting for its turn
            calm = 0


def _is_to_be_drawn(screen: Screen[Any]) -> bool:
    waiting = screen._layout_required, screen._scroll_required, screen._repaint_required, screen._recompose_required
    return any(waiting) or bool(screen._dirty_widgets or screen._callbacks)


def _is_busy(pump: MessagePump) -> bool:
    if not pump._running or pump._closing or pump._closed:
        return False
    queue = pump._message_queue
    return not queue.empty() or not queue.ready_event._waiters  # it waits for a message, or else handles one


async def _wait_for_idle(min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
    await at_rest(active_app.get())


async def _wait_for_screen(self: Pilot[Any], timeout: float = 0.0) -> bool:
    await at_rest(self.app)
    return True


def install() -> None:
    """Have the pilot wait for rest after each key, click and pause."""
    textual.app.wait_for_idle = textual.pilot.wait_for_idle = _wait_for_idle  # type: ignore[attr-defined]
    Pilot._wait_for_screen = _wait_for_screen  # type: ignore[method-assign]
    if JITTER:
        _make_late(random.Random(JITTER))


def _make_late(chance: random.Random) -> None:
    dispatch, post = MessagePump._dispatch_message, Job._post

    async def dispatch_late(self: MessagePump, message: Any) -> None:
        if chance.random() < 0.05:
            await asyncio.sleep(chance.random() * _LATE_S)
        await dispatch(self, message)

    def post_late(self: Job[Any], message: Any) -> None:
        assert threading.current_thread() is not threading.main_thread()
        time.sleep(chance.random() * _LATE_S * 3)
        post(self, message)

    MessagePump._dispatch_message = dispatch_late  # type: ignore[method-assign]
    Job._post = post_late  # type: ignore[method-assign]

"""What the tests of the app share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.css.query import NoMatches
from textual.errors import NoWidget
from textual.message import Message
from textual.pilot import Pilot
from textual.widget import Widget

from nemo_docs.library import ingest
from nemo_docs.library.store import Library
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from tests.tui.rest import JITTER, at_rest

LIMIT_S = 60.0
_LOOK_S = 0.005


async def until(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Let the app run until a condition holds, and all that follows from it on the event loop is done.

    Raises:
        AssertionError: It did not within a generous limit.
    """
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "this never came true"
        await asyncio.sleep(_LOOK_S)
    if not JITTER:
        await at_rest(pilot.app)


def is_at_hand(pilot: Pilot[Any], target: str | type[Widget] | Widget) -> bool:
    """Whether a click at a widget's centre would land on it: it is laid out, shown and not covered."""
    try:
        widget = target if isinstance(target, Widget) else pilot.app.screen.query(target).first()
        x, y = widget.region.center
        under, _ = pilot.app.screen.get_widget_at(int(x), int(y))
    except (NoMatches, NoWidget):
        return False
    return widget.region.area > 0 and widget in under.ancestors_with_self


async def click(pilot: Pilot[Any], target: str | type[Widget] | Widget, offset: tuple[int, int] = (0, 0)) -> None:
    """Click a widget as soon as it is there to be clicked: what a test waited for is seldom its layout too."""
    await until(pilot, lambda: is_at_hand(pilot, target))
    await pilot.click(target, offset=offset)


def app_on(model: Path, **options: object) -> NemoDocsApp:
    """The app with a model; its library is the home's."""
    return NemoDocsApp(load(options={"model": str(model), "answer_tokens": 16, "in_process": True, **options}))


def add_document(home: Path, name: str, text: str) -> Path:
    """A text document in the home's library; the app need not run."""
    file = home.parent / name
    file.write_text(text, encoding="utf-8")
    with Library(home / "library.db") as library:
        for _ in ingest.add(library, [str(file)], workers=1):
            pass
    return file


class Messages:
    """A message hook that keeps what was posted, of the types that are asked for."""

    def __init__(self, *types: type[Message]) -> None:
        self._types = types
        self.kept: list[Any] = []

    def __call__(self, message: Message) -> None:
        if isinstance(message, self._types) and message not in self.kept:
            self.kept.append(message)

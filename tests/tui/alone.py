"""One pane on a screen of its own, with the real desk behind it; what it posts is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from textual.app import ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget

from nemo_docs.settings import load
from nemo_docs.tui import app as app_module
from nemo_docs.tui import messages
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.desk import Desk

Pane = TypeVar("Pane", bound=Widget)
_KEPT = tuple(each for each in vars(messages).values() if getattr(each, "__module__", "") == messages.__name__)


class _Alone(Screen[None]):
    def __init__(self, pane: Widget) -> None:
        super().__init__()
        self._pane = pane

    def compose(self) -> ComposeResult:
        yield self._pane


class _App(NemoDocsApp):
    CSS_PATH = Path(app_module.__file__).parent / "theme.tcss"  # Textual looks beside the class

    def __init__(self, make: Callable[[Desk], Widget]) -> None:
        super().__init__(load())
        self.pane = make(self.desk)

    def get_default_screen(self) -> Screen[None]:  # type: ignore[override]
        return _Alone(self.pane)


@asynccontextmanager
async def alone(
    make: Callable[[Desk], Pane], size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Pilot[Any], Pane, list[Message]]]:
    """Show a pane; hands out the pilot, the pane, and the list of what it has posted to other panes."""
    posted: list[Message] = []

    def keep(message: Message) -> None:
        if isinstance(message, _KEPT) and message not in posted:
            posted.append(message)

    app = _App(make)
    async with app.run_test(size=size, message_hook=keep) as pilot:
        yield pilot, app.pane, posted  # type: ignore[misc]

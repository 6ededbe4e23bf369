"""The palette: every action that can be done now, found by a part of its name. It comes from the table alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from nemo_docs.actions import Action, Pane
from nemo_docs.keys import shown_keys
from nemo_docs.tui.habits import Habits


@runtime_checkable
class Offering(Protocol):
    """A screen that knows what can be done on it now."""

    def offers(self) -> Iterator[tuple[Action, Callable[[], object]]]:
        """Each action that applies, with what carries it out."""


class ActionProvider(Provider):
    """The actions of the screen on which the palette was opened, each with its keys."""

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for action, text, carry_out in self._offers():
            yield DiscoveryHit(Content(text), carry_out, text=text, help=action.help)

    async def search(self, query: str) -> Hits:
        """Those whose names fit."""
        matcher = self.matcher(query)
        for action, text, carry_out in self._offers():
            score = max(matcher.match(text), matcher.match(action.help) / 2)
            if score > 0:
                yield Hit(score, matcher.highlight(text), carry_out, text=text, help=action.help)

    def _offers(self) -> Iterator[tuple[Action, str, Callable[[], None]]]:
        if isinstance(self.screen, Offering):
            remapped = self.app.remapped if isinstance(self.app, Habits) else {}
            for action, carry_out in self.screen.offers():
                if action.pane is Pane.DIALOG:
                    continue  # no dialog is there, or there would be no palette
                yield action, f"{action.label}  ({shown_keys(action, remapped)})", _void(carry_out)


def _void(function: Callable[[], object]) -> Callable[[], None]:
    def call() -> None:
        function()

    return call

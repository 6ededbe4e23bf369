"""A screen in place of the main one, for what needs all its room: its own keys, and those that work everywhere.

It is typed by its answer; what it has to tell meanwhile goes to the main screen, through a function that it is given,
because the messages of one screen never reach another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar, TypeVar

from textual.binding import BindingType
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen

from nemo_docs.actions import Action, Pane, actions_of
from nemo_docs.tui.messages import PathsDropped
from nemo_docs.tui.screens.dialog import dialog_bindings

Answer = TypeVar("Answer")
Tell = Callable[[Message], object]


class WholeScreen(Screen[Answer]):
    """A screen of one pane.

    Args:
        pane: Whose keys it has.
        tell: Takes a message to the main screen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*dialog_bindings("close")]
    DEFAULT_CSS = """
    WholeScreen {
        layout: vertical;
        background: $background;
        & .head { height: 1; padding: 0 1; background: $panel; }
        & .title { width: 1fr; height: 1; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
        & .head Control { margin-left: 2; }
    }
    """

    def __init__(self, pane: Pane, tell: Tell) -> None:
        super().__init__(id=pane.value)
        self._pane = pane
        self.tell = tell

    def offers(self) -> Iterator[tuple[Action, Callable[[], object]]]:
        """Each action of the table that can be done here, with what carries it out."""
        owners: tuple[tuple[Pane, DOMNode], ...] = ((self._pane, self), (Pane.APP, self.app))
        for pane, owner in owners:
            for action in actions_of(pane):
                applies = hasattr(owner, f"action_{action.id}") and owner.check_action(action.id, ())
                if applies and action.id != "palette":
                    yield action, partial(self.call_later, self.app.run_action, action.id, owner)

    def on_paths_dropped(self, message: PathsDropped) -> None:
        """Files were chosen here."""
        message.stop()
        self.tell(PathsDropped(message.paths, message.collections, message.excludes))

    def action_close(self) -> None:
        """Back to the main screen."""
        self.dismiss(None)

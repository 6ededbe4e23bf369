"""The app: wiring only. What there is to do stands in `nemo_docs.actions`, what is seen in `screens` and `widgets`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen

from nemo_docs.actions import Pane
from nemo_docs.settings import Configuration
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import cancel_all
from nemo_docs.tui.screens.main import MainScreen


class NemoDocsApp(App[None]):
    """The terminal app.

    Args:
        configuration: The settings and where they came from.
    """

    TITLE = "nemo-docs"
    CSS_PATH = "theme.tcss"
    ENABLE_COMMAND_PALETTE = False
    """No key of Textual's own: the palette's stands in the table."""
    CLOSE_TIMEOUT = 1.0
    BINDINGS: ClassVar[list[BindingType]] = [
        binding for binding in bindings_of(Pane.APP, priority=True) if binding.action == "quit"
    ]

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.desk = Desk(configuration)
        self.main = MainScreen(self.desk)
        self.use_command_palette = True

    def get_default_screen(self) -> MainScreen:
        """The screen that everything begins with."""
        return self.main

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the palette offers: the table of actions, as far as they apply now."""
        for action, carry_out in self.main.offers():
            yield SystemCommand(action.label, action.help, carry_out)

    def on_mount(self) -> None:
        """Let threads give way sooner than after Python's 5 ms.

        With one thread of pure Python beside it, 95 of 100 keys were drawn within 9.5 ms in place of 25, all within 16
        in place of 50.
        """
        sys.setswitchinterval(0.001)

    def on_unmount(self) -> None:
        """Leave without waiting for anything."""
        cancel_all()

    def on_paste(self, event: events.Paste) -> None:
        """Take what was pasted where nothing wanted it, as when the terminal has lost the focus to the file manager."""
        self.main.take_paste(event.text)

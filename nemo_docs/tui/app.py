"""The app: wiring only. What there is to do stands in `nemo_docs.actions`, what is seen in `screens` and `widgets`."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from nemo_docs.settings import Configuration
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.habits import Habits
from nemo_docs.tui.screens.main import MainScreen


class NemoDocsApp(Habits):
    """The terminal app.

    Args:
        configuration: The settings and where they came from.
    """

    TITLE = "nemo-docs"
    CSS_PATH = "theme.tcss"
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(Desk(configuration))

    def get_default_screen(self) -> MainScreen:
        """The screen that everything begins with."""
        return MainScreen(self.desk)

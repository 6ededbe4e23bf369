"""The main screen: library, conversation, source; what goes from one of them to another."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer

from nemo_docs.tui.desk import Desk
from nemo_docs.tui.widgets.conversation import Conversation
from nemo_docs.tui.widgets.fit_meter import FitMeter
from nemo_docs.tui.widgets.job_list import JobList
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.prompt import Prompt
from nemo_docs.tui.widgets.source_pane import SourcePane


class MainScreen(Screen[None]):
    """Where people work."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk

    def compose(self) -> ComposeResult:
        """Three panes, the prompt below the middle one."""
        with Horizontal():
            with Vertical(id="left"):
                yield LibraryPane(self.desk)
                yield JobList(self.desk)
            with Vertical(id="middle"):
                yield Conversation(self.desk)
                yield FitMeter(self.desk)
                yield Prompt()
            yield SourcePane(self.desk)
        yield Footer()

"""Questions and answers."""

from __future__ import annotations

from textual.widget import Widget

from nemo_docs.tui.desk import Desk


class Conversation(Widget):
    """The conversation."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="conversation")
        self.desk = desk

"""What is being added or read, with time left."""

from __future__ import annotations

from textual.widget import Widget

from nemo_docs.tui.desk import Desk


class JobList(Widget):
    """The work beside the conversation."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="jobs")
        self.desk = desk

"""The cited page with its quotes lit."""

from __future__ import annotations

from textual.widget import Widget

from nemo_docs.tui.desk import Desk


class SourcePane(Widget):
    """A document, page by page."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="source")
        self.desk = desk

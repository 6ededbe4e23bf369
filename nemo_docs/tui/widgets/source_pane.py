"""The cited page with its quotes lit."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widget import Widget

from nemo_docs.answering.events import Citation
from nemo_docs.tui.desk import Desk


class SourcePane(Widget):
    """A document, page by page."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="source")
        self.desk = desk

    def open_document(self, handle: str, page: int) -> None:
        """Show a page."""

    def show_citation(self, citation: Citation, siblings: Sequence[Citation]) -> None:
        """Light a quote."""

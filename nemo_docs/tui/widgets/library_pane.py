"""The library: what there is, and what a question is about."""

from __future__ import annotations

from textual.widget import Widget

from nemo_docs.tui.desk import Desk


class LibraryPane(Widget):
    """The documents."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="library")
        self.desk = desk

    @property
    def selected(self) -> tuple[str, ...]:
        """Handles of the documents asked about; empty for the whole library."""
        return ()

    def reload(self) -> None:
        """Show what there is now."""

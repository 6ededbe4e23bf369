"""Whether what is selected fits, before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widget import Widget

from nemo_docs.tui.desk import Desk


class FitMeter(Widget):
    """One line above the prompt."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="fit")
        self.desk = desk

    def show_fit(self, handles: Sequence[str]) -> None:
        """Say whether the documents fit."""

"""The footer: the keys that work now, each whole or not at all.

Textual's own goes on behind the right edge, where a key without its name tells nothing; what finds no room here stands
in the help.
"""

from __future__ import annotations

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

PADDING = 3
"""Cells around a key and its name."""


class KeyLine(Footer):
    """One line of keys, those of the focused pane first."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)

    def compose(self) -> ComposeResult:
        """As many as there is room for."""
        room = self.app.size.width
        for key in super().compose():
            if isinstance(key, FooterKey):
                room -= cell_len(key.key_display) + cell_len(key.description) + PADDING
            if room < 0:
                return
            yield key

    def on_resize(self) -> None:
        """There may be room for more, or for less."""
        self.call_after_refresh(self.recompose)

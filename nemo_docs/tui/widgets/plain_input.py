"""A line of input that never holds what a terminal would act upon, wherever it came from."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from nemo_docs.plain import printable

LONGEST_PASTE = 4_096
"""In characters. Nobody reads more in one line."""


class PlainInput(Input):
    """An input for hostile text: Textual's own draws control characters as they are."""

    def validate_value(self, value: str) -> str:
        """Show them as escapes."""
        return printable(value)

    def on_paste(self, event: events.Paste) -> None:
        """Take the first line of a paste, up to a bound: a million lines would hold up the interface."""
        event.stop()
        event.prevent_default()
        first, *_ = event.text[:LONGEST_PASTE].strip().splitlines() or [""]
        if self.selection.is_empty:
            self.insert_text_at_cursor(first)
        else:
            self.replace(first, *self.selection)

"""Where questions are written and files are dropped."""

from __future__ import annotations

from textual.widgets import TextArea


class Prompt(TextArea):
    """The prompt."""

    def __init__(self) -> None:
        super().__init__(id="prompt")

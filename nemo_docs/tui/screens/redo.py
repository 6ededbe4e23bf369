"""With what some pages are to be read again."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, OptionList
from textual.widgets.option_list import Option

from nemo_docs.tui.screens.dialog import Dialog

AUTOMATIC = "auto"
"""The reader chooses."""
WAYS = (
    (AUTOMATIC, "the way that a new document is read; the better text is kept"),
    ("pypdf", "the text layer of a PDF, by pypdf"),
    ("pdfium", "the text layer of a PDF, by PDFium: for garbled words and for Arabic or Hindi"),
    ("ocr", "the picture of the page, by Tesseract: for scans"),
)
"""Names of extractors, and what each is for."""


class RedoScreen(Dialog[str]):
    """Dismisses with the name of an extractor; with None if it was closed.

    Args:
        title: What is to be done; hostile text is allowed, made printable before.
    """

    DEFAULT_CSS = """
    RedoScreen #box { width: 90; }
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        """The ways, with what each is for."""
        with Vertical(id="box") as box:
            box.border_title = Content(self._title)
            yield OptionList(*(Option(Content(f"{name:<10}{what}"), id=name) for name, what in WAYS))
            with Horizontal(classes="buttons"):
                yield Button("Read again", variant="primary", id="redo", compact=True)
                yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        """The ways have the keys."""
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """That is the one."""
        self.dismiss(event.option.id)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """By mouse, or with a button focused."""
        here = self.query_one(OptionList).highlighted or 0
        self.dismiss(WAYS[here][0] if event.button.id == "redo" else None)

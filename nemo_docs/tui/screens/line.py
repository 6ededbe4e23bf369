"""A question that is answered with one line of text."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from nemo_docs.plain import printable
from nemo_docs.tui.screens.dialog import Dialog
from nemo_docs.tui.widgets.plain_input import PlainInput


class LineScreen(Dialog[str | None]):
    """Asks, and dismisses with what was typed; with None if it was closed.

    Args:
        question: One sentence; hostile text is allowed.
        value: What stands in the field at first.
        detail: What to know before answering.
        is_password: Whether what is typed is hidden.
    """

    DEFAULT_CSS = """
    LineScreen #box {
        #question { text-style: bold; }
        #answer { margin-top: 1; }
    }
    """

    def __init__(self, question: str, *, value: str = "", detail: str = "", is_password: bool = False) -> None:
        super().__init__()
        self._question, self._value, self._detail, self._is_password = question, value, detail, is_password

    def compose(self) -> ComposeResult:
        """The question, what to know, the field; buttons for the mouse."""
        with Vertical(id="box"):
            yield Static(Content(printable(self._question)), id="question")
            if self._detail:
                yield Static(Content(printable(self._detail, lines=True)), classes="muted")
            field = Input if self._is_password else PlainInput  # a password is taken as it is, and not shown
            yield field(self._value, password=self._is_password, id="answer")
            with Horizontal(classes="buttons"):
                yield Button("OK", variant="primary", id="ok", compact=True)
                yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        """The field has the keys."""
        self.query_one(Input).focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """That is the answer."""
        message.stop()
        self.dismiss(message.value)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """By mouse, or with a button focused."""
        self.dismiss(self.query_one(Input).value if event.button.id == "ok" else None)

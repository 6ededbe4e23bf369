"""A question that is answered with yes or no."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from nemo_docs.plain import printable
from nemo_docs.tui.screens.dialog import Dialog, dialog_bindings


class ConfirmScreen(Dialog[bool]):
    """Asks, and dismisses with the answer.

    Args:
        question: One sentence; hostile text is allowed.
        yes: The button's label: what will be done.
        detail: More lines, such as the names of files.
    """

    DEFAULT_CSS = """
    ConfirmScreen #box {
        #question { text-style: bold; }
        #detail { height: auto; max-height: 10; margin-top: 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*dialog_bindings("accept", "refuse")]

    def __init__(self, question: str, *, yes: str, detail: str = "") -> None:
        super().__init__()
        self._question, self._yes, self._detail = question, yes, detail

    def compose(self) -> ComposeResult:
        """The question, what it is about, two buttons."""
        with VerticalScroll(id="box", can_focus=False):
            yield Static(printable(self._question), id="question", markup=False)
            if self._detail:
                with VerticalScroll(id="detail"):
                    yield Static(printable(self._detail, lines=True), markup=False)
            with Horizontal(classes="buttons"):
                yield Button(Content(printable(self._yes)), variant="primary", id="yes")
                yield Button("No", id="no")

    def on_mount(self) -> None:
        """Enter says yes."""
        self.query_one("#yes").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """By mouse, or with a button focused."""
        self.dismiss(event.button.id == "yes")

    def action_accept(self) -> None:
        """Yes."""
        self.dismiss(True)

    def action_refuse(self) -> None:
        """No."""
        self.dismiss(False)

    def action_close(self) -> None:
        """Going away is no."""
        self.dismiss(False)

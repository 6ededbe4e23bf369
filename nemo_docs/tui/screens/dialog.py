"""What all windows over the main screen have in common: a box in the middle, a title, and a key that closes it.

A dialog is typed by its answer and only dismisses; who opened it acts.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from nemo_docs.actions import Pane
from nemo_docs.tui.bindings import bindings_of

Answer = TypeVar("Answer")


def dialog_bindings(*ids: str) -> list[Binding]:
    """The bindings of some actions of a dialog: no dialog has them all."""
    return [each for each in bindings_of(Pane.DIALOG) if each.id in ids]


class Dialog(ModalScreen[Answer]):
    """A window over the main screen. Its box has the id `box`."""

    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        #box {
            width: 72;
            max-width: 100%;
            height: auto;
            max-height: 100%;
            padding: 0 1;
            border: round $primary;
            border-title-style: bold;
            background: $surface;
        }
        .buttons {
            height: auto;
            align-horizontal: right;
            margin-top: 1;
            Button { margin-left: 1; }
        }
        OptionList, OptionList:focus { border: none; }
        .muted { color: $text-muted; }
        .wrong { color: $text-error; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*dialog_bindings("close")]

    def action_close(self) -> None:
        """Close without an answer."""
        self.dismiss(None)

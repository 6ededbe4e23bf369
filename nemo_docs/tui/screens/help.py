"""What the focused pane can do, what the app can do everywhere, and how files are dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Static

from nemo_docs.actions import Action, Pane, actions_of
from nemo_docs.keys import shown_keys
from nemo_docs.tui.drop import KINDS
from nemo_docs.tui.screens.dialog import Dialog

DROPS = (
    "Drop files or folders from a file manager on this window, in any pane: terminals type or paste their paths, and a "
    "text that is nothing but existing paths is a drop. Typing a whole path as the question does the same. If your "
    "terminal does not pass drops on, choose the files with “{label}” ({keys}). What can be added: {kinds}."
)
PLAIN = (
    "With a screen reader the command line is easier to follow than this app: `nemo-docs ask`, `search`, `add` and "
    "`list` print plain text, line after line, from the same library."
)


class HelpScreen(Dialog[None]):
    """Keys and what they do, as they are now.

    Args:
        pane: Whose; APP for no pane.
        remapped: The user's own keys, by action.
    """

    DEFAULT_CSS = """
    HelpScreen #box {
        width: 84;
        height: 100%;
        max-height: 40;
        .heading { text-style: bold; color: $text-primary; margin-top: 1; }
    }
    """

    def __init__(self, pane: Pane, remapped: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__()
        self._pane, self._remapped = pane, remapped

    def compose(self) -> ComposeResult:
        """One section for the pane, one for the app, one on drops."""
        with VerticalScroll(id="box") as box:
            box.border_title = "Help"
            for pane in dict.fromkeys((self._pane, Pane.APP)):
                yield Static(_TITLES[pane], classes="heading", markup=False)
                yield Static(_table(actions_of(pane), self._remapped), markup=False)
            yield Static("Dropping files", classes="heading", markup=False)
            add_files = next(each for each in actions_of(Pane.APP) if each.id == "add_files")
            keys = shown_keys(add_files, self._remapped)
            yield Static(DROPS.format(label=add_files.label, keys=keys, kinds=KINDS), markup=False)
            yield Static("Reading with a screen reader", classes="heading", markup=False)
            yield Static(PLAIN, markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        """The keys that scroll work at once."""
        self.query_one("#box").focus()

    def on_button_pressed(self) -> None:
        """By mouse."""
        self.action_close()


_TITLES = {
    Pane.APP: "Everywhere",
    Pane.LIBRARY: "In the library",
    Pane.CONVERSATION: "In the conversation",
    Pane.SOURCE: "In the source",
    Pane.JOBS: "Among what is being added or read",
    Pane.PROMPT: "In the prompt",
    Pane.FAILURES: "Among the files that could not be added",
    Pane.LEDGER: "Among the pages of a document",
    Pane.SEARCH: "In the search",
    Pane.DIALOG: "In a window",
}


def _table(actions: Iterable[Action], remapped: Mapping[str, tuple[str, ...]]) -> str:
    rows = [(shown_keys(action, remapped), action) for action in actions]
    width = max(cell_len(keys) for keys, _ in rows)
    return "\n".join(f"{keys}{' ' * (width - cell_len(keys))}  {action.label}: {action.help}" for keys, action in rows)

"""The folders that are watched: their files are added as they come, until somebody takes a folder off the list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from nemo_docs.library.watched import WatchedFolder
from nemo_docs.plain import printable
from nemo_docs.tui.cells import one_line
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.screens.dialog import Dialog

NONE = "No folder is watched. Choose one among the files to add, and “Add and watch”."

STAY = "Documents that were added from a folder stay when it is watched no longer."


class WatchedScreen(Dialog[None]):
    """Shows them, and forgets the one that is chosen.

    Args:
        desk: What the app works on.
    """

    DEFAULT_CSS = """
    WatchedScreen #box {
        width: 90;
        OptionList { height: auto; max-height: 16; }
        #note { height: auto; max-height: 4; }
    }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._folders: list[WatchedFolder] = []
        self._changing: Job[list[WatchedFolder]] | None = None

    def compose(self) -> ComposeResult:
        """The folders, each with the collections that its documents are put into."""
        with Vertical(id="box") as box:
            box.border_title = "Watched folders"
            yield OptionList()
            yield Static("Looking …", id="note", classes="muted", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Watch no longer", id="forget", compact=True, disabled=True)
                yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        """Look which there are."""
        self._change(None)

    def _change(self, folder: str | None) -> None:
        """Forget a folder, if one is given, and show those that there are."""

        def folders(cancelled: Cancelled) -> Iterator[list[WatchedFolder]]:
            watched = self.desk.watched_folders()
            if folder is not None:
                watched.remove(folder)
            yield watched.items()

        self._changing = Job(self, "watched folders", folders).start()

    def on_job_event(self, event: JobEvent) -> None:
        """Show them."""
        event.stop()
        if event.job is not self._changing:
            return
        self._folders = cast("list[WatchedFolder]", event.event)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(Content(_row(folder))) for folder in self._folders])
        options.display = bool(self._folders)
        self.query_one("#forget", Button).disabled = not self._folders
        if self._folders:
            options.highlighted = 0
            options.focus()
        else:
            self.query_one("#close").focus()
        self._note(STAY if self._folders else NONE)

    def on_job_ended(self, event: JobEnded) -> None:
        """Tell what went wrong."""
        event.stop()
        if event.error:
            self._note(f"{event.error.message} {event.error.hint}", wrong=True)

    def on_option_list_option_selected(self) -> None:
        """Enter goes to what can be done with it."""
        self.query_one("#forget").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """By mouse, or with a button focused."""
        here = self.query_one(OptionList).highlighted
        if event.button.id == "close":
            self.action_close()
        elif here is not None and here < len(self._folders):
            self._change(self._folders[here].path)

    def _note(self, text: str, *, wrong: bool = False) -> None:
        note = self.query_one("#note", Static)
        note.update(Content(printable(text)))
        note.set_class(wrong, "wrong")


def _row(folder: WatchedFolder) -> str:
    into = f"  into {', '.join(folder.collections)}" if folder.collections else ""
    without = f"  without {', '.join(folder.excludes)}" if folder.excludes else ""
    return one_line(f"{folder.path}{into}{without}")

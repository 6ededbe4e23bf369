"""All files of one piece of work that could not be added, and why: tried again or let go, one by one or together."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from nemo_docs.actions import Pane
from nemo_docs.errors import Encrypted
from nemo_docs.library.events import FileFailed
from nemo_docs.plain import counted, printable
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.screens.whole import Tell, WholeScreen
from nemo_docs.tui.widgets.adding_row import AddingRow
from nemo_docs.tui.widgets.control import Control
from nemo_docs.tui.widgets.failure_list import FailureList
from nemo_docs.tui.widgets.key_line import KeyLine
from nemo_docs.tui.widgets.reading_row import Act


class FailuresScreen(WholeScreen[None]):
    """Closes by itself when no file is left in it.

    Args:
        row: The row that tells of the files.
        tell: Takes a message to the list of jobs.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Pane.FAILURES)]
    DEFAULT_CSS = """
    FailuresScreen {
        & #failure-told { height: auto; max-height: 6; padding: 0 1; color: $text-muted; background: $surface; }
    }
    """

    def __init__(self, row: AddingRow, tell: Tell) -> None:
        super().__init__(Pane.FAILURES, tell)
        self._row = row
        self._failures = sorted(row.work.failures, key=lambda failure: failure.path)
        self._chosen: set[str] = set()

    def compose(self) -> ComposeResult:
        """A head, the files, all there is to know of one."""
        with Horizontal(classes="head"):
            yield Static(classes="title", id="failures-title", markup=False)
            yield Control("try again", "retry_files")
            yield Control("dismiss", "dismiss_files")
            yield Control("close", "close")
        yield FailureList()
        yield Static(id="failure-told", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Show them."""
        listed = self.query_one(FailureList)
        listed.show_failures(self._failures)
        listed.focus()
        self._show_chosen()

    def _show_chosen(self) -> None:
        self.query_one(FailureList).show_chosen(self._chosen)
        chosen = f" · {len(self._chosen):,} chosen" if self._chosen else ""
        said = f"Not added: {counted(len(self._failures), 'file')}{chosen}"
        self.query_one("#failures-title", Static).update(Content(said))

    def on_failure_list_moved(self) -> None:
        """Tell all that there is to know of the file."""
        failure = self.query_one(FailureList).failure
        said = [failure.path, failure.error.message, failure.error.hint] if failure else []
        told = "\n".join(printable(each) for each in said if each)
        self.query_one("#failure-told", Static).update(Content(told))

    def on_failure_list_toggled(self) -> None:
        """By mouse."""
        self.action_choose_file()

    # actions

    def action_choose_file(self) -> None:
        """Choose the file, or no longer."""
        if failure := self.query_one(FailureList).failure:
            self._chosen ^= {failure.path}
            self._show_chosen()

    def action_choose_files(self) -> None:
        """Choose all; if some are chosen, none."""
        self._chosen = set() if self._chosen else {failure.path for failure in self._failures}
        self._show_chosen()

    def action_retry_files(self) -> None:
        """Try them again."""
        self._settle(Act.RESUME)

    def action_dismiss_files(self) -> None:
        """Let go of them."""
        self._settle(Act.DROP)

    def action_unlock_file(self) -> None:
        """Ask for the password of those that are encrypted."""
        if paths := [failure.path for failure in self._meant if isinstance(failure.error, Encrypted)]:
            self.tell(AddingRow.PasswordWanted(self._row, *paths))
            self.dismiss(None)

    @property
    def _meant(self) -> list[FileFailed]:
        """The files that are chosen, else the one at the cursor."""
        here = self.query_one(FailureList).failure
        meant = self._chosen or ({here.path} if here else set())
        return [failure for failure in self._failures if failure.path in meant]

    def _settle(self, act: Act) -> None:
        paths = [failure.path for failure in self._meant]
        if not paths:
            return
        self.tell(AddingRow.Changed(self._row, act, paths))
        self._failures = [failure for failure in self._failures if failure.path not in paths]
        self._chosen = set()
        if not self._failures:
            self.dismiss(None)
            return
        self.query_one(FailureList).show_failures(self._failures)
        self._show_chosen()
        if act is Act.RESUME:
            self.notify(f"{counted(len(paths), 'file')} to be tried again.", markup=False)

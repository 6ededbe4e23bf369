"""The files that could not be added, a line each."""

from __future__ import annotations

from collections.abc import Sequence, Set

from textual import events
from textual.message import Message

from nemo_docs.library.events import FileFailed
from nemo_docs.tui.cells import fitted
from nemo_docs.tui.widgets.row_list import Part, RowList

MARKS = 4
"""Cells of the cursor and of the mark of a chosen file."""


class FailureList(RowList):
    """The files, and why each failed."""

    class Moved(Message):
        """The cursor has come to a file."""

    class Toggled(Message):
        """The file at the cursor is to be chosen, or no longer."""

    def __init__(self) -> None:
        super().__init__(id="failed-files")
        self._failures: Sequence[FileFailed] = ()
        self._chosen: Set[str] = frozenset()

    def show_failures(self, failures: Sequence[FileFailed]) -> None:
        """Show other files; the cursor keeps its place."""
        self._failures = tuple(failures)
        self.place_rows()

    def show_chosen(self, paths: Set[str]) -> None:
        """Mark what is chosen."""
        self._chosen = frozenset(paths)
        self.refresh()

    @property
    def failure(self) -> FileFailed | None:
        """Where the cursor is."""
        return self._failures[self.cursor] if self._failures else None

    def heights(self) -> Sequence[int]:
        """One line each."""
        return [1] * len(self._failures)

    def moved(self) -> None:
        """Tell."""
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """A click on the mark chooses, one on the rest moves the cursor."""
        if (at := self.row_at(event.y)) is not None:
            self.move_to(at)
            if event.x < MARKS:
                self.post_message(self.Toggled())

    def parts(self, at: int, line: int, width: int) -> Sequence[Part]:
        """Why it failed; the sentence names the file."""
        failure = self._failures[at]
        mark = "●" if failure.path in self._chosen else "○" if self._chosen else "·"
        return [Part(" "), Part(f"{mark} ", "list--mark"), Part(fitted(failure.error.message, width - MARKS + 1))]

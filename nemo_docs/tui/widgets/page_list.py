"""The pages of a document as rows of its ledger, each on one line."""

from __future__ import annotations

from collections.abc import Sequence, Set

from textual import events
from textual.message import Message

from nemo_docs.library.records import Page
from nemo_docs.tui.ledger import Column, columns
from nemo_docs.tui.widgets.row_list import Part, RowList

MARKS = 4
"""Cells of the cursor and of the mark of a chosen page; a click there chooses."""


class PageList(RowList):
    """The pages."""

    class Moved(Message):
        """The cursor has come to a page."""

    class Opened(Message):
        """The page at the cursor is to be shown."""

    class Toggled(Message):
        """The page at the cursor is to be chosen, or no longer."""

    def __init__(self) -> None:
        super().__init__(id="pages")
        self._pages: Sequence[Page] = ()
        self._chosen: Set[int] = frozenset()
        self._columns: list[Column] = []

    def show_pages(self, pages: Sequence[Page]) -> None:
        """Show other pages; the cursor stays with its page, or the next that there is."""
        before = self.page
        self._pages = pages
        at = next((at for at, page in enumerate(pages) if before and page.number >= before.number), None)
        self.place_rows(len(pages) - 1 if before and at is None else at)

    def show_chosen(self, numbers: Set[int]) -> None:
        """Mark what is chosen."""
        self._chosen = frozenset(numbers)
        self.refresh()

    @property
    def page(self) -> Page | None:
        """Where the cursor is."""
        return self._pages[self.cursor] if self._pages else None

    @property
    def head(self) -> str:
        """The titles of the columns, where they stand."""
        return " " * (MARKS - 1) + " ".join(column.head() for column in self._columns)

    def heights(self) -> Sequence[int]:
        """One line each."""
        self._columns = columns(self.scrollable_content_region.width - MARKS + 1, self._pages)
        return [1] * len(self._pages)

    def moved(self) -> None:
        """Tell."""
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """A click on the mark chooses, one on the rest opens."""
        if (at := self.row_at(event.y)) is not None:
            self.move_to(at)
            self.post_message(self.Toggled() if event.x < MARKS else self.Opened())

    def parts(self, at: int, line: int, width: int) -> Sequence[Part]:
        """The facts of a page."""
        page = self._pages[at]
        mark = "●" if page.number in self._chosen else "○" if self._chosen else "·"
        *facts, flags, note = (f"{column.cell(page)} " for column in self._columns)
        rest = Part("".join(facts)), Part(flags, "list--mark"), Part(note, "list--fact")
        return [Part(" "), Part(f"{mark} ", "list--mark"), *rest]

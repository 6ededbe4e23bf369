"""The documents as rows: drawn line by line, so that two thousand scroll like ten.

A row takes two lines where it is narrow and one with columns where it is wide. A document in several collections stands
under each of them; what is selected is the document, wherever its row is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from textual import events
from textual.message import Message

from nemo_docs.library.records import Document, VersionStatus
from nemo_docs.tui.cells import padded, short_number
from nemo_docs.tui.widgets.row_list import Part, RowList

if TYPE_CHECKING:
    from nemo_docs.answering.fit import Share

WIDE = 72
"""Cells from which a row is one line."""
MARKS = 4
"""Cells of the cursor and of the mark of selection; a click there selects."""


class Heading(NamedTuple):
    """A collection."""

    name: str
    handles: tuple[str, ...]


class Entry(NamedTuple):
    """A document below a heading, or alone."""

    document: Document


Row = Heading | Entry


class DocumentList(RowList):
    """The documents."""

    class Toggled(Message):
        """Some documents are to be selected, or no longer."""

        def __init__(self, handles: Sequence[str]) -> None:
            super().__init__()
            self.handles = tuple(handles)

    class GapsWanted(Message):
        """The pages of a document that hold no text are to be shown."""

        def __init__(self, handle: str) -> None:
            super().__init__()
            self.handle = handle

    class Opened(Message):
        """A document is to be shown."""

        def __init__(self, handle: str) -> None:
            super().__init__()
            self.handle = handle

    def __init__(self) -> None:
        super().__init__(id="documents")
        self._rows: list[Row] = []
        self._selected: frozenset[str] = frozenset()
        self._shares: Mapping[str, Share] = {}
        self._handle_cells = 1
        self._is_wide = False

    # what is shown

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show other rows; the cursor stays with its document."""
        before = self.row
        self._rows = list(rows)
        handles = [len(row.document.handle) for row in rows if isinstance(row, Entry)]
        self._handle_cells = max(handles, default=1)
        here = (at for at, row in enumerate(rows) if before is not None and _is_same(row, before))
        self.place_rows(next(here, None))

    def show_selected(self, handles: Iterable[str]) -> None:
        """Mark what a question is about."""
        self._selected = frozenset(handles)
        self.refresh()

    def show_shares(self, shares: Mapping[str, Share]) -> None:
        """Tell how much of each document is read."""
        self._shares = shares
        self.refresh()

    @property
    def row(self) -> Row | None:
        """Where the cursor is."""
        return self._rows[self._cursor] if self._rows else None

    def heights(self) -> Sequence[int]:
        """One line or two."""
        self._is_wide = self.scrollable_content_region.width >= WIDE
        return [1 if self._is_wide or isinstance(row, Heading) else 2 for row in self._rows]

    def on_click(self, event: events.Click) -> None:
        """A click on the mark selects, one on what has no text tells why, one on the rest opens."""
        at = self.row_at(event.y)
        if at is None:
            return
        self.move_to(at)
        row = self.row
        if isinstance(row, Heading):
            self.post_message(self.Toggled(row.handles))
        elif isinstance(row, Entry):
            handle = row.document.handle
            if event.x < MARKS:
                self.post_message(self.Toggled([handle]))
            else:
                is_gap = self.name_at(event.x, event.y) == "list--gap"
                self.post_message(self.GapsWanted(handle) if is_gap else self.Opened(handle))

    # drawing

    def parts(self, at: int, line: int, width: int) -> Sequence[Part]:
        """A heading, or a document with its facts."""
        row = self._rows[at]
        if isinstance(row, Heading):
            return self._heading(row, width)
        if self._is_wide:
            return self._columns(row.document, width)
        return self._second(row.document, width) if line else self._first(row.document, width)

    def _mark(self, handles: Iterable[str]) -> str:
        mine = set(handles)
        if mine and mine <= self._selected:
            return "●"
        return "◐" if mine & self._selected else "○" if self._selected else "·"

    def _heading(self, heading: Heading, width: int) -> list[Part]:
        count = f" {len(heading.handles):,}"
        name = padded(heading.name, width - MARKS + 1 - len(count))
        mark = Part(f"{self._mark(heading.handles)} ", "list--mark")
        return [Part(" "), mark, Part(name, "list--heading"), Part(count, "list--fact")]

    def _first(self, document: Document, width: int) -> list[Part]:
        lead = f"{document.handle:>{self._handle_cells}} "
        title = padded(document.title, width - MARKS + 1 - len(lead))
        mark = Part(f"{self._mark([document.handle])} ", "list--mark")
        return [Part(" "), mark, Part(lead, "list--fact"), Part(title)]

    def _second(self, document: Document, width: int) -> list[Part]:
        indent = MARKS + self._handle_cells
        language, pages, tokens, read = self._facts(document)
        facts = _told(language, pages, tokens, read)
        if cell_len(facts) > width - indent:  # how much is read says more than how much there is
            facts = _told(language, pages, read)
        facts = padded(facts, width - indent)
        return [Part(" " * indent), *_with_gap(facts, document)]

    def _columns(self, document: Document, width: int) -> list[Part]:
        language, pages, tokens, read = self._facts(document)
        numbers = "".join(padded(text, cells, right=True) for text, cells in ((pages, 23), (tokens, 10), (read, 10)))
        columns = f" {padded(language, 3)}{numbers}"
        return [*self._first(document, width - len(columns)), *_with_gap(columns, document)]

    def _facts(self, document: Document) -> tuple[str, str, str, str]:
        """Language, pages, tokens and how much is read; empty where it is not known."""
        pages = f"{document.pages:,} p"
        if document.status is VersionStatus.READING:
            pages = f"{document.pages_read:,} of {pages}"
        if document.pages_without_text:
            pages += f", {_gap(document)}"
        language = "" if document.language == "und" else document.language
        if (share := self._shares.get(document.handle)) is None:
            return language, pages, "", ""
        return language, pages, f"{short_number(share.tokens)} tok", _read(share)


def _told(*facts: str) -> str:
    return " · ".join(fact for fact in facts if fact)


def _gap(document: Document) -> str:
    return f"{document.pages_without_text:,} no text"


def _with_gap(facts: str, document: Document) -> list[Part]:
    """Facts as they are drawn, with the pages without text as a part that can be clicked."""
    before, gap, after = facts.partition(_gap(document)) if document.pages_without_text else (facts, "", "")
    parts = Part(before, "list--fact"), Part(gap, "list--gap"), Part(after, "list--fact")
    return [part for part in parts if part.text]


def _read(share: Share) -> str:
    """Never 0% of something nor 100% of not all."""
    if not share.tokens_cached:
        return ""
    if share.tokens_cached >= share.tokens:
        return "read"
    return f"{min(99, max(1, round(100 * share.tokens_cached / share.tokens)))}% read"


def _is_same(row: Row, other: Row) -> bool:
    if isinstance(row, Entry) and isinstance(other, Entry):
        return row.document.handle == other.document.handle
    return isinstance(row, Heading) and isinstance(other, Heading) and row.name == other.name

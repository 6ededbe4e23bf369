"""The documents as rows: drawn line by line, so that two thousand scroll like ten.

A row takes two lines where it is narrow and one with columns where it is wide. A document in several collections stands
under each of them; what is selected is the document, wherever its row is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.containers import ScrollableContainer
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nemo_docs.library.records import Document, VersionStatus
from nemo_docs.tui.cells import padded, short_number

if TYPE_CHECKING:
    from nemo_docs.answering.fit import Share

WIDE = 72
"""Cells from which a row is one line."""
MARKS = 4
"""Cells of the cursor and of the mark of selection; a click there selects."""
_SCROLLING = {"scroll_up", "scroll_down", "scroll_home", "scroll_end", "page_up", "page_down"}


class Heading(NamedTuple):
    """A collection."""

    name: str
    handles: tuple[str, ...]


class Entry(NamedTuple):
    """A document below a heading, or alone."""

    document: Document


Row = Heading | Entry


class DocumentList(ScrollView, inherit_bindings=False):
    """Rows with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        binding for binding in ScrollableContainer.BINDINGS if getattr(binding, "action", "") in _SCROLLING
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "list--title", "list--fact", "list--mark", "list--heading", "list--cursor", "list--cursor-blurred",
    }  # fmt: skip
    DEFAULT_CSS = """
    DocumentList {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        & .list--fact { color: $text-muted; }
        & .list--mark { color: $primary; text-style: bold; }
        & .list--heading { color: $text-secondary; text-style: bold; }
        & .list--cursor {
            color: $block-cursor-foreground; background: $block-cursor-background; text-style: $block-cursor-text-style;
        }
        & .list--cursor-blurred { background: $block-cursor-blurred-background; }
    }
    """

    class Toggled(Message):
        """Some documents are to be selected, or no longer."""

        def __init__(self, handles: Sequence[str]) -> None:
            super().__init__()
            self.handles = tuple(handles)

    class Opened(Message):
        """A document is to be shown."""

        def __init__(self, handle: str) -> None:
            super().__init__()
            self.handle = handle

    def __init__(self) -> None:
        super().__init__(id="documents")
        self._rows: list[Row] = []
        self._tops: list[int] = []  # the first line of each row
        self._cursor = 0
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
        self._measure()
        here = (at for at, row in enumerate(rows) if before is not None and _is_same(row, before))
        self._cursor = next(here, min(self._cursor, max(0, len(rows) - 1)))
        self._show_cursor()

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

    def on_resize(self) -> None:
        """One line or two."""
        self._measure()
        self._show_cursor()

    def _measure(self) -> None:
        self._is_wide = self.scrollable_content_region.width >= WIDE
        lines = [1 if self._is_wide or isinstance(row, Heading) else 2 for row in self._rows]
        *self._tops, total = accumulate(lines, initial=0)
        self.virtual_size = Size(self.scrollable_content_region.width, total)
        self.refresh()

    # moving

    def _move(self, to: int) -> None:
        self._cursor = max(0, min(to, len(self._rows) - 1))
        self._show_cursor()

    def _show_cursor(self) -> None:
        if self._rows:
            top, height = self._tops[self._cursor], self.scrollable_content_region.height
            last = top + (0 if self._is_wide or isinstance(self.row, Heading) else 1)
            if top < self.scroll_offset.y:
                self.scroll_to(y=top, animate=False, force=True)
            elif last >= self.scroll_offset.y + height:
                self.scroll_to(y=last - height + 1, animate=False, force=True)
        self.refresh()

    def action_scroll_up(self) -> None:
        """To the row before."""
        self._move(self._cursor - 1)

    def action_scroll_down(self) -> None:
        """To the next row."""
        self._move(self._cursor + 1)

    def action_scroll_home(self) -> None:
        """To the first row."""
        self._move(0)

    def action_scroll_end(self) -> None:
        """To the last row."""
        self._move(len(self._rows) - 1)

    def action_page_up(self) -> None:
        """A screenful back."""
        self._move(self._cursor - self._screenful)

    def action_page_down(self) -> None:
        """A screenful on."""
        self._move(self._cursor + self._screenful)

    @property
    def _screenful(self) -> int:
        return max(1, self.scrollable_content_region.height // (1 if self._is_wide else 2))

    def on_click(self, event: events.Click) -> None:
        """A click on the mark selects, one on the rest opens."""
        line = event.y + self.scroll_offset.y
        if not self._rows or line >= self.virtual_size.height:
            return
        self._move(bisect_right(self._tops, line) - 1)
        row = self.row
        if isinstance(row, Heading):
            self.post_message(self.Toggled(row.handles))
        elif isinstance(row, Entry):
            handle = row.document.handle
            self.post_message(self.Toggled([handle]) if event.x < MARKS else self.Opened(handle))

    def on_focus(self) -> None:
        """The cursor is strong."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor is faint."""
        self.refresh()

    # drawing

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width, line = self.scrollable_content_region.width, self.scroll_offset.y + y
        if line >= self.virtual_size.height or not self._rows:
            return Strip.blank(width, self.rich_style)
        at = bisect_right(self._tops, line) - 1
        row, is_here = self._rows[at], at == self._cursor
        if isinstance(row, Heading):
            parts = self._heading(row, width)
        elif self._is_wide:
            parts = self._columns(row.document, width)
        else:
            parts = self._second(row.document, width) if line > self._tops[at] else self._first(row.document, width)
        if is_here and line == self._tops[at]:
            parts[0] = ("›" if self.has_focus else " ", parts[0][1])
        return self._strip(parts, width, is_here=is_here)

    def _strip(self, parts: Iterable[tuple[str, str]], width: int, *, is_here: bool) -> Strip:
        base = self.rich_style
        over: Style | None = None
        if is_here:
            over = self.get_component_rich_style("list--cursor" if self.has_focus else "list--cursor-blurred")
        segments = []
        for text, name in parts:
            style = self.get_component_rich_style(name) if name else base
            if over is not None:
                style = over if self.has_focus else style + Style(bgcolor=over.bgcolor)
            segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(width, over or base)

    def _mark(self, handles: Iterable[str]) -> str:
        mine = set(handles)
        if mine and mine <= self._selected:
            return "●"
        return "◐" if mine & self._selected else "○" if self._selected else "·"

    def _heading(self, heading: Heading, width: int) -> list[tuple[str, str]]:
        count = f" {len(heading.handles):,}"
        name = padded(heading.name, width - MARKS + 1 - len(count))
        return [
            (" ", ""),
            (f"{self._mark(heading.handles)} ", "list--mark"),
            (name, "list--heading"),
            (count, "list--fact"),
        ]

    def _first(self, document: Document, width: int) -> list[tuple[str, str]]:
        lead = f"{document.handle:>{self._handle_cells}} "
        title = padded(document.title, width - MARKS + 1 - len(lead))
        return [(" ", ""), (f"{self._mark([document.handle])} ", "list--mark"), (lead, "list--fact"), (title, "")]

    def _second(self, document: Document, width: int) -> list[tuple[str, str]]:
        indent = MARKS + self._handle_cells
        language, pages, tokens, read = self._facts(document)
        facts = _told(language, pages, tokens, read)
        if cell_len(facts) > width - indent:  # how much is read says more than how much there is
            facts = _told(language, pages, read)
        facts = padded(facts, width - indent)
        return [(" " * indent, ""), (facts, "list--fact")]

    def _columns(self, document: Document, width: int) -> list[tuple[str, str]]:
        language, pages, tokens, read = self._facts(document)
        numbers = "".join(padded(text, cells, right=True) for text, cells in ((pages, 23), (tokens, 10), (read, 10)))
        columns = f" {padded(language, 3)}{numbers}"
        return [*self._first(document, width - len(columns)), (columns, "list--fact")]

    def _facts(self, document: Document) -> tuple[str, str, str, str]:
        """Language, pages, tokens and how much is read; empty where it is not known."""
        pages = f"{document.pages:,} p"
        if document.status is VersionStatus.READING:
            pages = f"{document.pages_read:,} of {pages}"
        if document.pages_without_text:
            pages += f", {document.pages_without_text:,} no text"
        language = "" if document.language == "und" else document.language
        if (share := self._shares.get(document.handle)) is None:
            return language, pages, "", ""
        return language, pages, f"{short_number(share.tokens)} tok", _read(share)


def _told(*facts: str) -> str:
    return " · ".join(fact for fact in facts if fact)


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

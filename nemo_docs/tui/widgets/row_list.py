"""Rows with a cursor, drawn line by line, so that five thousand scroll like ten.

What a row holds, how many lines it takes and how these look is for each kind of list to say; moving, scrolling and the
cursor are the same for all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.containers import ScrollableContainer
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

_SCROLLING = {"scroll_up", "scroll_down", "scroll_home", "scroll_end", "page_up", "page_down"}


class Part(NamedTuple):
    """A stretch of a line."""

    text: str
    """Printable."""
    name: str = ""
    """The component class that says how it looks; empty for plain."""


class RowList(ScrollView, inherit_bindings=False):
    """Rows with a cursor. A kind of list places its rows whenever they or its width change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        binding for binding in ScrollableContainer.BINDINGS if getattr(binding, "action", "") in _SCROLLING
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "list--title", "list--fact", "list--mark", "list--heading", "list--gap", "list--lit",
        "list--cursor", "list--cursor-blurred",
    }  # fmt: skip
    DEFAULT_CSS = """
    RowList {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        & .list--fact { color: $text-muted; }
        & .list--mark { color: $primary; text-style: bold; }
        & .list--heading { color: $text-secondary; text-style: bold; }
        & .list--gap { color: $text-warning; text-style: underline; }
        & .list--lit { color: $text-warning; text-style: bold underline; }
        & .list--cursor {
            color: $block-cursor-foreground; background: $block-cursor-background; text-style: $block-cursor-text-style;
        }
        & .list--cursor-blurred { background: $block-cursor-blurred-background; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tops: list[int] = []  # the first line of each row
        self._cursor = 0

    # what each kind says

    def heights(self) -> Sequence[int]:
        """How many lines each row takes."""
        raise NotImplementedError

    def parts(self, at: int, line: int, width: int) -> Sequence[Part]:
        """A line of a row; the first part of a row's first line has one cell, for the cursor.

        Args:
            at: Which row.
            line: Which of its lines, from 0.
            width: Cells.
        """
        raise NotImplementedError

    def moved(self) -> None:
        """The cursor has come to a row; nothing more happens unless a kind of list says so."""

    # moving

    def place_rows(self, cursor: int | None = None) -> None:
        """Lay the rows out anew.

        Args:
            cursor: The row with the cursor from now on; None keeps the place.
        """
        *self._tops, total = accumulate(self.heights(), initial=0)
        self.virtual_size = Size(self.scrollable_content_region.width, total)
        self.move_to(self._cursor if cursor is None else cursor)

    def move_to(self, row: int) -> None:
        """Bring the cursor to a row, or to the nearest that there is."""
        self._cursor = max(0, min(row, len(self._tops) - 1))
        if self._tops:
            top, height = self._tops[self._cursor], self.scrollable_content_region.height
            last = self._end_of(self._cursor) - 1
            if top < self.scroll_offset.y:
                self.scroll_to(y=top, animate=False, force=True)
            elif last >= self.scroll_offset.y + height:
                self.scroll_to(y=last - height + 1, animate=False, force=True)
        self.moved()
        self.refresh()

    @property
    def cursor(self) -> int:
        """The row with the cursor, from 0; 0 where there is none."""
        return self._cursor

    def row_at(self, y: int) -> int | None:
        """The row on a line of the screen, if there is one."""
        line = y + self.scroll_offset.y
        return bisect_right(self._tops, line) - 1 if self._tops and line < self.virtual_size.height else None

    def name_at(self, x: int, y: int) -> str:
        """How the stretch at a place of the screen looks: the name that it was drawn under."""
        at, width = self.row_at(y), self.scrollable_content_region.width
        if at is not None:
            for text, name in self.parts(at, self.scroll_offset.y + y - self._tops[at], width):
                if (x := x - cell_len(text)) < 0:
                    return name
        return ""

    def _end_of(self, row: int) -> int:
        return self._tops[row + 1] if row + 1 < len(self._tops) else self.virtual_size.height

    def on_resize(self) -> None:
        """Rows may take other lines now."""
        self.place_rows()

    def action_scroll_up(self) -> None:
        """To the row before."""
        self.move_to(self._cursor - 1)

    def action_scroll_down(self) -> None:
        """To the next row."""
        self.move_to(self._cursor + 1)

    def action_scroll_home(self) -> None:
        """To the first row."""
        self.move_to(0)

    def action_scroll_end(self) -> None:
        """To the last row."""
        self.move_to(len(self._tops) - 1)

    def action_page_up(self) -> None:
        """A screenful back."""
        self._move_by_lines(-self.scrollable_content_region.height)

    def action_page_down(self) -> None:
        """A screenful on."""
        self._move_by_lines(self.scrollable_content_region.height)

    def _move_by_lines(self, lines: int) -> None:
        if self._tops:
            to = bisect_right(self._tops, self._tops[self._cursor] + lines) - 1
            self.move_to(to if to != self._cursor else self._cursor + (1 if lines > 0 else -1))

    def on_focus(self) -> None:
        """The cursor is strong."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor is faint."""
        self.refresh()

    # drawing

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self.scrollable_content_region.width
        at = self.row_at(y)
        if at is None:
            return Strip.blank(width, self.rich_style)
        line = self.scroll_offset.y + y - self._tops[at]
        parts = [*self.parts(at, line, width)]
        is_here = at == self._cursor
        if is_here and not line:
            parts[0] = Part("›" if self.is_active else " ", parts[0].name)
        return self._strip(parts, width, is_here=is_here)

    @property
    def is_active(self) -> bool:
        """Whether the cursor is a strong one."""
        return self.has_focus

    def _strip(self, parts: Iterable[Part], width: int, *, is_here: bool) -> Strip:
        base = self.rich_style
        over: Style | None = None
        if is_here:
            over = self.get_component_rich_style("list--cursor" if self.is_active else "list--cursor-blurred")
        segments = []
        for text, name in parts:
            style = self.get_component_rich_style(name) if name else base
            if over is not None and self.is_active:  # what is lit is told by its line, too
                style = over + Style(underline=bool(style.underline))
            elif over is not None:
                style += Style(bgcolor=over.bgcolor)
            segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(width, over or base)

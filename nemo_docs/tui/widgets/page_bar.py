"""A document as one line: where its pages are lit and which one is shown; a click goes there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget


class PageBar(Widget):
    """The pages of a document from left to right."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"bar--track", "bar--lit", "bar--here"}
    DEFAULT_CSS = """
    PageBar {
        height: 1;
        pointer: pointer;
        & .bar--track { color: $text-disabled; }
        & .bar--lit { color: $warning; }
        & .bar--here { color: $primary; text-style: bold; }
    }
    """

    class Picked(Message):
        """A page was clicked."""

        def __init__(self, page: int) -> None:
            super().__init__()
            self.page = page

    def __init__(self) -> None:
        super().__init__(id="page-bar")
        self._page, self._pages, self._lit = 1, 1, frozenset[int]()

    def show_pages(self, page: int, pages: int, lit: Iterable[int]) -> None:
        """Show another state; a document of one page needs no bar."""
        self._page, self._pages, self._lit = page, pages, frozenset(lit)
        self.display = pages > 1
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        width = self.size.width
        here = self._cell(self._page)
        lit = {self._cell(page) for page in self._lit}
        names = ["bar--here" if x == here else "bar--lit" if x in lit else "bar--track" for x in range(width)]
        signs = {"bar--here": "█", "bar--lit": "▪", "bar--track": "─"}
        return Strip([Segment(signs[name], self.get_component_rich_style(name)) for name in names], width)

    def _cell(self, page: int) -> int:
        return (page - 1) * (self.size.width - 1) // max(1, self._pages - 1)

    def on_click(self, event: events.Click) -> None:
        """Go to the page that stands there."""
        event.stop()
        share = event.x / max(1, self.size.width - 1)
        self.post_message(self.Picked(1 + round(share * (self._pages - 1))))

"""The text of one page, drawn line by line, with its lit stretches.

Only the lines on the screen are made, so a page of 10,000 lines scrolls like one of ten. What is lit is told three
ways: by colour, by reversed or underlined text, and by a mark in the margin; so it is seen without colours too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.containers import ScrollableContainer
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.page_layout import Light, Line, lay_out, line_at, pieces, strongest

MARGIN = 2
_MARKS = {True: "▌ ", False: "│ "}
_SCROLLING = {"scroll_up", "scroll_down", "scroll_home", "scroll_end"}
"""What Textual's keys do here; its other ones turn the document's pages, or mean nothing in text that is wrapped."""
AT_ONCE = 5_000
"""Characters that are cut into lines in some milliseconds; a longer page is cut beside the interface."""


class PageView(ScrollView, inherit_bindings=False):
    """One page."""

    BINDINGS: ClassVar[list[BindingType]] = [
        binding for binding in ScrollableContainer.BINDINGS if getattr(binding, "action", "") in _SCROLLING
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"page--quote", "page--other", "page--margin"}
    DEFAULT_CSS = """
    PageView {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        & .page--quote { color: $warning; text-style: reverse; }
        & .page--other { text-style: underline; }
        & .page--margin { color: $warning; }
    }
    """

    def __init__(self) -> None:
        super().__init__(id="page")
        self._text = ""
        self._lines: list[Line] = []
        self._lights: tuple[Light, ...] = ()
        self._goal: tuple[int, int] | None = None  # characters that are to be seen
        self._height = 0  # lines that were seen before the last change of size
        self._wanted = ("", 0)
        self._job: Job[list[Line]] | None = None

    def show_text(self, text: str, lights: Sequence[Light] = ()) -> None:
        """Show a page from its strong light, else from its top."""
        self._light(lights)
        self._goal = self._goal or (0, 0)
        self._lay_out(text)

    def show_lights(self, lights: Sequence[Light]) -> None:
        """Light other stretches of the page that is shown."""
        self._light(lights)
        self._scroll_to_goal()

    @property
    def is_laid_out(self) -> bool:
        """Whether what was asked for is on the screen."""
        return self._job is None

    def on_resize(self, event: events.Resize) -> None:
        """Cut the lines anew and keep the place, or what is lit there."""
        if self._goal is None and self._lines:
            first = min(self.scroll_offset.y, len(self._lines) - 1)
            lit = next((each for each in self._lights if each.is_strong), None)
            is_seen = lit is not None and first <= line_at(self._lines, lit.start) < first + self._height
            top = self._lines[first].start
            self._goal = (lit.start, lit.end) if lit is not None and is_seen else (top, top)
        self._height = self.scrollable_content_region.height
        self._lay_out(self._wanted[0])

    def _light(self, lights: Sequence[Light]) -> None:
        self._lights = tuple(lights)
        self._goal = next(((light.start, light.end) for light in lights if light.is_strong), None)
        self.refresh()

    def _lay_out(self, text: str) -> None:
        width = self.scrollable_content_region.width - MARGIN
        if (text, width) == self._wanted or width <= 0:
            self._wanted = (text, self._wanted[1])
            self._scroll_to_goal()
            return
        self._wanted = (text, width)
        if self._job:
            self._job.cancel()
            self._job = None
        if len(text) <= AT_ONCE:
            self._take(text, lay_out(text, width))
            return

        def cut(cancelled: Cancelled) -> Iterator[list[Line]]:
            yield lay_out(text, width)

        self._job = Job(self, "laying out a page", cut).start()

    def on_job_event(self, message: JobEvent) -> None:
        """Take the lines, unless others are wanted by now."""
        message.stop()
        if message.job is self._job and isinstance(message.event, list):
            self._job = None
            self._take(self._wanted[0], message.event)

    def on_job_ended(self, message: JobEnded) -> None:
        """Nothing more comes of it."""
        message.stop()

    def _take(self, text: str, lines: list[Line]) -> None:
        self._text, self._lines = text, lines
        self.virtual_size = Size(self._wanted[1] + MARGIN, len(lines))
        self._scroll_to_goal()
        self.refresh()

    def _scroll_to_goal(self) -> None:
        if self._goal is None or not self._lines or self._job:
            return
        first, last = line_at(self._lines, self._goal[0]), line_at(self._lines, max(self._goal[0], self._goal[1] - 1))
        self._goal = None
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if first and top <= first and last < top + height:
            return
        above = min(height // 3, max(0, height - 1 - (last - first)))  # lines of context, where there is room for them
        self.scroll_to(y=max(0, first - above), animate=False, force=True)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self.scrollable_content_region.width
        base = self.rich_style
        number = self.scroll_offset.y + y
        if number >= len(self._lines):
            return Strip.blank(width, base)
        line = self._lines[number]
        mark = strongest(self._lights, line)
        segments = [Segment(_MARKS[mark.is_strong] if mark else " " * MARGIN, self._style("page--margin"))]
        for text, light in pieces(self._text, line, self._lights):
            style = self._style("page--quote" if light.is_strong else "page--other") if light else base
            segments.append(Segment(text, style))
        last = segments[-1]
        words = last.text.rstrip()  # a blank at a line's end is not lit, for the sake of a calm edge
        segments[-1:] = [Segment(words, last.style), Segment(last.text[len(words) :], base)]
        if line.is_right_to_left:
            used = sum(cell_len(segment.text) for segment in segments)
            segments.insert(1, Segment(" " * max(0, width - used), base))
        return Strip(segments).adjust_cell_length(width, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name)

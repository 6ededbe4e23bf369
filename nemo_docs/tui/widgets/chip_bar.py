"""Ways to filter a list, side by side, in groups if need be; as many lines as they need."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from nemo_docs.tui.cells import fitted

GAP = 2
"""Cells between two."""
SEPARATOR = ("", "│")
"""Stands between two groups in place of a chip."""


class _Place(NamedTuple):
    """Where a chip is drawn."""

    line: int
    start: int
    label: str
    name: str


class ChipBar(Widget):
    """A row of chips, one of each group chosen."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"chips--chip", "chips--chosen"}
    DEFAULT_CSS = """
    ChipBar {
        height: auto;
        max-height: 4;
        padding: 0 1;
        pointer: pointer;
        & .chips--chip { color: $text-muted; }
        & .chips--chosen { color: $text-primary; text-style: bold reverse; }
    }
    """

    class Picked(Message):
        """A chip was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self) -> None:
        super().__init__(id="chips")
        self._chips: tuple[tuple[str, str], ...] = ()
        self._chosen: Collection[str] = ()

    def show_chips(self, chips: Sequence[tuple[str, str]], *chosen: str) -> None:
        """Show other chips.

        Args:
            chips: The name and the label of each, or `SEPARATOR`.
            chosen: The names of those that hold.
        """
        self._chips, self._chosen = tuple(chips), chosen
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as they need."""
        return max(1, 1 + max((place.line for place in self._places(width)), default=0))

    def _places(self, width: int) -> list[_Place]:
        places: list[_Place] = []
        line = at = 0
        for number, (name, text) in enumerate(self._chips):
            if (name, text) == SEPARATOR:
                rest = sum(cell_len(label) + 2 + GAP for _, label in self._chips[number:]) - GAP
                if at + rest > width:  # a group is not broken before it must be
                    line, at = line + 1, 0
                    continue
            label = f" {fitted(text, max(1, width - 2))} "
            if at and at + cell_len(label) > width:
                line, at = line + 1, 0
            places.append(_Place(line, at, label, name))
            at += cell_len(label) + GAP
        return places

    def render_line(self, y: int) -> Strip:
        """One line of them."""
        width, segments, at = self.content_size.width, list[Segment](), 0
        for place in self._places(width):
            if place.line == y:
                style = "chips--chosen" if place.name in self._chosen else "chips--chip"
                segments.append(Segment(" " * (place.start - at), self.rich_style))
                segments.append(Segment(place.label, self.get_component_rich_style(style)))
                at = place.start + cell_len(place.label)
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Tell which."""
        if (offset := event.get_content_offset(self)) is None:
            return
        for place in self._places(self.content_size.width):
            if place.name and place.line == offset.y and place.start <= offset.x < place.start + cell_len(place.label):
                self.post_message(self.Picked(place.name))

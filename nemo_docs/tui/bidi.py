"""Right-to-left text on the screen, without broken columns. For display only: what is stored or cited never changes.

Some terminals put Arabic and Hebrew in order themselves, line by line: text of one pane is then drawn into the next,
because a terminal knows no panes. So each stretch of a line that holds right-to-left letters is put between two
left-to-right marks (U+200E, no width): nothing is ordered across them. A stretch ends at two spaces or a drawn line,
which is where columns end. Other terminals leave the letters as they come; for those the app orders each stretch
itself (python-bidi). Letters are not joined here: that is the font's work.

The price of ordering in the app: selecting such text with the mouse selects by what is stored, not by what is seen.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from typing import NamedTuple

from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

MARK = "\u200e"
"""LEFT-TO-RIGHT MARK."""

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]")
_COLUMN_END = re.compile(r" {2,}|[\t\u2500-\u259f]+")


class _Cell(NamedTuple):
    """One character of a line, and how it is drawn."""

    text: str
    style: Style | None


def bidi_filter(setting: str, environ: Mapping[str, str] | None = None) -> LineFilter:
    """The filter for the setting `bidi`: `terminal`, `app` or `auto`.

    Args:
        setting: Who puts right-to-left text in order.
        environ: Environment variables; None for this process's own.
    """
    environ = os.environ if environ is None else environ
    if setting == "app" or (setting == "auto" and not _may_order(environ)):
        return OrderingFilter()
    return MarkingFilter()


def _may_order(environ: Mapping[str, str]) -> bool:
    """Whether the terminal may put text in order; only those known not to are taken for it."""
    return not (
        {"WT_SESSION", "KITTY_WINDOW_ID", "ALACRITTY_WINDOW_ID", "GHOSTTY_RESOURCES_DIR"}.intersection(environ)
        or environ.get("TERM", "").startswith(("foot", "xterm-kitty", "xterm-ghostty", "alacritty"))
    )


class MarkingFilter(LineFilter):
    """For terminals that order lines themselves: keeps them from doing it across columns."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Put marks round each stretch of right-to-left text; no line grows wider."""
        stretches = _stretches(segments)
        if not stretches:
            return segments
        marks = {place for stretch in stretches for place in stretch}
        marked: list[Segment] = []
        position = 0
        for text, style, control in segments:
            start, end = position, position + (0 if control else len(text))
            cuts = [start, *sorted(mark for mark in marks if start < mark < end), end]
            for left, right in pairwise(cuts):
                if left in marks:
                    marks.discard(left)
                    marked.append(Segment(MARK, style))
                marked.append(Segment(text[left - start : right - start] if not control else text, style, control))
            position = end
        marked += [Segment(MARK)] * len(marks)
        return marked


class OrderingFilter(LineFilter):
    """For terminals that draw letters as they come: puts them in the order in which they are read."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Order each stretch of right-to-left text; no line grows wider."""
        stretches = _stretches(segments)
        if not stretches:
            return segments
        cells = [_Cell(character, style) for text, style, control in segments if not control for character in text]
        for start, end in stretches:
            cells[start:end] = _ordered(cells[start:end])
        ordered = [
            Segment("".join(cell.text for cell in group), style)
            for style, group in groupby(cells, key=lambda cell: cell.style)
        ]
        return [*ordered, *(segment for segment in segments if segment.control)]


def _stretches(segments: list[Segment]) -> list[tuple[int, int]]:
    """Where a line's columns hold right-to-left text: characters from start up to, not including, end."""
    if not any(not text.isascii() and _RIGHT_TO_LEFT.search(text) for text, _, control in segments if not control):
        return []
    line = "".join(text for text, _, control in segments if not control)
    return [(start, end) for start, end in _columns(line) if start < end and _RIGHT_TO_LEFT.search(line, start, end)]


def _columns(line: str) -> Iterator[tuple[int, int]]:
    """Without the space at either end, which stays where it is."""
    ends = [(gap.start(), gap.end()) for gap in _COLUMN_END.finditer(line)]
    for (_, start), (end, _) in pairwise([(0, 0), *ends, (len(line), len(line))]):
        column = line[start:end]
        yield end - len(column.lstrip(" ")), start + len(column.rstrip(" "))


def _ordered(cells: list[_Cell]) -> list[_Cell]:
    """In the order in which they are drawn from left to right; a letter's marks stay behind it."""
    from bidi import algorithm

    clusters: list[list[_Cell]] = []
    for cell in cells:
        if clusters and (unicodedata.combining(cell.text) or get_character_cell_size(cell.text) == 0):
            clusters[-1].append(cell)
        else:
            clusters.append([cell])
    text = "".join(cluster[0].text for cluster in clusters)
    level = algorithm.get_base_level(text)
    storage = algorithm.get_empty_storage()
    storage["base_level"], storage["base_dir"] = level, "LR"[level]
    algorithm.get_embedding_levels(text, storage)
    for index, character in enumerate(storage["chars"]):
        character["index"] = index
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    algorithm.resolve_neutral_types(storage, debug=False)
    algorithm.resolve_implicit_levels(storage, debug=False)
    algorithm.reorder_resolved_levels(storage, debug=False)
    algorithm.apply_mirroring(storage, debug=False)
    if len(storage["chars"]) != len(clusters):  # something invisible was taken out: better in the stored order
        return cells
    return [cell for character in storage["chars"] for cell in _drawn_as(character["ch"], clusters[character["index"]])]


def _drawn_as(character: str, cluster: list[_Cell]) -> list[_Cell]:
    """A cluster whose bracket may have been mirrored."""
    return [cluster[0]._replace(text=character), *cluster[1:]]

"""A page's text cut into lines of so many cells, and which part of each line is lit.

Lines are character offsets into the page text, so a span is never moved by how it is shown: a control character takes
several cells, an ideograph two, a combining mark none, and the offsets stay those of the text. The cutting takes a
millisecond for an ordinary page and a second for a megabyte, so it belongs into a job; drawing a line costs nothing.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from rich.cells import get_character_cell_size

from nemo_docs.plain import printable

TAB = "    "
_NEVER_FIRST = frozenset("、。，．：；？！）］｝」』】〉》〕゛゜ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々")
"""What East Asian lines do not begin with."""
_JOINER, _EMOJI = "\u200d", "\ufe0f"


class Line(NamedTuple):
    """One line on the screen."""

    start: int
    """Character offset into the page text."""
    end: int
    """Exclusive; the line break itself stands on no line."""
    is_right_to_left: bool


class Light(NamedTuple):
    """A lit stretch of the page text."""

    start: int
    end: int
    is_strong: bool
    """The one that is shown; others on the page are faint."""


class Piece(NamedTuple):
    """A part of a line as it is drawn."""

    text: str
    """Printable."""
    light: Light | None


def shown(text: str) -> str:
    """A stretch of page text as it is drawn: every character on its own, so that parts add up to the whole."""
    return printable(text.replace("\t", TAB))


def lay_out(text: str, width: int) -> list[Line]:
    """Cut a text into lines of at most `width` cells, at spaces where there are some.

    A blank at the end of a line may hang over by one cell.
    """
    lines: list[Line] = []
    start = 0
    for paragraph in text.split("\n"):
        end = start + len(paragraph)
        is_rtl = not paragraph.isascii() and _is_right_to_left(paragraph)
        if len(paragraph) <= width and paragraph.isascii() and paragraph.isprintable():
            lines.append(Line(start, end, False))
        else:
            lines += (Line(first, last, is_rtl) for first, last in _wrapped(text, start, end, max(width, 2)))
        start = end + 1
    return lines


def _wrapped(text: str, start: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    longest = 4 * width + 64  # characters; a heap of combining marks takes no cell at all
    first, used, break_at = start, 0, start
    for at in range(start, end):
        character = text[at]
        cells = _cells(character)
        is_space = character.isspace()
        if cells == 2 and character not in _NEVER_FIRST and not _is_inside_cluster(text, at, start):
            break_at = at
        may_cut = not _is_inside_cluster(text, at, start)
        # twice, where what is left behind a break and the character do not fit together either
        while at > first and ((may_cut and used + cells > width + is_space) or at - first >= longest):
            cut = break_at if break_at > first and at - first < longest else at
            yield first, cut
            used = sum(_cells(each) for each in text[cut:at])
            first = cut
        used += cells
        if is_space or character == "-":
            break_at = at + 1
    yield first, end


def _is_inside_cluster(text: str, at: int, start: int) -> bool:
    """Whether a character belongs to the one before it."""
    return text[at] in (_JOINER, _EMOJI) or _cells(text[at]) == 0 or (at > start and text[at - 1] == _JOINER)


def _cells(character: str) -> int:
    if " " <= character <= "~":
        return 1
    if character == _EMOJI:  # widens what stands before it
        return 1
    drawn = shown(character)
    return len(drawn) if drawn != character else get_character_cell_size(character)


def _is_right_to_left(paragraph: str) -> bool:
    for character in paragraph:
        kind = unicodedata.bidirectional(character)
        if kind in ("L", "R", "AL"):
            return kind != "L"
    return False


def pieces(text: str, line: Line, lights: Sequence[Light]) -> list[Piece]:
    """A line in parts, each wholly lit by one light or by none; a strong light covers a faint one."""
    cuts = {line.start, line.end}
    touching = [light for light in lights if light.start < line.end and light.end > line.start]
    for light in touching:
        cuts |= {max(light.start, line.start), min(light.end, line.end)}
    edges = sorted(cuts)
    parts = []
    for start, end in pairwise(edges):
        over = [light for light in touching if light.start <= start and end <= light.end]
        parts.append(Piece(shown(text[start:end]), max(over, key=lambda light: light.is_strong, default=None)))
    return parts


def line_at(lines: Sequence[Line], offset: int) -> int:
    """The index of the line that holds a character."""
    return max(0, bisect_right(lines, offset, key=lambda line: line.start) - 1)


def strongest(lights: Iterable[Light], line: Line) -> Light | None:
    """The light to tell of in the margin of a line."""
    on = [light for light in lights if light.start < line.end and light.end > line.start]
    return max(on, key=lambda light: light.is_strong, default=None)

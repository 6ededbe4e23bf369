"""Columns that a file writes line by line across the page, put in the order in which they are read; and tables told.

Most files hold one column after the other, and then nothing is done. Where the lines of two columns alternate, the page
is cut at the gutter: what stands above it, left column, right column, what follows. The rule is made to be wrong on the
safe side: a gutter counts only if many lines have long text on both sides of it and nothing crosses it, so tables,
lists with numbers and one-column pages stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

_GAP = 0.9
"""Of a line's height: a wider gap ends a stretch of words; a space is about 0.3."""
_FEWEST_ROWS = 5
_LONG = 18
"""Letters that a line of running text has at least, in the middle of its lines."""
_FILLED = 0.55
"""Of a column's width: lines of running text are mostly this long."""
_TABLE_ROWS = 0.5
"""Of all rows: so many with three or more short stretches make a table."""
_SHORT = 30
Order = tuple[tuple[int, int], ...]
"""Stretches (start, end) of a text in the order in which they are to be read; together they are the text."""


class Glyph(NamedTuple):
    """A character on a page: its place in the text, what it says, and its box in points."""

    at: int
    text: str
    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True, slots=True)
class Layout:
    """How a page is to be read; an empty order means as it stands."""

    order: Order = ()
    is_table: bool = False


@dataclass(slots=True)
class _Stretch:
    """Words that stand together in one line."""

    start: int
    left: float
    right: float
    bottom: float
    top: float
    letters: int


def read_by_columns(glyphs: list[Glyph], length: int) -> Layout:
    """The order in which a page is read, and whether it is mostly a table.

    Args:
        glyphs: Every character that is not white space, in the order of the text.
        length: Of the text.
    """
    stretches = list(_stretches(glyphs))
    rows = _rows(stretches)
    is_table = len(rows) >= _FEWEST_ROWS and _is_table(rows)
    gutter = None if is_table or not _alternate(rows, stretches) else _gutter(rows)
    if gutter is None:
        return Layout(is_table=is_table)
    ordered = _in_columns(rows, gutter)
    if [each.start for each in ordered] == [each.start for each in stretches]:
        return Layout()
    ends = {each.start: after.start for each, after in pairwise(stretches)}
    ends[stretches[-1].start] = length
    order = [(each.start, ends[each.start]) for each in ordered]
    if first := stretches[0].start:
        order.insert(0, (0, first))
    return Layout(tuple(order))


def _stretches(glyphs: list[Glyph]) -> Iterator[_Stretch]:
    """Characters that follow each other in the text and on a line, without a wide gap."""
    current: _Stretch | None = None
    for glyph in glyphs:
        height = max(1.0, glyph.top - glyph.bottom)
        if current is not None:
            line = max(height, current.top - current.bottom)
            middle = (glyph.top + glyph.bottom) / 2
            on_line = current.bottom - 0.3 * line <= middle <= current.top + 0.3 * line
            gap = max(glyph.left - current.right, current.left - glyph.right)  # lines run to the right or to the left
            if on_line and gap <= _GAP * line:
                current.left, current.right = min(current.left, glyph.left), max(current.right, glyph.right)
                current.bottom, current.top = min(current.bottom, glyph.bottom), max(current.top, glyph.top)
                current.letters += 1
                continue
            yield current
        current = _Stretch(glyph.at, glyph.left, glyph.right, glyph.bottom, glyph.top, 1)
    if current is not None:
        yield current


def _rows(stretches: list[_Stretch]) -> list[list[_Stretch]]:
    """Stretches of one height, from the top of the page down."""
    rows: list[list[_Stretch]] = []
    for each in sorted(stretches, key=lambda s: -(s.top + s.bottom)):
        middle = (each.top + each.bottom) / 2
        if rows and rows[-1][0].bottom <= middle <= rows[-1][0].top:
            rows[-1].append(each)
        else:
            rows.append([each])
    return [sorted(row, key=lambda s: s.left) for row in rows]


def _is_table(rows: list[list[_Stretch]]) -> bool:
    """Whether most rows have three or more short cells, whose places recur."""
    celled = [row for row in rows if len(row) >= 3 and all(cell.letters <= _SHORT for cell in row)]
    if len(celled) < max(_FEWEST_ROWS, _TABLE_ROWS * len(rows)):
        return False
    edges = [round(side / 4) for row in celled for cell in row[1:] for side in (cell.left, cell.right)]
    return max(edges.count(edge) + edges.count(edge + 1) for edge in set(edges)) >= _TABLE_ROWS * len(celled)


def _alternate(rows: list[list[_Stretch]], stretches: list[_Stretch]) -> bool:
    """Whether lines that stand side by side mostly follow each other in the text, so that it was read across."""
    place = {id(each): n for n, each in enumerate(stretches)}
    both = [row for row in rows if len(row) == 2]
    return 2 * sum(place[id(row[1])] - place[id(row[0])] == 1 for row in both) > len(both)


def _gutter(rows: list[list[_Stretch]]) -> float | None:
    """Where two columns part, if the lines of both stand side by side."""
    both = [row for row in rows if len(row) == 2]
    if len(both) < _FEWEST_ROWS:
        return None
    low, high = max(row[0].right for row in both), min(row[1].left for row in both)
    if low >= high:
        # a heading or a formula may reach over: the gutter of most rows
        places = sorted((row[0].right + row[1].left) / 2 for row in both)
        place = places[len(places) // 2]
        both = [row for row in both if row[0].right < place < row[1].left]
        if len(both) < _FEWEST_ROWS:
            return None
        low, high = max(row[0].right for row in both), min(row[1].left for row in both)
    place = (low + high) / 2
    crossing = [row for row in rows if any(each.left < place < each.right for each in row)]
    if len(crossing) > len(both):
        return None
    for side in (0, 1):
        lines = sorted((row[side] for row in both), key=lambda s: s.right - s.left)
        width = max(line.right for line in lines) - min(line.left for line in lines)
        middle = lines[len(lines) // 2]
        letters = sorted(line.letters for line in lines)[len(lines) // 2]
        if letters < _LONG or middle.right - middle.left < _FILLED * width:
            return None
    return place


def _in_columns(rows: list[list[_Stretch]], gutter: float) -> list[_Stretch]:
    """Between two rows that reach over the gutter: the left side downwards, then the right side."""
    ordered: list[_Stretch] = []
    for reaches, block in groupby(rows, lambda row: any(each.left < gutter < each.right for each in row)):
        stretches = [each for row in block for each in row]
        if reaches:
            ordered += stretches
        else:
            ordered += [each for each in stretches if each.right <= gutter]
            ordered += [each for each in stretches if each.right > gutter]
    return ordered

"""Columns that a file writes line by line across the page, put in the order in which they are read; and tables told.

Most files hold one column after the other, and then nothing is done. Where the lines of columns alternate, the page is
cut at the gutters: what stands above them, one column after the other, what follows; of a script that is written from
right to left the right column first. The rule is made to be wrong on the safe side: a gutter counts only if many lines
have long text on both sides of it and nothing crosses it, so tables, lists with numbers and one-column pages stay as
they are. Three columns and more look much like a table: they count only where the lines fill them and mostly begin in
the middle of a sentence.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
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
_MOST_COLUMNS = 6
_FULL = 0.75
"""As `_FILLED`, where there are more than two columns."""
_GOES_ON = 0.5
"""Of the lines of one of many columns: so many begin with neither a capital nor a digit."""
_RIGHT_TO_LEFT = ("R", "AL")
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
    first: str


def read_by_columns(glyphs: list[Glyph], length: int) -> Layout:
    """The order in which a page is read, and whether it is mostly a table.

    Args:
        glyphs: Every character that is not white space, in the order of the text.
        length: Of the text.
    """
    stretches = list(_stretches(glyphs))
    rows = _rows(stretches)
    is_table = len(rows) >= _FEWEST_ROWS and _is_table(rows)
    gutters = _gutters(rows, stretches, is_table)
    if not gutters:
        return Layout(is_table=is_table)
    leftwards = sum(unicodedata.bidirectional(glyph.text[0]) in _RIGHT_TO_LEFT for glyph in glyphs)
    ordered = _in_columns(rows, gutters, is_leftwards=2 * leftwards > len(glyphs))
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
        current = _Stretch(glyph.at, glyph.left, glyph.right, glyph.bottom, glyph.top, 1, glyph.text)
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


def _gutters(rows: list[list[_Stretch]], stretches: list[_Stretch], is_table: bool) -> list[float]:
    """Where columns part, from left to right; none where the page is to be read as it stands."""
    place = {id(each): n for n, each in enumerate(stretches)}
    found: list[float] = []
    for count in range(2, _MOST_COLUMNS + 1):
        full = [row for row in rows if len(row) == count]
        if len(full) >= _FEWEST_ROWS and _alternate(full, place) and (count > 2 or not is_table):
            found = _parting(rows, full) or found
    return found


def _alternate(full: list[list[_Stretch]], place: dict[int, int]) -> bool:
    """Whether lines that stand side by side mostly follow each other in the text, so that it was read across."""
    across = sum(all(abs(place[id(b)] - place[id(a)]) == 1 for a, b in pairwise(row)) for row in full)
    return 2 * across > len(full)


def _parting(rows: list[list[_Stretch]], full: list[list[_Stretch]]) -> list[float]:
    """Where columns part, if the lines of all of them stand side by side in these full rows."""
    count = len(full[0])
    for at in range(count - 1):
        if max(row[at].right for row in full) >= min(row[at + 1].left for row in full):
            # a heading or a formula may reach over: the gutter of most rows
            places = sorted((row[at].right + row[at + 1].left) / 2 for row in full)
            middle = places[len(places) // 2]
            full = [row for row in full if row[at].right < middle < row[at + 1].left]
            if len(full) < _FEWEST_ROWS:
                return []
    gutters = [
        (max(row[at].right for row in full) + min(row[at + 1].left for row in full)) / 2 for at in range(count - 1)
    ]
    if sum(_reaches_over(row, gutters) for row in rows) > len(full):
        return []
    columns = [[row[side] for row in full] for side in range(count)]
    return gutters if all(_runs_on(column, is_one_of_many=count > 2) for column in columns) else []


def _runs_on(column: list[_Stretch], *, is_one_of_many: bool) -> bool:
    """Whether a column holds running text."""
    lines = sorted(column, key=lambda s: s.right - s.left)
    width = max(line.right for line in lines) - min(line.left for line in lines)
    middle = lines[len(lines) // 2]
    letters = sorted(line.letters for line in lines)[len(lines) // 2]
    if letters < _LONG or middle.right - middle.left < (_FULL if is_one_of_many else _FILLED) * width:
        return False
    going_on = sum(not (line.first.isupper() or line.first.isdigit()) for line in lines)
    return not is_one_of_many or going_on >= _GOES_ON * len(lines)


def _reaches_over(row: list[_Stretch], gutters: list[float]) -> bool:
    return any(each.left < gutter < each.right for each in row for gutter in gutters)


def _in_columns(rows: list[list[_Stretch]], gutters: list[float], *, is_leftwards: bool) -> list[_Stretch]:
    """Between two rows that reach over a gutter: each column downwards, one after the other."""
    ordered: list[_Stretch] = []
    for reaches, block in groupby(rows, lambda row: _reaches_over(row, gutters)):
        stretches = [each for row in block for each in row]
        if reaches:
            ordered += stretches
            continue
        columns: list[list[_Stretch]] = [[] for _ in range(len(gutters) + 1)]
        for each in stretches:
            columns[bisect_left(gutters, each.right)].append(each)
        for column in reversed(columns) if is_leftwards else columns:
            ordered += column
    return ordered

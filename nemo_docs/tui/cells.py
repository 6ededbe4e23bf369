"""Text for a place of so many terminal cells: made printable first, cut by cells and never by characters.

Ideographs, Kana and Hangul take two cells, combining marks none. Only as much of a text is looked at as can be seen, so
a title of a megabyte costs no more than a short one.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from nemo_docs.plain import printable

_CHARACTERS_A_CELL = 4
"""What is looked at for one cell: a letter with its marks."""
_LONGEST_LINE = 500
"""Cells; wider than any screen."""


def fitted(text: str, cells: int) -> str:
    """A text of hostile origin on one line in at most so many cells; an ellipsis says that something was cut off."""
    if cells <= 0:
        return ""
    seen = text[: cells * _CHARACTERS_A_CELL + 1]
    shown = printable(seen)
    if cell_len(shown) <= cells and len(seen) == len(text):
        return shown
    return f"{set_cell_size(shown, cells - 1).rstrip()}…"


def one_line(text: str) -> str:
    """A text of hostile origin for a widget that cuts its line itself."""
    return fitted(text, _LONGEST_LINE)


def padded(text: str, cells: int, *, right: bool = False) -> str:
    """The same, in exactly so many cells, at the left or the right of them."""
    shown = fitted(text, cells)
    space = " " * (cells - cell_len(shown))
    return f"{space}{shown}" if right else f"{shown}{space}"


def short_number(number: int) -> str:
    """A number in at most four characters: `812`, `9.8k`, `98k`, `1.2M`."""
    unit, amount = "", float(number)
    for larger in "kMG":
        if amount < 999.5:
            break
        unit, amount = larger, amount / 1_000
    return f"{amount:.1f}{unit}" if unit and amount < 9.95 else f"{amount:.0f}{unit}"

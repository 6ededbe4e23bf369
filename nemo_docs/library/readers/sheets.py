"""Workbooks (XLSX, XLS, ODS) through calamine: each sheet in lines, cells between bars, as a table in a document.

What people ask of a workbook is what stands in it: the values that its program saw last, not its formulas. Dates are
written as ISO 8601 has them. A sheet that is hidden is kept in the raw text alone. Trade-off: calamine (Rust, a
megabyte, wheels for every system) tells values, not how a cell shows them: 19 % is 0.19, and hidden rows and columns
are there.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from nemo_docs.errors import Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.archive import Archive
from nemo_docs.library.readers.flow import CELL_SEPARATOR, Sheet, pages_of

_ZIP = b"PK\x03\x04"


class SheetReader:
    """Reads a workbook."""

    extractor = f"calamine {version('python-calamine')}"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Open a workbook and write its sheets in lines.

        Raises:
            Unreadable: If it is no workbook, sealed, damaged, a bomb, or empty.
        """
        if data.startswith(_ZIP):
            Archive(data).refuse_bombs()
        self._pages: list[RawText] = []
        try:
            book = CalamineWorkbook.from_filelike(io.BytesIO(data))
            for told in book.sheets_metadata:
                if told.typ is SheetTypeEnum.WorkSheet:
                    text = "\n".join(_lines(book.get_sheet_by_name(told.name))).strip("\n")
                    hidden = [] if told.visible is SheetVisibleEnum.Visible else [(0, len(text))]
                    self._pages += pages_of([Sheet(text, hidden)] if text else [], label=told.name)
        except MemoryError:
            raise
        except Exception as error:  # calamine has errors for each of its formats
            raise Unreadable(f"it is not a sound workbook ({error})") from error
        if not self._pages:
            raise Unreadable("it is a workbook without any values")
        self.pages = len(self._pages)

    def page(self, number: int) -> RawText:
        """A sheet, or a part of one, named after the sheet."""
        return self._pages[number - 1]


def _lines(sheet: Any) -> Iterator[str]:
    """The rows of a sheet; of several empty ones only one."""
    is_after_empty = True
    for row in sheet.iter_rows():
        cells = [_shown(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells or not is_after_empty:
            yield CELL_SEPARATOR.join(cells)
        is_after_empty = not cells


def _shown(value: object) -> str:
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return f"{value:.15g}"
        case _:
            return " ".join(str(value).split())

"""A document's ledger as it is shown: which pages a filter leaves, and the columns of a page. No widgets here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from nemo_docs.library.records import Page, PageFlag
from nemo_docs.plain import counted, printable
from nemo_docs.tui.cells import padded

ALL, NO_TEXT = "all", "no text"
WIDE = 104
"""Cells from which script and extractor have columns, too."""
_NAMES = {PageFlag.HIDDEN: "hidden text", PageFlag.TIMEOUT: "timed out"}


class Chip(NamedTuple):
    """A way to filter the pages."""

    name: str
    """`ALL`, `NO_TEXT` or the name of a flag."""
    pages: int
    """How many it leaves."""


class Column(NamedTuple):
    """One fact of every page."""

    title: str
    cells: int
    text: Callable[[Page], str]
    """May be hostile."""
    is_number: bool = False

    def head(self) -> str:
        """The title, in the column's cells."""
        return padded(self.title, self.cells, right=self.is_number)

    def cell(self, page: Page) -> str:
        """The fact of a page, in the column's cells."""
        return padded(self.text(page), self.cells, right=self.is_number)


def chips_of(pages: Sequence[Page]) -> list[Chip]:
    """All ways that leave something, in the order of the flags."""
    flags = Counter(flag for page in pages for flag in page.flags)
    without = sum(not page.text_sha256 for page in pages)
    chips = [Chip(ALL, len(pages)), Chip(NO_TEXT, without), *(Chip(flag.value, flags[flag]) for flag in PageFlag)]
    return [chip for chip in chips if chip.pages or chip.name == ALL]


def chip_label(chip: Chip) -> str:
    """For people: `hidden text 3`."""
    return f"{_NAMES.get(PageFlag(chip.name), chip.name) if chip.name in _FLAGS else chip.name} {chip.pages:,}"


def filtered(pages: Sequence[Page], name: str) -> list[Page]:
    """The pages that a filter leaves."""
    if name == ALL:
        return [*pages]
    if name == NO_TEXT:
        return [page for page in pages if not page.text_sha256]
    return [page for page in pages if name in page.flags]


def place_of(pages: Sequence[Page], typed: str) -> int | None:
    """Where a page stands that is meant by its number or the beginning of its label; None if none is.

    A number that is not among these pages means the next that is.
    """
    wanted = typed.strip().casefold()
    if not wanted:
        return None
    if (by_label := next((at for at, page in enumerate(pages) if page.label.casefold() == wanted), None)) is not None:
        return by_label
    if wanted.isdecimal():
        number = int(wanted)
        return next((at for at, page in enumerate(pages) if page.number >= number), None)
    return next((at for at, page in enumerate(pages) if page.label.casefold().startswith(wanted)), None)


def columns(width: int, pages: Sequence[Page]) -> list[Column]:
    """The columns for so many cells; the note has what the others leave."""
    chosen = [Column("page", 6, lambda page: f"{page.number:,}", is_number=True)]
    if any(page.label for page in pages):
        chosen.append(Column("label", 10, lambda page: page.label))
    chosen += [
        Column("chars", 8, lambda page: f"{page.characters:,}", is_number=True),
        Column("lang", 4, lambda page: "" if page.language == "und" else page.language),
    ]
    if width >= WIDE:
        chosen.append(Column("script", 11, lambda page: page.script))
        chosen.append(Column("read by", 17, lambda page: page.extractor))
    chosen.append(Column("flags", 18, flags_of))
    rest = width - sum(column.cells + 1 for column in chosen)
    return [*chosen, Column("note", max(0, rest), lambda page: page.note)]


def flags_of(page: Page) -> str:
    """The flags of a page, for people."""
    return ", ".join(_NAMES.get(flag, flag.value) for flag in page.flags)


def told(page: Page) -> str:
    """All that there is to know of a page, printable."""
    return printable(" · ".join(_facts(page)))


def _facts(page: Page) -> Iterator[str]:
    yield f"Page {page.number:,}" + (f" (“{page.label}”)" if page.label else "")
    yield counted(page.characters, "character")
    yield from filter(None, (page.script, "" if page.language == "und" else page.language, page.extractor))
    yield from filter(None, (flags_of(page), page.note))


_FLAGS = frozenset(flag.value for flag in PageFlag)

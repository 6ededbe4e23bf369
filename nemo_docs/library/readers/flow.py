"""Text as it flows: what a format with markup says, turned into pages that people read, search and quote.

HTML, EPUB and DOCX all end here: their readers say "text", "new block", "new cell", "heading", and a Flow makes one
string of it with blank lines between blocks, as a browser does when a page is copied. Text that nobody sees is kept in
place and named, so that cleaning can leave it out. The trade-off: layout beyond lines, lists and rows is gone.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.text import cut_pages

CELL_SEPARATOR = " | "
"""Stands between the cells of a row."""

DEEPEST_ROW = 8
"""Rows within rows within rows deeper than this are blocks: each level looks at all that is in it."""

_LONGEST_LINE = 500
"""A longer row whose cells hold several blocks is layout, not data: its cells become blocks."""
_LONGEST_SHEET = 9_000
"""No printed page holds more characters; a longer stretch between page breaks is cut."""
_LONGEST_LABEL = 120
_FEW_TOKENS = 8
_EAST_ASIAN = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_WRAPPED = re.compile(rf"(?<=[{_EAST_ASIAN}])[ \t]*[\n\r][ \t\n\r\f]*(?=[{_EAST_ASIAN}])")
_SPACES = re.compile(r"[ \t\n\r\f]+")


class _Kind(Enum):
    TEXT = "text"
    VERBATIM = "verbatim"
    LINE = "line"
    BLOCK = "block"
    NEWLINE = "newline"
    MARKER = "marker"
    CELL = "cell"
    PAGE = "page"
    HEADING = "heading"
    BODY = "body"


class _Token(NamedTuple):
    kind: _Kind
    text: str = ""
    is_hidden: bool = False


_BREAKS = (_Kind.LINE, _Kind.BLOCK, _Kind.NEWLINE, _Kind.MARKER, _Kind.PAGE)


@dataclass
class Sheet:
    """What stands between two page breaks.

    Attributes:
        text: All of it.
        hidden: Stretches (start, end) of it that nobody sees.
        headings: Where headings start in it, and what they say.
    """

    text: str = ""
    hidden: list[tuple[int, int]] = field(default_factory=list)
    headings: list[tuple[int, str]] = field(default_factory=list)


class Flow:
    """Collects what a document says, in reading order.

    Attributes:
        is_heading: Whether a heading has started and not ended.
    """

    def __init__(self) -> None:
        self._tokens: list[_Token] = []
        self.is_heading = False

    def text(self, text: str, *, is_hidden: bool = False) -> None:
        """Running text; white space in it counts as one space, and a line wrapped between ideographs as none."""
        if text:
            self._tokens.append(_Token(_Kind.TEXT, _SPACES.sub(" ", _WRAPPED.sub("", text)), is_hidden))

    def verbatim(self, text: str, *, is_hidden: bool = False) -> None:
        """Text whose spaces and line breaks count."""
        if text:
            self._tokens.append(_Token(_Kind.VERBATIM, text, is_hidden))

    def line(self) -> None:
        """What follows stands on a line of its own."""
        self._tokens.append(_Token(_Kind.LINE))

    def block(self) -> None:
        """A blank line stands before what follows."""
        self._tokens.append(_Token(_Kind.BLOCK))

    def newline(self) -> None:
        """A line break that the writer made; two make a blank line."""
        self._tokens.append(_Token(_Kind.NEWLINE))

    def marker(self, text: str) -> None:
        """A list item's bullet or number, on a new line before the text that follows; without text it goes."""
        self._tokens.append(_Token(_Kind.MARKER, text))

    def page(self) -> None:
        """What follows stands on a new page."""
        self._tokens.append(_Token(_Kind.PAGE))

    def heading(self) -> None:
        """A heading starts, up to `body`."""
        self._tokens.append(_Token(_Kind.HEADING))
        self.is_heading = True

    def body(self) -> None:
        """The heading ends."""
        self._tokens.append(_Token(_Kind.BODY))
        self.is_heading = False

    def cell(self) -> None:
        """Another cell of the row starts."""
        self._tokens.append(_Token(_Kind.CELL))

    def mark(self) -> int:
        """The place reached, for `row` and `rewrite`."""
        return len(self._tokens)

    def row(self, start: int) -> None:
        """What came since `start` was a row: one line of it, or blocks where its cells are long."""
        tokens = self._tokens[start:]
        pages = [token for token in tokens if token.kind is _Kind.PAGE]
        tokens = [token for token in tokens if token.kind is not _Kind.PAGE]
        if not any(token.text.strip() for token in tokens):
            tokens = []
        elif _is_layout(tokens):
            tokens = [_Token(_Kind.BLOCK) if token.kind is _Kind.CELL else token for token in tokens]
        else:
            tokens = [_on_one_line(token) for token in tokens]
        self._tokens[start:] = [*pages[:1], _Token(_Kind.LINE), *tokens, _Token(_Kind.LINE)]

    def rewrite(self, start: int, change: Callable[[str], str]) -> None:
        """Change the few words that came since `start`, if there is nothing but words."""
        tokens = self._tokens[start : start + _FEW_TOKENS + 1]
        if 0 < len(tokens) <= _FEW_TOKENS and all(token.kind in (_Kind.TEXT, _Kind.VERBATIM) for token in tokens):
            said = "".join(token.text for token in tokens)
            if (changed := change(said)) != said:
                self._tokens[start:] = [_Token(_Kind.TEXT, changed, tokens[0].is_hidden)]

    def append(self, other: Flow) -> None:
        """What another flow has collected."""
        self._tokens += other._tokens

    def said(self) -> str:
        """All words so far, without what stands between them."""
        return "".join(token.text for token in self._tokens)

    def take(self, start: int) -> str:
        """Take back the words that came since `start`."""
        said = "".join(token.text for token in self._tokens[start:])
        del self._tokens[start:]
        return said

    def sheets(self) -> list[Sheet]:
        """What was said, a sheet for each stretch between page breaks that holds text."""
        setting = _Setting()
        for token in self._tokens:
            setting.take(token)
        return setting.finished()


def _is_layout(tokens: Sequence[_Token]) -> bool:
    """Whether a row is long and one of its cells holds several blocks."""
    if sum(len(token.text) for token in tokens) <= _LONGEST_LINE:
        return False
    has_text = is_broken = False
    for token in tokens:
        if token.kind is _Kind.CELL:
            has_text = is_broken = False
        elif token.kind in _BREAKS:
            is_broken = has_text
        elif token.text.strip():
            if is_broken:
                return True
            has_text = True
    return False


def _on_one_line(token: _Token) -> _Token:
    match token.kind:
        case _Kind.CELL:
            return _Token(_Kind.TEXT, CELL_SEPARATOR)
        case _Kind.MARKER:
            return _Token(_Kind.TEXT, f" {token.text} ")
        case _Kind.LINE | _Kind.BLOCK | _Kind.NEWLINE:
            return _Token(_Kind.TEXT, " ")
        case _Kind.VERBATIM:
            return token._replace(text=token.text.replace("\n", " "))
        case _:
            return token


class _Setting:
    """Sets tokens as lines and sheets; breaks wait until text follows."""

    def __init__(self) -> None:
        self._sheets: list[Sheet] = []
        self._start_sheet()
        self._heading: tuple[int, int] | None = None
        self._is_heading_due = False

    def _start_sheet(self) -> None:
        self._sheet, self._pieces, self._length = Sheet(), list[str](), 0
        self._breaks, self._marker, self._last = 0, "", "\n"

    def take(self, token: _Token) -> None:
        match token.kind:
            case _Kind.TEXT | _Kind.VERBATIM:
                self._text(token)
            case _Kind.LINE | _Kind.BLOCK if not self._marker:
                self._breaks = max(self._breaks, 1 if token.kind is _Kind.LINE else 2)
            case _Kind.NEWLINE if not self._marker:
                self._breaks = min(self._breaks + 1, 2)
            case _Kind.MARKER:
                self._breaks = max(self._breaks, 1)
                self._marker = token.text
            case _Kind.PAGE:
                self._close()
            case _Kind.HEADING:
                self._is_heading_due = True
            case _Kind.BODY:
                self._end_heading()
            case _:
                pass

    def _text(self, token: _Token) -> None:
        text = token.text
        is_at_start = bool(self._breaks or self._marker or self._last == "\n")
        if token.kind is _Kind.TEXT and (is_at_start or self._last == " "):
            text = text.lstrip(" ")
        elif is_at_start:
            text = text.lstrip("\n")
        if not text or (is_at_start and not text.strip()):
            return
        self._put("\n" * (self._breaks if self._length else 0))
        if self._marker:
            self._put(f"{self._marker} ")
        self._breaks, self._marker = 0, ""
        if self._is_heading_due:
            self._is_heading_due, self._heading = False, (self._length, len(self._pieces))
        if token.is_hidden:
            self._sheet.hidden.append((self._length, self._length + len(text)))
        self._put(text)

    def _put(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._length += len(text)
            self._last = text[-1]

    def _end_heading(self) -> None:
        if self._heading:
            at, piece = self._heading
            said = " ".join("".join(self._pieces[piece:]).split())
            if not any(start <= at < end for start, end in self._sheet.hidden[-1:]):
                self._sheet.headings.append((at, said[:_LONGEST_LABEL]))
        self._heading, self._is_heading_due = None, False

    def _close(self) -> None:
        if not self._length:
            return
        self._end_heading()
        self._sheet.text = "".join(self._pieces)
        self._sheets.append(self._sheet)
        self._start_sheet()

    def finished(self) -> list[Sheet]:
        self._close()
        return self._sheets


def pages_of(sheets: Iterable[Sheet], *, label: str = "", longest: int = 0) -> list[RawText]:
    """Sheets as pages: long ones cut, best before a heading, each named after the heading that it stands under.

    Args:
        sheets: In order.
        label: What to call all pages, in place of their headings.
        longest: Sheets of up to that many characters stay whole, however they would be cut.
    """
    pages: list[RawText] = []
    heading = ""
    for sheet in sheets:
        start = 0
        places = [at for at, _ in sheet.headings]
        pieces = [sheet.text] if len(sheet.text) <= longest else cut_pages(sheet.text, places)
        for piece in pieces:
            end = start + len(piece)
            here = sheet.headings[bisect_left(places, start) : bisect_left(places, end)]
            if here and (not heading or not sheet.text[start : here[0][0]].strip()):
                heading = here[0][1]
            pages.append(RawText(piece, _within(sheet.hidden, start, end), label=label or heading))
            heading = here[-1][1] if here else heading
            start = end
    return pages


def page_of(sheets: Sequence[Sheet]) -> RawText:
    """All sheets as one page, named after its first heading: for formats whose pages are given."""
    text, hidden = "", list[tuple[int, int]]()
    for sheet in sheets:
        at = len(text) + 2 * bool(text)
        text += "\n\n" * bool(text) + sheet.text
        hidden += [(start + at, end + at) for start, end in sheet.hidden]
    label = next((said for sheet in sheets for _, said in sheet.headings), "")
    return RawText(text, tuple(hidden), label=label)


def printed_pages(sheets: Sequence[Sheet]) -> list[RawText]:
    """Sheets that page breaks made, as pages that are cut only where no printed page could be as long."""
    return pages_of(sheets, longest=_LONGEST_SHEET if len(sheets) > 1 else 0)


def _within(spans: Sequence[tuple[int, int]], start: int, end: int) -> tuple[tuple[int, int], ...]:
    """The parts of spans, in order and disjoint, from start to end, counted from start."""
    first = bisect_right(spans, start, key=lambda span: span[1])
    last = bisect_left(spans, end, key=lambda span: span[0])
    return tuple((max(a, start) - start, min(b, end) - start) for a, b in spans[first:last])

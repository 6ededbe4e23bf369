"""The body of an RTF file as a Flow, token by token; groups are kept on a stack of our own, so depth costs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial

from nemo_docs.library.readers.flow import Flow
from nemo_docs.library.readers.foot import Foot
from nemo_docs.library.readers.numbers import bullet, raised
from nemo_docs.library.readers.rtf_tokens import Token, codec_of, codec_of_page

_SIGNS = {
    "tab": "\t", "emdash": "—", "endash": "–", "emspace": "\u2003", "enspace": "\u2002", "qmspace": "\u2005",
    "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "~": "\u00a0", "-": "\u00ad",
    "_": "-", "{": "{", "}": "}", "\\": "\\", "zwj": "\u200d", "zwnj": "\u200c", "ltrmark": "", "rtlmark": "",
}  # fmt: skip
_SKIPPED = frozenset((
    "fonttbl", "stylesheet", "colortbl", "info", "pict", "object", "fldinst", "datafield", "bkmkstart", "bkmkend",
    "atnid", "atnref", "atndate", "atntime", "atrfstart", "atrfend", "annotationref", "pntext", "nonesttables",
    "nonshppict", "sp", "shprslt", "xe", "tc", "rxe", "txe", "pn", "pnseclvl", "listtable", "listoverridetable",
    "revtbl", "rsidtbl", "generator", "ftnsep", "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "filetbl",
    "template", "private", "themedata", "colorschememapping", "latentstyles", "xmlnstbl", "mmathPr", "upr",
    "atnauthor", "listtext", "annotation", "footnote", "result", "operator", "author", "title", "do", "falt", "panose",
))  # fmt: skip
"""Destinations that are no text of the page."""
_TABLES = frozenset(("fonttbl", "stylesheet", "colortbl", "atnauthor"))
_TAKEN = _TABLES | {"listtext", "pntext", "object", "upr"}
"""Those of them that say something else, or hold text further in."""
_BOXES = ("shptxt", "dptxbxtext")
_WITHIN = {"result": "object", "ud": "upr"}
"""Destinations that hold text of the page, by what they stand in, which does not."""
_MARGINS = frozenset(("header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf"))
_HEADING = re.compile(r"(?:heading|überschrift|titre|título|titolo) ?[1-9]|title|subtitle", re.IGNORECASE)
_WHITE = (255, 255, 255)
_LONGEST_NAME = 200
Colour = tuple[int, int, int]


@dataclass(slots=True)
class _Group:
    """What holds in a group."""

    into: str = "text"
    """Where its text goes: "text"; "" for nowhere; else the destination that takes it."""
    font: int = -1
    skips: int = 1
    """How many bytes stand behind a Unicode character for older readers."""
    is_hidden: bool = False
    is_deleted: bool = False
    is_raised: bool = False
    size: int = 24
    colour: int = 0
    has_ground: bool = False
    owner: int = 0
    """The depth of the group that opened the destination."""

    def copy(self) -> _Group:
        """The same, to be changed; `dataclasses.replace` takes five times as long, and groups are many."""
        return _Group(
            self.into, self.font, self.skips, self.is_hidden, self.is_deleted, self.is_raised, self.size, self.colour,
            self.has_ground, self.owner,
        )  # fmt: skip


@dataclass(slots=True)
class _Table:
    start: int
    is_cell_due: bool = False


@dataclass(slots=True)
class _Aside:
    """A note, comment, header or footer: a flow of its own."""

    depth: int
    kind: str
    outer: Flow
    table: _Table | None
    flow: Flow = field(default_factory=Flow)


class Body:
    """Takes the tokens of one document.

    Attributes:
        is_done: Whether the document's group has ended; what follows is none of it.
    """

    def __init__(self) -> None:
        self._flow = self._main = Flow()
        self._foot = Foot(self._main)
        self._margins: list[Flow] = []
        self._said_margins: set[str] = set()
        self._group = _Group()
        self._stack: list[_Group] = []
        self._asides: list[_Aside] = []
        self._codec, self._default_font = "cp1252", -1
        self._fonts: dict[int, str | None] = {}
        self._symbols: set[int] = set()
        self._headings: set[int] = set()
        self._style = 0
        self._colours: list[Colour | None] = []
        self._rgb: dict[str, int] = {}
        self._bytes = bytearray()
        self._characters: list[str] = []
        self._passing = 0
        self._collected = ""
        self._author = ""
        self._notes = 0
        self._is_star = self._is_heading = self._is_item = self._in_table = False
        self._is_after_item = self._is_after_row = False
        self._table: _Table | None = None
        self.is_done = False

    def take(self, token: Token) -> None:
        """Take the next token."""
        if token.data:
            self._take_bytes(token.data)
        elif token.is_brace:
            self._flush()
            self._passing = 0
            if token.word == "{":
                self._stack.append(self._group.copy())
            else:
                self._close()
        else:
            self._take_word(token.word, token.number)

    def finished(self) -> Flow:
        """The document: its text, then what stands in its headers and footers."""
        self._flush()
        while self._asides:
            self._end_aside()
        self._end_paragraph()
        self._foot.write()
        for margin in self._margins:
            self._main.block()
            self._main.append(margin)
        return self._main

    def _take_bytes(self, data: bytes) -> None:
        passed = min(self._passing, len(data))
        self._passing -= passed
        if self._group.into and passed < len(data):
            self._bytes += data[passed:]

    def _take_word(self, word: str, number: int | None) -> None:
        if word == "u" and number is not None:
            self._decode()
            if self._group.into:
                self._characters.append(chr(number & 0xFFFF))
            self._passing = self._group.skips
            return
        self._passing = 0
        if word in _SIGNS:
            self._decode()
            if self._group.into:
                self._characters.append(_SIGNS[word])
            return
        self._flush()
        if word == "*":
            self._is_star = True
        elif self._opens(word):
            self._is_star = False
        elif self._is_star and word not in _MARGINS:
            self._is_star = False
            self._group.into = ""
        else:
            self._is_star = False
            self._state(word, number)
            if self._group.into == "text":
                self._layout(word)

    # groups

    def _opens(self, word: str) -> bool:
        """Whether a word says where the text of its group goes."""
        group = self._group
        if word in _MARGINS:
            self._start_aside("margin")
        elif word == "footnote":
            self._start_aside("footnote")
        elif word == "annotation":
            self._start_aside("annotation")
        elif word in _BOXES:
            group.into = "text"
            self._flow.block()
        elif word in _WITHIN and group.into == _WITHIN[word]:
            group.into = "text"
        elif word == "nesttableprops":
            pass
        elif word in _SKIPPED:
            group.into = word if word in _TAKEN and (group.into == "text" or word in _TABLES) else ""
            group.owner = len(self._stack)
            self._collected = ""
        else:
            return False
        return True

    def _close(self) -> None:
        if not self._stack:
            self.is_done = True
            return
        if self._asides and self._asides[-1].depth == len(self._stack):
            self._end_aside()
        group = self._group
        is_owner = group.owner == len(self._stack)
        if group.into in ("listtext", "pntext") and is_owner:
            self._item(self._collected)
        elif group.into == "atnauthor" and is_owner:
            self._author = self._collected.strip()[:_LONGEST_NAME]
        elif group.into == "stylesheet" and _HEADING.match(self._collected.strip()):
            self._headings.add(self._style)
        if group.into in ("stylesheet", "fonttbl"):
            self._collected = ""
        self._group = self._stack.pop()
        self.is_done = not self._stack

    def _start_aside(self, kind: str) -> None:
        aside = _Aside(len(self._stack), kind, self._flow, self._table)
        self._asides.append(aside)
        self._flow, self._table = aside.flow, None
        self._group.into = "text"
        if kind == "footnote":
            self._notes += 1
            aside.outer.verbatim(f"[{self._notes}]")

    def _end_aside(self) -> None:
        aside = self._asides.pop()
        self._flow, self._table = aside.outer, aside.table
        said = aside.flow.said()
        if not said.strip():
            return
        if aside.kind == "margin":
            if said not in self._said_margins:
                self._said_margins.add(said)
                self._margins.append(aside.flow)
            return
        mark = f"[{self._notes}]" if aside.kind == "footnote" else f"[{self._author or '…'}]"
        self._foot.wait(mark, partial(self._main.append, aside.flow))

    # what words set

    def _state(self, word: str, number: int | None) -> None:
        group, value = self._group, 0 if number is None else number
        is_on = number != 0
        match word:
            case "ansicpg":
                self._codec = codec_of_page(value) or self._codec
            case "mac":
                self._codec = "mac_roman"
            case "pc" | "pca":
                self._codec = "cp437" if word == "pc" else "cp850"
            case "deff":
                self._default_font = group.font = value
            case "f":
                group.font = value
            case "fcharset" if group.into == "fonttbl":
                self._fonts[group.font] = codec_of(value)
                if value == 2:
                    self._symbols.add(group.font)
            case "red" | "green" | "blue":
                self._rgb[word] = value
            case "uc":
                group.skips = max(0, min(value, 8))
            case "v":
                group.is_hidden = is_on
            case "deleted":
                group.is_deleted = is_on
            case "super":
                group.is_raised = is_on
            case "nosupersub" | "sub":
                group.is_raised = False
            case "fs":
                group.size = value
            case "cf":
                group.colour = value
            case "cb" | "chcbpat" | "highlight" | "chshdng" | "cbpat" | "shading":
                group.has_ground |= value > 0
            case "plain":
                group.is_hidden = group.is_deleted = group.is_raised = group.has_ground = False
                group.font, group.size, group.colour = self._default_font, 24, 0
            case "s":
                self._style = value
                self._is_heading |= group.into == "text" and value in self._headings
            case "outlinelevel":
                self._is_heading |= group.into == "text" and 0 <= value <= 8
            case "pard":
                self._is_heading = self._in_table = group.has_ground = False
            case "intbl":
                self._in_table = True

    def _layout(self, word: str) -> None:
        flow = self._flow
        match word:
            case "par" | "sect" | "\n" | "\r":
                self._end_paragraph()
            case "line" | "softline":
                flow.newline()
            case "page" | "pagebb" if not self._in_table:
                self._end_paragraph()
                if self._asides:
                    flow.block()
                else:
                    self._foot.page()
            case "trowd" if self._table is None:
                if not self._is_after_row:
                    self._end_paragraph()
                self._table = _Table(flow.mark())
            case "cell" | "nestcell":
                self._cell()
            case "row":
                if self._table is not None:
                    flow.row(self._table.start)
                self._table, self._is_after_row = None, True
            case "nestrow":
                flow.line()

    def _cell(self) -> None:
        self._end_heading()
        if self._table is None:
            self._table = _Table(self._flow.mark())
        if self._table.is_cell_due:
            self._flow.cell()
        self._table.is_cell_due = True

    def _end_paragraph(self) -> None:
        self._end_heading()
        if self._is_item:
            self._flow.line()
        else:
            self._flow.block()
        self._is_after_item, self._is_item = self._is_item, False

    def _end_heading(self) -> None:
        if self._flow.is_heading:
            self._flow.body()

    def _item(self, said: str) -> None:
        """What the file writes before an item for readers that cannot count."""
        label = said.strip()
        if len(label) == 1 and not label.isalnum():
            label = bullet(label, 0)
        if label and self._is_heading:
            self._say(f"{label} ")
        elif label:
            self._flow.marker(label)
            self._is_item, self._is_after_item = True, False

    # text

    def _decode(self) -> None:
        """Bytes become characters; they are of one font, as a change of it comes as a word."""
        if not self._bytes:
            return
        data, self._bytes = bytes(self._bytes), bytearray()
        group = self._group
        if group.font in self._symbols and group.into in ("listtext", "pntext"):
            self._characters.append("•" * bool(data.strip()))
            return
        self._characters.append(data.decode(self._fonts.get(group.font) or self._codec, "replace"))

    def _flush(self) -> None:
        """What was said so far goes where it belongs."""
        self._decode()
        if not self._characters:
            return
        said, self._characters = "".join(self._characters), []
        said = said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        into = self._group.into
        if into == "text":
            self._say(said)
        elif into == "colortbl":
            for _ in range(said.count(";")):
                rgb = tuple(self._rgb.get(name, 0) for name in ("red", "green", "blue")) if self._rgb else None
                self._colours.append(rgb)  # type: ignore[arg-type]
                self._rgb = {}
        elif into and len(self._collected) < _LONGEST_NAME:
            self._collected += said

    def _say(self, said: str) -> None:
        group, flow = self._group, self._flow
        if group.is_deleted:
            return
        if self._is_after_item or (self._is_after_row and not self._in_table and self._table is None):
            flow.block()
            self._is_after_item = self._is_after_row = False
        if self._asides and not flow.mark():
            said = said.lstrip()
        if self._in_table and self._table is None:
            self._table = _Table(flow.mark())
        if self._table is not None and self._table.is_cell_due:
            self._table.is_cell_due = False
            flow.cell()
        if self._is_heading and not flow.is_heading and said.strip() and self._table is None:
            flow.heading()
        start = flow.mark()
        flow.verbatim(said, is_hidden=self._is_unseen())
        if group.is_raised:
            flow.rewrite(start, raised)

    def _is_unseen(self) -> bool:
        group = self._group
        if group.is_hidden or 0 < group.size <= 2:
            return True
        colour = self._colours[group.colour] if 0 <= group.colour < len(self._colours) else None
        return colour == _WHITE and not group.has_ground and not self._in_table

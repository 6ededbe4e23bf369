"""The body of a DOCX, from its first paragraph to its last, as a Flow.

Kept: insertions, results of fields, text boxes (behind their paragraph), notes (at the foot of their page, else of
their section), comments (there too, behind their writer's name), headers and footers (once, at the end, as they
repeat). Left out: deletions and what was moved away, descriptions of pictures. Text set as hidden, and white text on no
ground outside of tables, is kept in place as unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from xml.etree.ElementTree import Element

from nemo_docs.library.readers.archive import attribute, child, children, chosen, local
from nemo_docs.library.readers.docx_numbering import Label, Numbering
from nemo_docs.library.readers.docx_styles import Styles, is_on
from nemo_docs.library.readers.flow import DEEPEST_ROW, Flow
from nemo_docs.library.readers.foot import Foot
from nemo_docs.library.readers.numbers import raised, spelled

_LEFT_OUT = frozenset((
    "del", "moveFrom", "instrText", "delText", "delInstrText", "pPr", "rPr", "tblPr", "tblGrid", "trPr", "tcPr",
    "sectPr", "sdtPr", "sdtEndPr", "rubyPr", "proofErr", "fldData", "docPr", "txbxContent",
))  # fmt: skip
_SYMBOLS = {
    "f0a8": "☐", "f06f": "☐", "f0fe": "☑", "f0fd": "☒", "f0fc": "✓", "f0fb": "✗", "f0e0": "→", "f0b7": "•",
    "f0a7": "▪", "f0b0": "°", "f0b1": "±", "f0b4": "×", "f0a3": "≤", "f0b3": "≥",
}  # fmt: skip
"""Signs of Wingdings and Symbol that documents use most, by their code in these fonts."""
_SAYING = frozenset(("t", "tab", "ptab", "sym", "drawing", "pict", "object", "footnoteReference", "endnoteReference"))
_MATHS = {"den": "/", "sup": "^", "sub": "_"}
"""What stands before the parts of a formula when it is written in one line."""


class Body:
    """Writes one document to a flow."""

    def __init__(self, flow: Flow, styles: Styles, numbers: Numbering, notes: Mapping[str, Element]) -> None:
        """Take what the body refers to.

        Args:
            flow: Where to write.
            styles: Of the document.
            numbers: Of its lists.
            notes: The parts "footnotes", "endnotes" and "comments", as far as there are any.
        """
        self._flow, self._styles, self._numbers = flow, styles, numbers
        self._notes = {(kind, attribute(note, "id")): note for kind, part in notes.items() for note in part}
        self._counts = dict.fromkeys(notes, 0)
        self._foot = Foot(flow)
        self._boxes: list[Element] = []
        self._paragraph: Element | None = None
        self._broken: Element | None = None
        """The page break that the paragraph begins with; it is heeded already."""
        self._tables = 0
        self._was_item = self._has_ground = self._has_pages = False

    def write(self, document: Element, margins: Sequence[Element] = ()) -> None:
        """Write the document part, then what stands in its headers and footers.

        Raises:
            RecursionError: If it is nested too deeply.
        """
        body = child(document, "body")
        if body is not None:
            self._has_ground = child(document, "background") is not None
            self._has_pages = any(map(_is_page_break, document.iter()))
            self._blocks(body)
        self._foot.write()
        for margin in margins:
            self._flow.block()
            self._blocks(margin)
            self._foot.write()

    def _blocks(self, parent: Element) -> None:
        for element in parent:
            match local(element):
                case "p":
                    self._write_paragraph(element)
                case "tbl":
                    self._table(element)
                case "AlternateContent":
                    self._blocks(chosen(element))
                case name if name not in _LEFT_OUT:
                    self._blocks(element)

    def _table(self, table: Element) -> None:
        self._flow.block()
        self._tables += 1
        for row in _within(table, "tr"):
            properties = child(row, "trPr")
            if child(properties, "del") is not None or is_on(child(properties, "hidden")):
                continue
            start = self._flow.mark()
            for position, cell in enumerate(_within(row, "tc")):
                if position and self._tables <= DEEPEST_ROW:
                    self._flow.cell()
                self._blocks(cell)
            if self._tables <= DEEPEST_ROW:
                self._flow.row(start)
        self._tables -= 1
        self._flow.block()
        self._was_item = False

    def _write_paragraph(self, paragraph: Element) -> None:
        properties = child(paragraph, "pPr")
        is_heading = self._styles.is_heading(properties)
        number = self._number(properties)
        if is_heading and not self._tables and not self._has_pages:
            self._foot.write()
        self._broken = _first_break(paragraph)
        is_broken = self._broken is not None or is_on(self._styles.of_paragraph(properties, "pageBreakBefore"))
        if is_broken and not self._tables:  # before its number
            self._foot.page()
        is_item = number is not None and not is_heading
        if is_item and self._was_item:
            self._flow.line()
        else:
            self._flow.block()
        if is_item and number:
            self._flow.marker("  " * number.level + number.label)
        if is_heading:
            self._flow.heading()
            self._flow.text(f"{number.label} " if number else "")
        outer, self._paragraph = self._paragraph, properties
        self._inline(paragraph)
        self._paragraph = outer
        if is_heading:
            self._flow.body()
        if is_item:
            self._flow.line()
        else:
            self._flow.block()
        self._was_item = is_item
        boxes, self._boxes = self._boxes, []
        for box in boxes:
            self._blocks(box)

    def _number(self, properties: Element | None) -> Label | None:
        """Count a paragraph of a list; one whose end is deleted is none of its own."""
        identity = attribute(self._styles.of_paragraph(properties, "numPr", "numId"), "val")
        if identity in ("", "0") or child(properties, "rPr", "del") is not None:
            return None
        level = attribute(self._styles.of_paragraph(properties, "numPr", "ilvl"), "val")
        return self._numbers.next(identity, int(level) if level.isdecimal() else 0)

    def _inline(self, parent: Element) -> None:
        for element in parent:
            match local(element):
                case "r":
                    self._run(element)
                case "AlternateContent":
                    self._inline(chosen(element))
                case "ruby":
                    self._ruby(element)
                case "den" | "sup" | "sub" as name:
                    self._flow.text(_MATHS[name])
                    self._inline(element)
                case "tbl":
                    self._table(element)
                case name if name not in _LEFT_OUT:
                    self._inline(element)

    def _run(self, run: Element) -> None:
        properties = child(run, "rPr")
        is_hidden = self._is_hidden(properties)
        start = self._flow.mark()
        for element in run:
            self._say(element, is_hidden)
        if attribute(child(properties, "vertAlign"), "val") == "superscript":
            self._flow.rewrite(start, raised)

    def _say(self, element: Element, is_hidden: bool) -> None:
        flow = self._flow
        match local(element):
            case "t":
                flow.verbatim(element.text or "", is_hidden=is_hidden)
            case "tab" | "ptab":
                flow.verbatim("\t")
            case "br" | "cr" | "lastRenderedPageBreak":
                if _is_page_break(element):
                    if element is not self._broken or self._tables:
                        self._foot.page()
                else:
                    flow.newline()
            case "noBreakHyphen":
                flow.verbatim("-", is_hidden=is_hidden)
            case "softHyphen":
                flow.verbatim("\u00ad", is_hidden=is_hidden)
            case "sym":
                flow.verbatim(_symbol(attribute(element, "char")), is_hidden=is_hidden)
            case "footnoteReference" | "endnoteReference" | "commentReference" as name:
                self._note(f"{name.removesuffix('Reference')}s", attribute(element, "id"))
            case "AlternateContent":
                for inner in chosen(element):
                    self._say(inner, is_hidden)
            case "ruby":
                self._ruby(element)
            case "drawing" | "pict" | "object":
                self._boxes += (box for box in element.iter() if local(box) == "txbxContent")

    def _ruby(self, ruby: Element) -> None:
        """A word with its reading above it: the reading follows in brackets."""
        for base in children(ruby, "rubyBase"):
            self._inline(base)
        for reading in children(ruby, "rt"):
            self._flow.verbatim("(")
            self._inline(reading)
            self._flow.verbatim(")")

    def _is_hidden(self, run: Element | None) -> bool:
        if run is None and self._paragraph is None:
            return False
        if self._styles.is_unseen(run, self._paragraph):
            return True
        grounds = (child(run, "shd"), child(run, "highlight"), self._styles.of_paragraph(self._paragraph, "shd"))
        has_ground = self._has_ground or self._tables or any(ground is not None for ground in grounds)
        return attribute(child(run, "color"), "val").upper() == "FFFFFF" and not has_ground

    def _note(self, kind: str, identity: str) -> None:
        """A reference to a note: its mark stays here, its text waits for the foot of the page."""
        note = self._notes.pop((kind, identity), None)
        if note is None:
            return
        if kind == "comments":
            self._foot.wait(f"[{attribute(note, 'author') or '…'}]", partial(self._note_text, note))
            return
        self._counts[kind] += 1
        mark = f"[{spelled(self._counts[kind], 'i' if kind == 'endnotes' else '1')}]"
        self._flow.verbatim(mark)
        self._foot.wait(mark, partial(self._note_text, note))

    def _note_text(self, note: Element) -> None:
        for position, paragraph in enumerate(each for each in note.iter() if local(each) == "p"):
            if position:
                self._flow.line()
            outer, self._paragraph = self._paragraph, child(paragraph, "pPr")
            self._inline(paragraph)
            self._paragraph = outer


def _within(parent: Element, name: str) -> Iterator[Element]:
    """The rows of a table or cells of a row, also those wrapped into controls."""
    for element in parent:
        if local(element) == name:
            yield element
        elif local(element) in ("sdt", "sdtContent", "customXml", "ins", "moveTo"):
            yield from _within(element, name)


def _first_break(paragraph: Element) -> Element | None:
    """The page break that a paragraph begins with, if it does."""
    for element in paragraph.iter():
        if _is_page_break(element):
            return element
        if local(element) in _SAYING:
            return None
    return None


def _is_page_break(element: Element) -> bool:
    name = local(element)
    return name == "lastRenderedPageBreak" or (name == "br" and attribute(element, "type") == "page")


def _symbol(code: str) -> str:
    """A sign by its code; one of a font's own that is not known here is a replacement character, so that it shows."""
    if code.lower() in _SYMBOLS:
        return _SYMBOLS[code.lower()]
    try:
        character = chr(int(code, 16))
    except (ValueError, OverflowError):
        return "\ufffd"
    return "\ufffd" if "\ue000" <= character <= "\uf8ff" else character

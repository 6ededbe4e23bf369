"""The body of an OpenDocument file as a Flow, by the rules of DOCX's.

Kept: insertions, fields, text boxes (behind their paragraph), notes and comments (at the foot of their page),
formulas as their writer typed them, headers and footers (once, at the end, as they repeat). Left out: deletions,
descriptions of pictures. Text set as hidden is kept in place as unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from xml.etree.ElementTree import Element

from nemo_docs.errors import Unreadable
from nemo_docs.library.readers.archive import Archive, attribute, child, children, local, resolved
from nemo_docs.library.readers.flow import DEEPEST_ROW, Flow
from nemo_docs.library.readers.foot import Foot
from nemo_docs.library.readers.numbers import raised
from nemo_docs.library.readers.odf_styles import Styles

_LEFT_OUT = frozenset((
    "tracked-changes", "forms", "event-listeners", "title", "desc", "binary-data", "user-field-decls", "variable-decls",
    "sequence-decls", "dde-connection-decls", "settings", "notes", "alphabetical-index-auto-mark-file", "date-time",
    "table-of-content-source", "alphabetical-index-source", "illustration-index-source", "bibliography-source",
    "user-index-source", "object-index-source", "table-index-source", "image", "named-expressions",
))  # fmt: skip
_SHAPES = frozenset((
    "frame", "custom-shape", "rect", "line", "polyline", "polygon", "path", "ellipse", "circle", "connector", "caption",
    "measure", "g", "control",
))  # fmt: skip
_ROWS = ("table-header-rows", "table-rows", "table-row-group")
_CELLS = ("table-cell", "covered-table-cell")
_MOST_SPACES = 100
_LEVELS = 10
_NOTES = "[Notes]"
_TITLES = ("title",)


class Body:
    """Writes one document, or one slide, to a flow.

    Args:
        flow: Where to write.
        styles: Of the document.
        archive: With the formulas.

    Attributes:
        has_picture: Whether there is a picture in it.
    """

    def __init__(self, flow: Flow, styles: Styles, archive: Archive) -> None:
        self._flow, self._styles, self._archive = flow, styles, archive
        self._foot = Foot(flow)
        self._boxes: list[Element] = []
        self._lists: list[str] = []
        """Styles of the lists that are open."""
        self._counts: dict[str, list[int]] = {}
        self._headings = [0] * _LEVELS
        self._label: str | None = None
        """Of the item that begins."""
        self._broken: Element | None = None
        """What a paragraph begins with: a page break there is heeded already."""
        self._tables = self._hidden = 0
        self._grounds = int(styles.has_ground)
        """What text may stand on beside the paper's white: tables, shapes, slides."""
        self.has_picture = False

    def write(self, text: Element, margins: Sequence[Element] = ()) -> None:
        """Write a text document, then what stands in its headers and footers.

        Raises:
            RecursionError: If it is nested too deeply.
        """
        self._blocks(text)
        self._foot.write()
        for margin in margins:
            self._flow.block()
            self._blocks(margin)
            self._foot.write()

    def write_slide(self, slide: Element) -> None:
        """Write a slide: title first, then in the file's order, then the speaker's notes.

        Raises:
            RecursionError: If it is nested too deeply.
        """
        self._grounds += 1
        titles = [each for each in slide if attribute(each, "class") in _TITLES]
        for each in titles:
            self._flow.heading()
            self._shape(each)
            self._flow.body()
        for each in slide:
            if each not in titles and attribute(each, "class") != "page-number":
                self._blocks([each])
        self._foot.write()
        for notes in children(slide, "notes"):
            said = [each for each in notes if attribute(each, "class") == "notes"]
            if any("".join(each.itertext()).strip() for each in said):
                self._flow.block()
                self._flow.verbatim(f"{_NOTES} ")
                for frame in said:
                    for position, paragraph in enumerate(each for each in frame.iter() if local(each) == "p"):
                        if position:
                            self._flow.line()
                        self._inline(paragraph)

    def _blocks(self, parent: Element | Sequence[Element]) -> None:
        for element in parent:
            match local(element):
                case "p" | "h" as name:
                    self._paragraph(element, is_heading=name == "h")
                case "list":
                    self._list(element)
                case "table":
                    self._table(element)
                case "soft-page-break":
                    self._break()
                case "section" if attribute(element, "display") == "none":
                    self._hidden += 1
                    self._blocks(element)
                    self._hidden -= 1
                case name if name in _SHAPES:
                    self._shape(element)
                case name if name not in _LEFT_OUT:
                    self._blocks(element)

    def _shape(self, shape: Element) -> None:
        """What stands in a frame or drawn shape; of a formula what was typed."""
        self._flow.block()
        self._grounds += 1
        for element in shape:
            match local(element):
                case "object":
                    self._object(attribute(element, "href"))
                case "image":
                    self.has_picture = True
                case _:
                    self._blocks([element])
        self._grounds -= 1
        self._flow.block()

    def _object(self, folder: str) -> None:
        """A formula as it was typed, a chart as its table."""
        member = f"{resolved('content.xml', folder)}/content.xml"
        if not folder or member not in self._archive:
            return
        try:
            part = self._archive.xml(member)
        except Unreadable:  # the text around a damaged object is read all the same
            return
        for element in part.iter():
            if local(element) == "annotation":
                self._say(element.text)
            elif local(element) == "chart":
                self._blocks(element)

    def _list(self, parent: Element) -> None:
        level = len(self._lists)
        style = attribute(parent, "style-name") or (self._lists[-1] if self._lists else "")
        if not style:
            first = next((each for each in parent.iter() if local(each) == "p"), None)
            style = self._styles.list_of(attribute(first, "style-name")) or ""
        if not self._lists and attribute(parent, "continue-numbering") != "true" and not _continues(parent):
            self._counts[style] = [0] * _LEVELS
        counts = self._counts.setdefault(style, [0] * _LEVELS)
        self._lists.append(style)
        for item in parent:
            if local(item) == "list-item" and level < _LEVELS and _begins(item):
                said = attribute(item, "start-value")
                if said.isdecimal() and len(said) < 10:
                    counts[level] = int(said)
                else:
                    counts[level] = counts[level] + 1 if counts[level] else self._styles.first(style, level)
                counts[level + 1 :] = [0] * (_LEVELS - level - 1)
                self._label = "  " * level + self._styles.label(style, level, counts)
            self._blocks(item)
            self._label = None
        self._lists.pop()

    def _table(self, table: Element) -> None:
        self._flow.block()
        self._tables += 1
        self._grounds += 1
        outer, self._lists = self._lists, []
        for row in _rows(table):
            if attribute(row, "visibility") == "collapse":
                continue
            start = self._flow.mark()
            for position, cell in enumerate(each for each in row if local(each) in _CELLS):
                if position and self._tables <= DEEPEST_ROW:
                    self._flow.cell()
                self._blocks(cell)
            if self._tables <= DEEPEST_ROW:
                self._flow.row(start)
        self._lists = outer
        self._tables -= 1
        self._grounds -= 1
        self._flow.block()

    def _paragraph(self, paragraph: Element, *, is_heading: bool) -> None:
        style = attribute(paragraph, "style-name")
        self._broken = next(iter(paragraph), None) if not (paragraph.text or "").strip() else None
        is_broken = self._broken is not None and local(self._broken) == "soft-page-break"
        if is_broken or self._styles.breaks_page(style):  # before its number
            self._break()
        label, self._label = self._label, None
        if label is None and is_heading and not self._lists:
            label = self._heading_label(paragraph, style)
        is_item = bool(self._lists) and not is_heading
        if is_item:
            self._flow.line()
        else:
            self._flow.block()
        if is_heading:
            self._flow.heading()
            self._flow.text(f"{label.strip()} " if label else "")
        elif label and _says(paragraph):
            self._flow.marker(label)
        is_hidden = self._styles.is_unseen("paragraph", style, has_ground=bool(self._grounds))
        self._hidden += is_hidden
        self._inline(paragraph)
        self._hidden -= is_hidden
        if is_heading:
            self._flow.body()
        if is_item:
            self._flow.line()
        else:
            self._flow.block()
        boxes, self._boxes = self._boxes, []
        for box in boxes:
            self._shape(box)

    def _heading_label(self, heading: Element, style: str) -> str:
        said = attribute(heading, "outline-level")
        level = int(said) - 1 if said.isdecimal() and 0 < int(said[:3]) <= _LEVELS else 0
        if attribute(heading, "is-list-header") == "true" or self._styles.list_of(style) == "":
            return ""
        self._headings[level] += 1
        self._headings[level + 1 :] = [0] * (_LEVELS - level - 1)
        return self._styles.heading_label(level, self._headings)

    def _inline(self, parent: Element) -> None:
        self._say(parent.text)
        for element in parent:
            self._within(element)
            self._say(element.tail)

    def _within(self, element: Element) -> None:
        flow = self._flow
        match local(element):
            case "s":
                count = attribute(element, "c")
                flow.verbatim(" " * min(int(count[:4]) if count.isdecimal() else 1, _MOST_SPACES))
            case "tab":
                flow.verbatim("\t")
            case "line-break":
                flow.newline()
            case "soft-page-break":
                if element is not self._broken:
                    self._break()
            case "note":
                mark = f"[{''.join(_text(child(element, 'note-citation'))).strip()}]"
                flow.verbatim(mark)
                self._foot.wait(mark, partial(self._note, child(element, "note-body")))
            case "annotation":
                writer = "".join(_text(child(element, "creator"))).strip()
                self._foot.wait(f"[{writer or '…'}]", partial(self._note, element))
            case "ruby":
                for base in children(element, "ruby-base"):
                    self._inline(base)
                if reading := "".join(_text(child(element, "ruby-text"))).strip():
                    self._say(f"({reading})")
            case "hidden-text" | "hidden-paragraph":
                self._hidden += 1
                self._inline(element)
                self._hidden -= 1
            case "span":
                self._span(element)
            case name if name in _SHAPES:
                self._boxes.append(element)
            case name if name not in _LEFT_OUT:
                self._inline(element)

    def _span(self, span: Element) -> None:
        style = attribute(span, "style-name")
        is_hidden = self._styles.is_unseen("text", style, has_ground=bool(self._grounds))
        self._hidden += is_hidden
        start = self._flow.mark()
        self._inline(span)
        if self._styles.is_raised(style):
            self._flow.rewrite(start, raised)
        self._hidden -= is_hidden

    def _note(self, note: Element | None) -> None:
        for position, paragraph in enumerate(each for each in _elements(note) if local(each) == "p"):
            if position:
                self._flow.line()
            self._inline(paragraph)

    def _say(self, text: str | None) -> None:
        self._flow.text(text or "", is_hidden=bool(self._hidden))

    def _break(self) -> None:
        if not self._tables:
            self._foot.page()


def _rows(table: Element) -> Iterator[Element]:
    for element in table:
        if local(element) == "table-row":
            yield element
        elif local(element) in _ROWS:
            yield from _rows(element)


def _begins(item: Element) -> bool:
    """Whether an item says something; one that only holds a deeper list is not counted."""
    return any(local(each) in ("p", "h") for each in item)


def _continues(parent: Element) -> bool:
    return bool(attribute(parent, "continue-list"))


def _says(paragraph: Element) -> bool:
    return any(text.strip() for text in paragraph.itertext())


def _elements(parent: Element | None) -> Iterator[Element]:
    return iter(()) if parent is None else parent.iter()


def _text(element: Element | None) -> Iterator[str]:
    return iter(()) if element is None else element.itertext()

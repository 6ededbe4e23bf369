"""The shapes of a slide as a Flow: title first, then in the file's order, which is the one that is read aloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element

from nemo_docs.library.readers.archive import attribute, child, children, chosen, local
from nemo_docs.library.readers.charts import write_chart
from nemo_docs.library.readers.flow import Flow
from nemo_docs.library.readers.numbers import bullet, raised, spelled
from nemo_docs.library.readers.packages import reference

_TITLES = ("title", "ctrTitle")
_LISTS = ("", "body", "obj")
"""Placeholders whose paragraphs are items unless they say otherwise; the first is that of plain content."""
_LEFT_OUT = frozenset(("pPr", "rPr", "endParaRPr", "tcPr", "tblPr", "tblGrid", "bodyPr", "lstStyle"))
_STYLES = {"arabic": "1", "alphaLc": "a", "alphaUc": "A", "romanLc": "i", "romanUc": "I", "ea1Jpn": "一", "ea1Ch": "一"}
_FRAMES = {"Period": "{}.", "ParenR": "{})", "ParenBoth": "({})", "Plain": "{}"}
_NOTES = "[Notes]"
_DIAGRAM_TEXT = ("", "node", "asst", "doc")


class Shapes:
    """Writes one slide to a flow.

    Args:
        flow: Where to write.
        drawn: What its diagrams and charts are drawn from, by the identity that the slide has for them.

    Attributes:
        has_picture: Whether there is a picture on it.
    """

    def __init__(self, flow: Flow, drawn: Mapping[str, Element]) -> None:
        self._flow, self._drawn = flow, drawn
        self._counts: dict[int, int] = {}
        self.has_picture = False

    def write(self, slide: Element) -> None:
        """Write a slide's part.

        Raises:
            RecursionError: If it is nested too deeply.
        """
        tree = list(_shapes(child(slide, "cSld", "spTree")))
        titles = [shape for shape in tree if _placeholder(shape) in _TITLES]
        for shape in titles:
            self._flow.block()
            self._flow.heading()
            for text in children(shape, "txBody"):
                self._paragraphs(text)
            self._flow.body()
        for shape in tree:
            if shape not in titles:
                self._shape(shape)

    def write_notes(self, notes: Element) -> None:
        """Write the part of the speaker's notes, where it says anything."""
        bodies = [
            text
            for shape in _shapes(child(notes, "cSld", "spTree"))
            if _placeholder(shape) == "body"
            for text in children(shape, "txBody")
        ]
        if any(map(_says, bodies)):
            self._flow.block()
            self._flow.verbatim(f"{_NOTES} ")
            for body in bodies:
                for position, paragraph in enumerate(children(body, "p")):
                    if position:
                        self._flow.line()
                    self._inline(paragraph)

    def _shape(self, shape: Element) -> None:
        self._flow.block()
        match local(shape):
            case "pic":
                self.has_picture = True
            case "graphicFrame":
                for element in shape.iter():
                    if local(element) == "tbl":
                        self._table(element)
                    elif local(element) == "relIds":
                        self._diagram(self._drawn.get(reference(element, "dm")))
                    elif local(element) == "chart" and (data := self._drawn.get(reference(element))) is not None:
                        write_chart(data, self._flow)
            case _:
                for text in children(shape, "txBody"):
                    self._paragraphs(text, is_list=_placeholder(shape) in _LISTS)
        self._flow.block()

    def _table(self, table: Element) -> None:
        for row in children(table, "tr"):
            start = self._flow.mark()
            for position, cell in enumerate(children(row, "tc")):
                if position:
                    self._flow.cell()
                for text in children(cell, "txBody"):
                    self._paragraphs(text)
            self._flow.row(start)

    def _diagram(self, data: Element | None) -> None:
        for point in children(child(data, "ptLst"), "pt"):
            if attribute(point, "type") in _DIAGRAM_TEXT:
                for text in children(point, "t"):
                    self._paragraphs(text)

    def _paragraphs(self, text: Element, *, is_list: bool = False) -> None:
        self._counts.clear()
        for paragraph in children(text, "p"):
            self._flow.line()
            properties = child(paragraph, "pPr")
            said = attribute(properties, "lvl")
            level = int(said) if said.isdecimal() and len(said) == 1 else 0
            if _says(paragraph) and (label := self._label(properties, level, is_list)):
                self._flow.marker("  " * level + label)
            self._inline(paragraph)
            self._flow.line()

    def _label(self, properties: Element | None, level: int, is_list: bool) -> str:
        for deeper in [each for each in self._counts if each > level]:
            del self._counts[deeper]
        numbered = child(properties, "buAutoNum")
        if numbered is not None:
            start = attribute(numbered, "startAt")
            first = int(start) if start.isdecimal() and len(start) < 6 else 1
            self._counts[level] = self._counts.get(level, first - 1) + 1
            return _numbered(attribute(numbered, "type"), self._counts[level])
        self._counts.pop(level, None)
        sign = child(properties, "buChar")
        if child(properties, "buNone") is not None or (sign is None and not is_list):
            return ""
        return bullet(attribute(sign, "char"), level)

    def _inline(self, parent: Element) -> None:
        for element in parent:
            match local(element):
                case "t":
                    self._flow.verbatim(element.text or "")
                case "br":
                    self._flow.newline()
                case "fld" if attribute(element, "type") == "slidenum":
                    pass
                case "r":
                    start = self._flow.mark()
                    self._inline(element)
                    rise = attribute(child(element, "rPr"), "baseline")
                    if rise.isdecimal() and int(rise) > 0:
                        self._flow.rewrite(start, raised)
                case "AlternateContent":
                    self._inline(chosen(element))
                case name if name not in _LEFT_OUT:
                    self._inline(element)


def _shapes(tree: Element | None) -> Iterable[Element]:
    """The shapes of a tree, those in groups too."""
    for element in () if tree is None else tree:
        match local(element):
            case "sp" | "pic" | "graphicFrame":
                yield element
            case "grpSp":
                yield from _shapes(element)
            case "AlternateContent":
                yield from _shapes(chosen(element))


def _says(element: Element) -> bool:
    return any(local(each) == "t" and (each.text or "").strip() for each in element.iter())


def _placeholder(shape: Element) -> str | None:
    """What a shape holds the place of; None for one that holds none."""
    for properties in shape:
        found = child(properties, "nvPr", "ph")
        if found is not None:
            return attribute(found, "type")
    return None


def _numbered(style: str, number: int) -> str:
    name = next((each for each in _STYLES if style.startswith(each)), "arabic")
    frame = next((_FRAMES[each] for each in _FRAMES if style.endswith(each)), "{}.")
    return frame.format(spelled(number, _STYLES[name]))

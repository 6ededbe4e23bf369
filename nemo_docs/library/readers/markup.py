"""From a parsed HTML page to a Flow: what a browser would show, as text.

The rules are those of the HTML standard for `innerText` (html.spec.whatwg.org, "rendered text collection"), with what
readers need besides: list numbers, rows as lines, raised digits as such (10⁶ is not 106), note marks in brackets, the
reading of a Japanese word behind it in brackets. Menus (`nav`), scripts, styles, form controls and what stands in for a
film or a frame are left out. The walk keeps its own stack, so that depth costs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from nemo_docs.library.readers.flow import DEEPEST_ROW, Flow
from nemo_docs.library.readers.numbers import bullet, raised, spelled
from nemo_docs.library.readers.unseen import Unseen

_NOISE = frozenset((
    "script", "style", "template", "noscript", "head", "iframe", "object", "embed", "video", "audio", "canvas",
    "select", "datalist", "button", "input", "progress", "meter", "textarea", "annotation", "annotation-xml", "rp",
    "desc", "metadata", "title",
))  # fmt: skip
_BLOCKS = frozenset((
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "menu", "blockquote", "pre", "table", "figure", "hr",
    "section", "article", "aside", "header", "footer", "main", "form", "fieldset", "details", "caption", "address",
    "math",
))  # fmt: skip
"""With a blank line around them. Mathematics only where it is set as a block of its own."""
_LINES = frozenset((
    "div", "li", "dt", "dd", "tr", "body", "html", "figcaption", "summary", "legend", "center", "optgroup", "thead",
    "tbody", "tfoot",
))  # fmt: skip
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_NOTE_MARK = re.compile(r"[0-9]{1,4}|[a-z]{1,4}")
_DEEPEST_WORD = 8
"""So many elements are between a picture and its line at most."""


@dataclass
class _List:
    is_ordered: bool
    style: str
    number: int
    step: int


@dataclass
class _Open:
    """An element that is being walked, and what its end has to do."""

    tag: str
    start: int
    is_hidden: bool
    is_verbatim: bool
    cells: int = 0


class _Writer:
    def __init__(self, tree: LexborHTMLParser, flow: Flow, keeps_menus: bool) -> None:
        self._flow = flow
        self._noise = _NOISE if keeps_menus else _NOISE | {"nav"}
        self._unseen = Unseen(tree)
        self._open: list[_Open] = []
        self._lists: list[_List] = []
        self._readings: list[str] = []
        self._rows = 0

    def write(self, root: LexborNode) -> None:
        """Walk the tree below a node, and the node itself."""
        node: LexborNode | None = root
        path: list[LexborNode] = []
        while node is not None:
            child = node.first_child if self._enter(node) else None
            if child is not None:
                path.append(node)
                node = child
                continue
            self._leave(node)
            while path and node.next is None:
                node = path.pop()
                self._leave(node)
            node = node.next if path else None

    def _enter(self, node: LexborNode) -> bool:
        """Begin a node; whether to go into it."""
        outer = self._open[-1] if self._open else _Open("", 0, False, False)
        if node.is_text_node:
            say = self._flow.verbatim if outer.is_verbatim else self._flow.text
            say(node.text_content or "", is_hidden=outer.is_hidden)
            return False
        tag = (node.tag or "").rpartition(":")[2]
        if not node.is_element_node or tag in self._noise:
            return False
        if tag == "br":
            self._flow.newline()
            return False
        if tag == "img":
            self._picture(node, outer.is_hidden)
            return False
        is_verbatim = outer.is_verbatim or tag in ("pre", "listing", "xmp")
        is_hidden = outer.is_hidden or self._unseen.starts_at(node)
        self._begin(tag, node)
        self._open.append(_Open(tag, self._flow.mark(), is_hidden, is_verbatim))
        return True

    def _begin(self, tag: str, node: LexborNode) -> None:
        flow = self._flow
        if _is_block(tag, node):
            flow.block()
        elif tag in _LINES:
            flow.line()
        if tag in _HEADINGS:
            flow.heading()
        elif tag in ("ul", "ol", "menu"):
            if self._lists:
                flow.line()
            self._lists.append(_list(tag, node))
        elif tag == "li":
            flow.marker(self._item(node))
        elif tag == "tr":
            self._rows += 1
        elif tag in ("td", "th") and self._open:
            row = self._open[-1]
            row.cells += 1
            if row.cells > 1 and self._rows <= DEEPEST_ROW:
                flow.cell()
        elif tag == "q":
            flow.text("“")

    def _leave(self, node: LexborNode) -> None:
        tag = (node.tag or "").rpartition(":")[2]
        if not node.is_element_node or tag in self._noise or tag in ("br", "img"):
            return
        flow, opened = self._flow, self._open.pop()
        if tag in _HEADINGS:
            flow.body()
        elif tag in ("ul", "ol", "menu"):
            self._lists.pop()
        elif tag == "tr":
            if self._rows <= DEEPEST_ROW:
                flow.row(opened.start)
            self._rows -= 1
        elif tag == "sup":
            flow.rewrite(opened.start, _note_mark if _has_link(node) else raised)
        elif tag == "rt":
            self._readings.append(flow.take(opened.start).strip())
        elif tag == "ruby":
            reading, self._readings = "".join(self._readings), []
            flow.text(f"({reading})" if reading else "", is_hidden=opened.is_hidden)
        elif tag == "q":
            flow.text("”")
        if _is_block(tag, node):
            flow.block()
        elif tag in _LINES:
            flow.line()

    def _item(self, node: LexborNode) -> str:
        depth = max(0, len(self._lists) - 1)
        inside = self._lists[-1] if self._lists else _List(False, "", 1, 1)
        indent = "  " * min(depth, 8)
        if not inside.is_ordered:
            return indent + bullet("", depth)
        number = _whole(node.attributes.get("value"), inside.number)
        inside.number = number + inside.step
        return f"{indent}{spelled(number, inside.style)}."

    def _picture(self, node: LexborNode, is_hidden: bool) -> None:
        """A picture among words (a dropped capital, a formula) stands for its own; any other is only seen."""
        words = (node.attributes.get("alt") or "").strip()
        if words and _is_among_words(node):
            self._flow.text(words, is_hidden=is_hidden or self._unseen.starts_at(node))


def write_markup(tree: LexborHTMLParser, flow: Flow, *, keeps_menus: bool = False) -> None:
    """Add what a page shows to a flow.

    Args:
        tree: The page.
        flow: Where to add it.
        keeps_menus: Whether `nav` is text, as in a book, where it is the table of contents.
    """
    if tree.body is not None:
        _Writer(tree, flow, keeps_menus).write(tree.body)


def _is_block(tag: str, node: LexborNode) -> bool:
    return tag in _BLOCKS and (tag != "math" or node.attributes.get("display") == "block")


def _list(tag: str, node: LexborNode) -> _List:
    is_reversed = "reversed" in node.attributes
    count = sum(child.tag == "li" for child in node.iter()) if is_reversed else 1
    first = _whole(node.attributes.get("start"), count)
    return _List(tag == "ol", node.attributes.get("type") or "1", first, -1 if is_reversed else 1)


def _whole(value: str | None, otherwise: int) -> int:
    return int(value) if value and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", value) else otherwise


def _has_link(node: LexborNode) -> bool:
    return any(each is not None and each.tag == "a" for each in (node.parent, node.first_child))


def _note_mark(said: str) -> str:
    return f"[{said.strip()}]" if _NOTE_MARK.fullmatch(said.strip()) else said


def _is_among_words(node: LexborNode) -> bool:
    """Whether text stands beside a node on its line."""
    at: LexborNode | None = node
    for _ in range(_DEEPEST_WORD):
        if at is None or (at is not node and (at.tag in _BLOCKS or at.tag in _LINES or at.tag in ("td", "th"))):
            return False
        for neighbour in (at.prev, at.next):
            if neighbour is not None and neighbour.is_text_node and (neighbour.text_content or "").strip():
                return True
        at = at.parent
    return False

"""HTML and XHTML through selectolax (Lexbor, the HTML standard's own parsing): what a browser would show.

Nothing is fetched, no script runs, no entity is defined: the parser knows the standard's own and nothing else. The
encoding is what a byte order mark says, else UTF-8 if the bytes are valid UTF-8, else what the page declares, else the
best guess. Pages are cut before headings where that gives about 3,000 characters, and named after them.
"""

from __future__ import annotations

import codecs
import html
import re
from importlib.metadata import version

from selectolax.lexbor import LexborHTMLParser

from nemo_docs.errors import Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.flow import Flow, pages_of
from nemo_docs.library.readers.markup import write_markup
from nemo_docs.library.readers.text import decode

_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""")
_DECLARED_WITHIN = 2048
_SUPERSETS = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932",
    "euc_kr": "cp949", "iso8859-9": "cp1254", "iso8859-11": "cp874",
}  # fmt: skip
"""What browsers take a declared encoding for (encoding.spec.whatwg.org)."""
_SEVEN_BITS = ("iso2022_jp", "hz", "utf-16", "utf-16-le", "utf-16-be")
"""Encodings whose bytes may look like UTF-8 and are not."""
_XML = re.compile(r"\s*<\?xml\b")
_SELF_CLOSED = re.compile(r"<([A-Za-z][\w.:-]*)((?:\s[^<>]*)?)/>")
_VOID = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
))  # fmt: skip
_CDATA = re.compile(r"<!\[CDATA\[((?:(?!<!\[CDATA\[).)*?)\]\]>", re.DOTALL)


_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)[^<>]*>")
_PLAIN = frozenset((
    "div", "span", "section", "article", "main", "center", "font", "b", "i", "u", "s", "em", "strong", "small", "big",
    "tt", "code", "abbr", "cite", "label", "nobr",
))  # fmt: skip
_DEEPEST = 2_000
"""Browsers stop at 512: the standard's parser takes the square of the depth."""


class HtmlReader:
    """Reads an HTML page."""

    extractor = f"selectolax {version('selectolax')}"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Parse a page and cut it.

        Raises:
            Unreadable: If it shows no text, or is not in an encoding that can be recognised.
        """
        flow = Flow()
        tree = parse(decode_markup(data))
        write_markup(tree, flow)
        title = tree.css_first("title")
        self._pages = pages_of(flow.sheets())
        if not self._pages:
            raise Unreadable("it shows no text")
        if title is not None and not any(page.label for page in self._pages):
            self._pages = [page._replace(label=" ".join(title.text().split())) for page in self._pages]
        self.pages = len(self._pages)

    def page(self, number: int) -> RawText:
        """One page as it would be seen."""
        return self._pages[number - 1]


def parse(text: str, *, is_xml: bool = False) -> LexborHTMLParser:
    """A page as a tree; what only XML knows (self-closed elements, character data) is said as HTML says it."""
    if is_xml or _XML.match(text):
        text = _CDATA.sub(lambda found: html.escape(found[1]), text)
        text = _SELF_CLOSED.sub(_closed, text)
    return LexborHTMLParser(_flattened(text) if text.count("<") > _DEEPEST else text)


def _flattened(text: str) -> str:
    """A page without the plain elements that stand too deep in each other; what is in them stays."""
    depth = 0

    def told(tag: re.Match[str]) -> str:
        nonlocal depth
        if tag[2].lower() not in _PLAIN:
            return tag[0]
        depth = max(0, depth - 1) if tag[1] else depth + 1
        return tag[0] if depth <= _DEEPEST else ""

    return _TAG.sub(told, text)


def _closed(found: re.Match[str]) -> str:
    return found[0] if found[1].lower() in _VOID else f"<{found[1]}{found[2]}></{found[1]}>"


def decode_markup(data: bytes) -> str:
    """HTML or XML as text.

    Raises:
        Unreadable: If it is empty, or in no encoding that can be recognised.
    """
    declared = _declared(data[:_DECLARED_WITHIN])
    if data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or not declared:
        return decode(data)
    if declared not in _SEVEN_BITS:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    text = data.decode(declared, "replace")
    return decode(data) if text.count("\ufffd") > len(text) // 100 else text


def _declared(head: bytes) -> str:
    """The codec that a page names; empty where it names none that there is."""
    found = _DECLARED.search(head)
    if found is None:
        return ""
    try:
        codec = codecs.lookup(found[1].decode())
        b"".decode(codec.name)  # codecs that are not of text raise here
    except LookupError:
        return ""
    return _SUPERSETS.get(codec.name, codec.name)

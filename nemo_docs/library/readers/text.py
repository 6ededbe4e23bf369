"""Plain text and its relatives (Markdown, TeX, subtitles, tables): read as they are written, markup and all.

The encoding is what a byte order mark says, else UTF-8 if the bytes are valid UTF-8, else the best guess of
charset-normalizer among the encodings of our languages. A form feed starts a new page; a page is otherwise cut at a
paragraph break after about 3,000 characters.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_left
from collections.abc import Sequence

from nemo_docs.errors import Unreadable
from nemo_docs.library.readers import RawText

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ENCODINGS = (
    "utf_16_le", "utf_16_be", "cp1252", "latin_1", "iso8859_15", "mac_roman", "cp437", "cp850", "cp1256", "iso8859_6",
    "cp932", "shift_jis", "euc_jp", "gb18030", "big5", "cp949", "euc_kr",
)  # fmt: skip
_GUESS_BYTES = 200_000
_PAGE_CHARACTERS = 3_000
_LONGEST_PAGE = 4_500
_PARAGRAPH_BREAK = re.compile(r"\n[^\S\n\f]*\n\s*")


class TextReader:
    """Reads a text file."""

    extractor = "text 1"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Decode a text and cut it into pages.

        Raises:
            Unreadable: If it is empty, or not text in an encoding that can be recognised.
        """
        text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
        if not text.strip():
            raise Unreadable("it holds no text")
        self._pages = [page for sheet in text.split("\f") for page in cut_pages(sheet)]
        self.pages = len(self._pages)

    def page(self, number: int) -> RawText:
        """One page as it was written."""
        return RawText(self._pages[number - 1])


def decode(data: bytes) -> str:
    """Bytes as text.

    Raises:
        Unreadable: If they are empty, or in no encoding that can be recognised.
    """
    if not data:
        raise Unreadable("it is empty")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = _guess(data)
    if text.count("\0") > len(text) // 1000:
        raise Unreadable("it is not text")
    return text


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data[:_GUESS_BYTES]
    if best := from_bytes(sample, cp_isolation=list(_ENCODINGS)).best():
        return data.decode(best.encoding, "replace")
    raise Unreadable("it is not text in an encoding that can be recognised")


def cut_pages(text: str, sections: Sequence[int] = ()) -> list[str]:
    """A text in pages of about 3,000 characters, cut where a section starts, else a paragraph ends, a line, a word.

    Joined, the pages are the text again. A blank text is one page.

    Args:
        text: To be cut.
        sections: Where sections start in it, in order.
    """
    pages: list[str] = []
    start = 0
    while len(text) - start > _LONGEST_PAGE:
        cut = _cut(text, start, sections)
        pages.append(text[start:cut])
        start = cut
    return [*pages, text[start:]]


def _cut(text: str, start: int, sections: Sequence[int]) -> int:
    first, best, last = start + _PAGE_CHARACTERS // 2, start + _PAGE_CHARACTERS, start + _LONGEST_PAGE
    if within := sections[bisect_left(sections, first) : bisect_left(sections, last)]:
        return min(within, key=lambda at: abs(at - best))
    breaks = [match.end() for match in _PARAGRAPH_BREAK.finditer(text, first, last) if match.end() < last]
    if breaks:
        return min(breaks, key=lambda at: abs(at - best))
    for separator in ("\n", ". ", "。", "।", " "):
        if (at := text.rfind(separator, first, best + 1)) >= 0:
            return at + len(separator)
    return best

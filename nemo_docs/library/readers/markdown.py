"""Markdown: read as it is written, markup and all; each page is named after the heading that it stands under.

The source is what its writer edits and quotes, so it is the page text. markdown-it-py, which the app shows answers
with, says where headings are: a line that begins with # inside a block of code is none.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

from markdown_it import MarkdownIt

from nemo_docs.errors import Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.flow import Sheet, pages_of
from nemo_docs.library.readers.text import decode

_LONGEST_LABEL = 120


class MarkdownReader:
    """Reads a Markdown file."""

    extractor = "markdown 1"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Decode a text and cut it into pages, at form feeds and best before headings.

        Raises:
            Unreadable: If it is empty, or not text in an encoding that can be recognised.
        """
        text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
        if not text.strip():
            raise Unreadable("it holds no text")
        self._pages = pages_of(Sheet(sheet, headings=headings(sheet)) for sheet in text.split("\f"))
        self.pages = len(self._pages)

    def page(self, number: int) -> RawText:
        """One page as it was written."""
        return self._pages[number - 1]


def headings(text: str) -> list[tuple[int, str]]:
    """Where headings start in a text of Markdown, as offsets, and what they say."""
    lines = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    tokens = MarkdownIt().disable("inline").parse(text)
    return [
        (lines[token.map[0]], " ".join(said.content.split())[:_LONGEST_LABEL])
        for token, said in pairwise(tokens)
        if token.type == "heading_open" and token.map and said.content.strip()
    ]

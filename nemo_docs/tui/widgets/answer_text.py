"""The model's own words as Markdown. Imported late: the parser and its widgets take longer than the first paint.

A model repeats what documents tell it, so its text is hostile: no link, image, HTML or character reference is made of
it, code is not highlighted (that would load a lexer by a name of the model's choice), and a table's cells get no
tooltips, which would be read as markup. Of brackets only the program's own citation marks, `[3]`, can be clicked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Markdown, Static
from textual.widgets._markdown import MarkdownBlock, MarkdownFence, MarkdownTable, MarkdownTableContent

from nemo_docs.plain import printable

_LONGEST_MARK = 4
"""Digits."""


class AnswerText(Markdown):
    """An answer, growing."""

    DEFAULT_CSS = """
    AnswerText {
        padding: 0 1 0 2;
        MarkdownBlock {
            link-color: $text-accent;
            link-background: transparent;
            link-style: bold;
        }
        MarkdownHeader, MarkdownH1, MarkdownH2 {
            margin: 0 0 1 0;
            content-align: left middle;
            background: transparent;
            text-style: bold;
        }
        MarkdownFence {
            margin: 0 0 1 0;
        }
    }
    """

    class MarkClicked(Message):
        """A citation mark was clicked."""

        def __init__(self, marker: int) -> None:
            super().__init__()
            self.marker = marker

    def __init__(self) -> None:
        super().__init__(parser_factory=_parser, open_links=False)

    async def add(self, text: str) -> None:
        """Show the next stretch."""
        await self.append(printable(text, lines=True))

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        """Only marks are links."""
        event.stop()
        event.prevent_default()
        self.post_message(self.MarkClicked(int(event.href)))


class _PlainFence(MarkdownFence):
    @classmethod
    def highlight(cls, code: str, language: str, ansi: bool = False, dark: bool = False) -> Content:
        return Content(code)


class _PlainTableContent(MarkdownTableContent):
    def compose(self) -> ComposeResult:
        for header in self.headers:
            yield Static(header, classes="header", markup=False)
        for number, row in enumerate(self.rows, 1):
            for cell in row:
                yield Static(cell, classes=f"row{number} cell", markup=False)


class _PlainTable(MarkdownTable):
    def compose(self) -> ComposeResult:
        self._headers, self._rows = self._get_headers_and_rows()
        yield _PlainTableContent(self._headers, self._rows)

    async def _update_from_block(self, block: MarkdownBlock) -> None:
        await MarkdownBlock._update_from_block(self, block)  # MarkdownTable's own fails on a row that only grows


AnswerText.BLOCKS = {
    **Markdown.BLOCKS,
    "fence": _PlainFence,
    "code_block": _PlainFence,
    "table_open": _PlainTable,
}


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.disable(["link", "image", "autolink", "reference", "entity", "html_inline", "html_block"])
    parser.inline.ruler.before("link", "mark", _mark)
    return parser


def _mark(state: StateInline, silent: bool) -> bool:
    """Make a link of `[3]`: the parser's own rules would need a target behind it."""
    end = state.src.find("]", state.pos, state.pos + _LONGEST_MARK + 2)
    number = state.src[state.pos + 1 : end]
    if state.src[state.pos] != "[" or end < 0 or not (number.isascii() and number.isdecimal()):
        return False
    if not silent:
        push: Callable[..., Any] = state.push
        push("link_open", "a", 1).attrs = {"href": number}
        push("text", "", 0).content = f"[{number}]"
        push("link_close", "a", -1)
    state.pos = end + 1
    return True

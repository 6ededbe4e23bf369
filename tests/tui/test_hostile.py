"""Hostile text in every pane: it is shown as text, moves nothing, and can do nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from textual.pilot import Pilot

from nemo_docs.answering.events import Answer, Citation, Claim, Coverage, Span, Timing
from nemo_docs.library.conversations import Conversations
from nemo_docs.plain import printable
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.messages import DocumentOpened
from nemo_docs.tui.widgets.conversation import Conversation
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.page_view import PageView
from nemo_docs.tui.widgets.source_pane import SourcePane
from tests.tui.shelf import shelve
from tests.tui.support import app_on, until

pytestmark = pytest.mark.asyncio

HOSTILE = (
    "[red]x[/] [@click=app.quit]y[/] [link=file:///etc/passwd]z[/] \x1b]0;owned\x07 \x1b[2J \x9b2J \u202eright\u2066 "
    f"e{chr(0x301) * 300} a\u200bb\u200dc\ufeff \r\x00\x7f\u2028 <script>!</script> ![i](file:///etc) "
)
LONG_LINE = "z" * 100_000
MANY_LINES = "A line of an answer.\n" * 10_000
COVERAGE = Coverage(1, 1, 0, 1, 0, 9, 9, 1, 1)


def drawn(app: NemoDocsApp) -> Iterator[Segment]:
    """Everything that stands on the screen, with what can be clicked."""
    for strip in app.screen._compositor.render_strips():
        yield from strip


def assert_harmless(pilot: Pilot[None]) -> None:
    width = pilot.app.size.width
    for strip in pilot.app.screen._compositor.render_strips():
        assert strip.cell_length == cell_len(strip.text) == width
    for segment in drawn(pilot.app):
        assert printable(segment.text) == segment.text
        clicks = str((segment.style.meta if segment.style else {}).get("@click", ""))
        assert "quit" not in clicks
        assert not (segment.style and segment.style.link)
    assert pilot.app.is_running


def spoil(library: Path, text: str) -> None:
    """Put a text where only somebody who edits the library by hand can."""
    with closing(sqlite3.connect(library)) as connection, connection:
        connection.execute("UPDATE documents SET title = ?", (text,))
        connection.execute("UPDATE texts SET text = ?, sha256 = ?", (text, hashlib.sha256(text.encode()).hexdigest()))
        connection.execute("UPDATE pages SET note = ?, language = ?", (text, text[:40]))
        connection.execute("INSERT INTO collections (name, key) VALUES (?, ?)", (text, "k"))
        connection.execute("INSERT INTO collection_documents SELECT 1, id FROM documents")


def keep(handle: str, text: str) -> None:
    """A question and an answer that hold it."""
    kept = Conversations(load().paths.library)
    turn = kept.begin_turn(None, text, [handle])
    citation = Citation(1, handle, text, text, text, (Span(1, 0, 5, "0" * 64),))
    claim = Claim(0, 5, text, (1,), (text,))
    answer = Answer(text, text, "stop", (claim,), (citation,), COVERAGE, Timing(), text, "en")
    kept.finish_turn(turn, answer.as_dict(), "answered", read=[handle])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(HOSTILE, id="marks"),
        pytest.param(HOSTILE + LONG_LINE, id="line", marks=pytest.mark.slow),
        pytest.param(HOSTILE + MANY_LINES, id="lines", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_every_pane_shows_it_as_text(tiny_folder: Path, tmp_path: Path, size: tuple[int, int], text: str) -> None:
    (handle,) = shelve(tmp_path / "files", {"lease.txt": "The rent is due."}).values()
    keep(handle, text)
    spoil(load().paths.library, text)
    async with app_on(tiny_folder).run_test(size=size) as pilot:
        main = pilot.app.main
        await until(pilot, lambda: main.query_one(LibraryPane).documents)
        await until(pilot, lambda: main.query_one(Conversation).turns)
        await until(pilot, lambda: main.query_one(Conversation).turns[0].is_over)
        assert_harmless(pilot)
        main.post_message(DocumentOpened(handle, 1))
        await until(pilot, lambda: main.query_one(PageView).display and main.query_one(SourcePane).is_settled)
        assert_harmless(pilot)
        for keys in (["f4", "n"], ["f3", "t"], ["escape", "delete"], ["escape", "f4", "e"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert_harmless(pilot)

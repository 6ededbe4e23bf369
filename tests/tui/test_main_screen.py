"""Which panes are seen, what the keys do, and that leaving is quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from textual.events import Key, Paste
from textual.widget import Widget
from textual.widgets import Input

from nemo_docs.answering.events import Citation, Span
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.jobs.job import Job
from nemo_docs.tui.messages import CitationShown, DocumentOpened
from nemo_docs.tui.widgets.conversation import Conversation
from nemo_docs.tui.widgets.document_list import DocumentList
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.page_view import PageView
from nemo_docs.tui.widgets.prompt import Prompt
from nemo_docs.tui.widgets.source_pane import SourcePane
from tests.tui.support import add_document, app_on, click, until

pytestmark = pytest.mark.asyncio

PANES = ("#library", "#conversation", "#source")
CITATION = Citation(1, "a", "lease.txt", "a.1", "The rent", (Span(1, 0, 8, "0" * 64),))


def seen(app: NemoDocsApp) -> tuple[str, ...]:
    """The panes that take room on the screen."""
    return tuple(pane for pane in PANES if app.main.query_one(pane, Widget).region.area)


@pytest.mark.parametrize(
    ("size", "panes"),
    [
        ((80, 24), ("#library", "#conversation")),
        ((120, 36), PANES),
        ((200, 60), PANES),
    ],
)
async def test_panes_have_the_room_that_there_is(
    tiny_folder: Path, home: Path, size: tuple[int, int], panes: tuple[str]
) -> None:
    add_document(home, "lease.txt", "The rent is due.")
    async with app_on(tiny_folder).run_test(size=size) as pilot:
        await pilot.pause()
        assert seen(pilot.app) == panes
        screen = pilot.app.screen.region
        for widget in (*map(pilot.app.main.query_one, panes), pilot.app.main.query_one(Prompt)):
            assert screen.contains_region(widget.region)


async def test_a_narrow_screen_shows_the_side_that_was_asked_for_last_or_none(tiny_folder: Path, home: Path) -> None:
    add_document(home, "lease.txt", "The rent is due.")
    async with app_on(tiny_folder).run_test(size=(80, 24)) as pilot:
        app = pilot.app
        await pilot.press("f5")
        assert seen(app) == ("#conversation", "#source")
        await pilot.press("f3")
        assert seen(app) == ("#library", "#conversation")
        app.main.post_message(DocumentOpened("a"))
        await until(pilot, lambda: seen(app) == ("#conversation", "#source"))
        await app.run_action("toggle_pane('source')", app.main)
        await pilot.pause()
        assert seen(app) == ("#conversation",)
        app.main.post_message(CitationShown(CITATION, is_chosen=False))
        await pilot.pause()
        assert seen(app) == ("#conversation",)
        app.main.post_message(CitationShown(CITATION))
        await until(pilot, lambda: seen(app) == ("#conversation", "#source"))
        await pilot.resize_terminal(120, 30)
        await until(pilot, lambda: "#conversation" in seen(app) and "#source" in seen(app))


async def test_side_panes_are_put_away_by_a_click_on_their_names(tiny_folder: Path, home: Path) -> None:
    add_document(home, "lease.txt", "The rent is due.")
    async with app_on(tiny_folder).run_test(size=(120, 30)) as pilot:
        await click(pilot, "TitleLine", offset=(16, 0))
        await until(pilot, lambda: seen(pilot.app) == ("#conversation", "#source"))
        await click(pilot, "TitleLine", offset=(27, 0))
        await until(pilot, lambda: seen(pilot.app) == ("#conversation",))
        await click(pilot, "TitleLine", offset=(16, 0))
        await until(pilot, lambda: seen(pilot.app) == ("#library", "#conversation"))


async def test_keys_go_to_each_pane_and_again_puts_a_side_away(tiny_folder: Path, home: Path) -> None:
    add_document(home, "lease.txt", "The rent is due.")
    async with app_on(tiny_folder).run_test(size=(120, 30)) as pilot:
        app = pilot.app
        await pilot.press("f4")
        assert app.main.query_one(Conversation).has_focus_within
        await pilot.press("f6")
        assert isinstance(app.focused, Prompt)
        await pilot.press("f5")
        assert app.main.query_one("#source").has_focus_within
        await pilot.press("f5")
        await pilot.pause()
        assert "#source" not in seen(app)
        assert isinstance(app.focused, Prompt)


async def test_escape_with_nothing_to_stop_goes_to_the_prompt(tiny_folder: Path) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        await pilot.press("f4", "escape")
        assert isinstance(pilot.app.focused, Prompt)


async def test_the_palette_offers_the_table_and_carries_it_out(tiny_folder: Path, home: Path) -> None:
    add_document(home, "lease.txt", "The rent is due.")
    async with app_on(tiny_folder).run_test() as pilot:
        offered = {action.id: carry_out for action, carry_out in pilot.app.main.offers()}
        assert {"help", "settings", "theme", "quit", "cancel", "copy_answer", "send", "next_page"} <= offered.keys()
        assert "palette" not in offered
        offered["focus_conversation"]()
        await until(pilot, lambda: pilot.app.main.query_one(Conversation).has_focus_within)


async def test_quitting_waits_for_nobody(tiny_folder: Path) -> None:
    is_asked, is_let_go = [], []
    app = app_on(tiny_folder)

    def deaf(cancelled: object) -> list[None]:
        is_asked.append(True)
        while not is_let_go:
            time.sleep(0.01)
        return []

    async with app.run_test() as pilot:
        job = Job(app.main, "deaf", deaf).start()
        await until(pilot, lambda: is_asked)
        await pilot.press("ctrl+q")
    assert not app.is_running
    assert job.is_running
    assert job.is_cancelled
    is_let_go.append(True)


FIRST_PAINT = """
import asyncio, json, sys
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp

async def main():
    async with NemoDocsApp(load()).run_test():
        print(json.dumps(sorted(sys.modules)))

asyncio.run(main())
"""


async def test_the_first_paint_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_PAINT], capture_output=True, text=True, env={**os.environ})
    modules = set(json.loads(done.stdout))
    assert not modules & {
        "torch",
        "numpy",
        "tokenizers",
        "markdown_it",
        "tomlkit",
        "sqlite_utils",
        "textual.widgets._markdown",
        "nemo_docs.answering.ask",
    }


async def test_a_key_is_drawn_while_other_threads_compute(tiny_folder: Path) -> None:
    is_over: list[bool] = []

    def busy(cancelled: object) -> list[None]:
        while not is_over:
            sum(range(1000))
        return []

    async with app_on(tiny_folder).run_test() as pilot:
        Job(pilot.app.main, "busy", busy).start()
        for _ in range(20):
            pilot.app.post_message(Key("x", "x"))
        await until(pilot, lambda: pilot.app.main.query_one(Prompt).text == "x" * 20)
        is_over.append(True)


async def test_escape_closes_the_field_that_is_written_before_it_stops_anything(tiny_folder: Path, home: Path) -> None:
    add_document(home, "lease.txt", "The rent is due.")
    async with app_on(tiny_folder).run_test(size=(160, 40)) as pilot:
        main = pilot.app.main
        await until(pilot, lambda: main.query_one(LibraryPane).documents)
        main.post_message(DocumentOpened("a", 1))
        await until(pilot, lambda: main.query_one(PageView).display)
        for key, pane, field in (("f3", LibraryPane, "#library-filter"), ("f5", SourcePane, "#source-search")):
            await pilot.press(key)
            await until(pilot, lambda pane=pane: main.query_one(pane).has_focus_within)
            await pilot.press("slash", *"no such", "escape")
            await until(pilot, lambda field=field: not main.query_one(field).display)
            assert main.query_one(pane).has_focus_within
        assert main.query_one(LibraryPane).query_one(DocumentList).row is not None
        await pilot.press("escape")
        assert main.query_one(Prompt).has_focus


@pytest.mark.parametrize(("key", "field"), [("f3", "#library-filter"), ("f5", "#source-search")])
async def test_fields_show_what_would_act_on_the_terminal(tiny_folder: Path, home: Path, key: str, field: str) -> None:
    add_document(home, "lease.txt", "The rent is due.")
    async with app_on(tiny_folder).run_test(size=(160, 40)) as pilot:
        main = pilot.app.main
        await until(pilot, lambda: main.query_one(LibraryPane).documents)
        main.post_message(DocumentOpened("a", 1))
        await until(pilot, lambda: main.query_one(PageView).display)
        await pilot.press(key, "slash")
        pilot.app.post_message(Paste("\x1b[2J[red]x\u202e"))
        await until(pilot, lambda: main.query_one(field, Input).value == r"\x1b[2J[red]x\u202e")

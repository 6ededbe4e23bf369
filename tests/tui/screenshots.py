"""Make the pictures of the README: `python -m tests.tui.screenshots`.

Nothing in them is painted: the app runs on a new library with the embedded model, which `make setup` has fetched, and
is used by its keys. Only the fonts that Textual would have a reader's browser fetch are taken out.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from nemo_docs import settings
from nemo_docs.library.samples import samples_folder
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.screens.search import SearchScreen
from nemo_docs.tui.widgets.conversation import Conversation
from nemo_docs.tui.widgets.fit_meter import FitMeter
from nemo_docs.tui.widgets.hit_list import HitList
from nemo_docs.tui.widgets.job_list import JobList
from nemo_docs.tui.widgets.job_row import Stage
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.prompt import Prompt
from nemo_docs.tui.widgets.source_pane import SourcePane
from nemo_docs.tui.widgets.welcome import Welcome
from tests.tui.support import until

SCREENS = Path(__file__).resolve().parents[2] / "assets" / "screens"
LARGE, SMALL = (130, 36), (80, 24)
QUESTION = "What is said about rest and holidays?"
SOUGHT = "rest, leisure and paid holidays"
LONG = 40
"""Copies of the samples' text, so that adding and reading take long enough to be seen."""
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_MOST_BYTES = 150_000


def keep(app: NemoDocsApp, name: str) -> None:
    """Write what is on the screen.

    Raises:
        AssertionError: It is too large, or would tell of this machine or call another.
    """
    drawn = _FONTS.sub("", app.export_screenshot(simplify=True)).replace("Fira Code, monospace", "monospace")
    drawn = drawn.replace("font-family: Fira Code", "font-family: ui-monospace, 'Fira Code', monospace")
    assert len(drawn.encode()) < _MOST_BYTES, name
    for told in (str(Path.home()), tempfile.gettempdir(), "url(http", "@font-face"):
        assert told not in drawn, (name, told)
    SCREENS.mkdir(parents=True, exist_ok=True)
    (SCREENS / f"{name}.svg").write_text(drawn, encoding="utf-8")


async def welcome(pilot: Pilot[Any]) -> None:
    """The first start; then the samples are added by a click."""
    app = pilot.app
    shown = app.main.query_one(Welcome)
    await until(pilot, lambda: shown.display and str(shown.query_one("#welcome-large").render()))
    await counted(pilot)
    keep(app, "welcome")
    await pilot.click("#samples")
    pane = app.main.query_one(LibraryPane)
    await until(pilot, lambda: len(pane.documents) == 11 and not app.main.query_one(JobList).rows)


async def answer(pilot: Pilot[Any]) -> None:
    """A question about the English sample, and its quote in the page."""
    app = pilot.app
    pane, conversation = app.main.query_one(LibraryPane), app.main.query_one(Conversation)
    handle = next(each.handle for each in pane.documents if each.title == "udhr.en.txt")
    await pilot.press("f3", *["down"] * [each.handle for each in pane.documents].index(handle), "space", "f6")
    app.main.query_one(Prompt).take(QUESTION)
    await pilot.press("enter")
    await until(pilot, lambda: conversation.turns and conversation.turns[-1].answer)
    await pilot.press("f4", "n")
    await until(pilot, lambda: app.main.query_one(SourcePane).is_settled)
    await counted(pilot)
    keep(app, "answer")
    app.theme = "nemo-light"
    await pilot.pause()
    keep(app, "light")
    app.theme = "nemo-dark"
    await pilot.resize_terminal(*SMALL)
    await pilot.press("k", "n")
    await counted(pilot)
    keep(app, "narrow")
    await pilot.resize_terminal(*LARGE)


async def searching(pilot: Pilot[Any]) -> None:
    """Passages of all samples that hold some words."""
    app = pilot.app
    await pilot.press("ctrl+f")
    await until(pilot, lambda: isinstance(app.screen, SearchScreen) and app.focused)
    screen = app.screen
    await pilot.press("ctrl+l", *SOUGHT)
    await until(pilot, lambda: screen._sought.words == SOUGHT and screen.is_settled and screen.query_one(HitList).hit)
    screen.query_one(Input).cursor_blink = False
    await pilot.pause()
    keep(app, "search")
    await pilot.press("escape")
    await until(pilot, lambda: app.screen is app.main)


async def reading(pilot: Pilot[Any], folder: Path) -> None:
    """Two documents on their way: one into the library, one through the model."""
    app = pilot.app
    text = (samples_folder() / "udhr.fr.txt").read_text(encoding="utf-8")
    book = folder / "histoire.txt"
    book.write_text("\f".join([text] * LONG * 10), encoding="utf-8")
    jobs = app.main.query_one(JobList)
    jobs.read([each.handle for each in app.main.query_one(LibraryPane).documents])
    await until(pilot, lambda: jobs.rows and jobs.rows[0].work.share > 0.02 and "left" in said(jobs, 0))
    jobs.add([str(book)])
    await until(pilot, lambda: jobs.rows[-1].stage is Stage.RUNNING and "left" in said(jobs, -1))
    await pilot.press("f3")
    keep(app, "reading")
    await pilot.press("escape", "escape")


def said(jobs: JobList, row: int) -> str:
    """What a row tells."""
    return jobs.rows[row]._detail()


async def counted(pilot: Pilot[Any]) -> None:
    """Let all be known and nothing blink."""
    for field in pilot.app.screen.query(TextArea):
        field.cursor_blink = False
    meter = pilot.app.main.query_one(FitMeter)
    await pilot.pause(0.2)
    await until(pilot, lambda: meter.is_settled)
    await pilot.pause()


async def main(folder: Path) -> None:
    """One session, from the first start on."""
    app = NemoDocsApp(load(options={"in_process": True, "theme": "nemo-dark"}))
    app.animation_level = "none"
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await welcome(pilot)
        await answer(pilot)
        await searching(pilot)
        await reading(pilot, folder)


def run(call: Callable[[Path], Any]) -> None:
    """Call it in a home of its own, with the models of this machine."""
    models = os.environ.get("NEMO_DOCS_TEST_MODELS") or str(load().paths.models)
    for name in settings.names():
        os.environ.pop(f"NEMO_DOCS_{name.upper()}", None)
    folder = Path(tempfile.mkdtemp())
    try:
        os.environ["NEMO_DOCS_HOME"], os.environ["NEMO_DOCS_MODELS_FOLDER"] = str(folder / "home"), models
        asyncio.run(call(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run(main)

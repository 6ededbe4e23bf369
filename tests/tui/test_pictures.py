"""How the main screen looks in each of its states: dark, light, in the terminal's own colours; narrow and wide.

After a wanted change: `pytest tests/tui/test_pictures.py --snapshot-update`, and look at what changed. Nothing in a
picture depends on the machine: the documents are made here, answers are kept ones, cursors do not blink, and what would
tell of memory or speed is given.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension
from textual.command import CommandList
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from nemo_docs.answering.events import Progress
from nemo_docs.errors import Encrypted, Unreadable
from nemo_docs.library.events import FileDone, FileFailed, FileStarted, PageDone
from nemo_docs.library.reading_queue import QueuedDocument, QueueState
from nemo_docs.library.records import Page, PageFlag, PageStatus
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.jobs.job import JobEvent
from nemo_docs.tui.jobs.work import Adding
from nemo_docs.tui.messages import DocumentOpened
from nemo_docs.tui.screens.failures import FailuresScreen
from nemo_docs.tui.screens.ledger import LedgerScreen
from nemo_docs.tui.screens.line import LineScreen
from nemo_docs.tui.screens.search import SearchScreen
from nemo_docs.tui.widgets.adding_row import AddingRow
from nemo_docs.tui.widgets.conversation import Conversation
from nemo_docs.tui.widgets.document_list import DocumentList
from nemo_docs.tui.widgets.fit_meter import FitMeter, parts
from nemo_docs.tui.widgets.hit_list import HitList
from nemo_docs.tui.widgets.job_list import JobList
from nemo_docs.tui.widgets.job_row import JobRow, Stage
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.reading_row import ReadingRow
from nemo_docs.tui.widgets.source_pane import SourcePane
from nemo_docs.tui.widgets.turn import TurnState
from nemo_docs.tui.widgets.turn_menu import TurnMenu
from nemo_docs.tui.widgets.welcome import Machine, Welcome
from tests.tui.stage import FIT, app_without_model, set_stage, shares
from tests.tui.support import until

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("hurry")]

THEMES = ("nemo-dark", "nemo-light", "ansi-dark", "ansi-light")
NARROW, WIDE, TINY = (80, 24), (160, 45), (60, 15)
State = Callable[[Pilot[Any]], Awaitable[None]]
STAGES: dict[State, dict[str, bool]] = {}
"""What a state's library holds; of those that are missing nothing."""


def on_stage(**stage: bool) -> Callable[[State], State]:
    """Let a state have a library."""

    def keep(state: State) -> State:
        STAGES[state] = stage
        return state

    return keep


async def welcome(pilot: Pilot[Any]) -> None:
    """Nothing in the library yet."""
    shown = pilot.app.screen.query_one(Welcome)
    await until(pilot, lambda: shown.display and shown._job and not shown._job.is_running)
    machine = Machine(
        "SmolLM2 135M Instruct answers. Small and English: it finds passages, but do not trust its own wording.",
        "Mistral NeMo 12B answers far better. It needs 24.5 GB of memory (this machine has 16 GB, too little), 24.5 GB "
        "of disk (free here: 310 GB), and about 33 minutes to fetch at 100 Mbit/s: nemo-docs model pull nemo",
        "samples",
    )
    shown.post_message(JobEvent(shown._job, machine))
    await settled(pilot)


@on_stage(collections=True)
async def library(pilot: Pilot[Any]) -> None:
    """Documents in collections, two of them selected."""
    await pilot.press("f3", "down", "space", *["down"] * 5, "space")


@on_stage(conversation=True)
async def answer(pilot: Pilot[Any]) -> None:
    """An answer with a quote lit in its source."""
    await pilot.press("f4", "n", "n")
    await until(pilot, lambda: pilot.app.screen.query_one(SourcePane).is_settled)


@on_stage(conversation=True)
async def answer_end(pilot: Pilot[Any]) -> None:
    """The same without a pane at its side, as far down as it goes."""
    await answer(pilot)
    await pilot.press("f5", "f5", "f6")


@on_stage()
async def failed(pilot: Pilot[Any]) -> None:
    """A question that could not be answered."""
    conversation = pilot.app.screen.query_one(Conversation)
    await conversation.ask("When is the rent due?", ())
    await until(pilot, lambda: conversation.turns[0].state is TurnState.FAILED and conversation.query(TurnMenu))
    await pilot.press("f4")
    await settled(pilot)


@on_stage()
async def jobs(pilot: Pilot[Any]) -> None:
    """Work in each of its stages."""
    listed, desk = pilot.app.screen.query_one(JobList), pilot.app.main.desk
    far, page = time.monotonic() + 1e6, PageStatus.OK  # so that no speed is told

    running = JobRow(Adding(desk, ["/x/contracts", "/x/letters"]))
    running.work.take(FileStarted("/x/contracts/deed of 1998.pdf", 3, 12), far)
    running.work.take(PageDone("/x/contracts/deed of 1998.pdf", "f", "deed of 1998.pdf", 130, 412, page, 9), far)
    reading = ReadingRow([QueuedDocument("a", "lease.txt", 1, QueueState.WAITING, "", True)])
    reading.work.take(Progress("reading", 1, 3, 4_200, 12_300, 0, 185.0), far)
    paused = ReadingRow([QueuedDocument("b", "letters.txt", 2, QueueState.PAUSED, "", True)])
    sealed = JobRow(Adding(desk, ["/x/sealed.pdf"]))
    sealed.work.take(FileFailed("/x/sealed.pdf", Encrypted("/x/sealed.pdf is encrypted.")), far)
    broken = JobRow(Adding(desk, ["/x/broken.pdf"]))
    error = Unreadable("broken.pdf cannot be read: it ends too soon.", hint="Save it anew and add it again.")
    broken.work.take(FileFailed("/x/broken.pdf", error), far)
    waiting, done = JobRow(Adding(desk, ["/x/later.pdf"])), JobRow(Adding(desk, ["/x/letter.txt"]))
    done.work.take(FileDone("/x/letter.txt", "g", "letter.txt", 3, 1, 900, "en", 0, False), far)
    stages = (Stage.RUNNING, Stage.RUNNING, Stage.PAUSED, Stage.WAITING, Stage.DONE, Stage.FAILED, Stage.FAILED)
    for row, stage in zip((running, reading, paused, waiting, done, sealed, broken), stages, strict=True):
        row.stage = stage
        listed._show(row)
    await settled(pilot)
    await pilot.press("f3")
    sealed.focus(scroll_visible=False)
    await pilot.pause()
    listed.scroll_home(animate=False, immediate=True)


@on_stage()
async def source(pilot: Pilot[Any]) -> None:
    """A document that was searched, its right-to-left and wide neighbours in the library."""
    pilot.app.main.post_message(DocumentOpened("a", 2))
    pane = pilot.app.screen.query_one(SourcePane)
    await until(pilot, lambda: pane._leaf and pane.is_settled)
    await pilot.press("f5", "slash", *"tenant", "enter")
    await until(pilot, lambda: pane._places and pane.is_settled)


@on_stage()
async def searching(pilot: Pilot[Any]) -> None:
    """Words are typed into the source's search."""
    await source(pilot)
    await pilot.press("slash")


@on_stage()
async def ledger(pilot: Pilot[Any]) -> None:
    """Pages of every kind, some chosen to be read again."""
    await pilot.press("f3", "p")
    await until(pilot, lambda: isinstance(pilot.app.screen, LedgerScreen) and pilot.app.screen.pages)
    screen = pilot.app.screen
    assert isinstance(screen, LedgerScreen)
    await until(pilot, lambda: screen.focused and not screen._loading)
    screen._pages = [
        Page(1, PageStatus.OK, 812, 0, "pypdf 7.1.0", "en", "x", "", "Latin", (), "i"),
        Page(2, PageStatus.EMPTY, 0, 0, "pypdf 7.1.0", "und", "", "no text layer", "", (PageFlag.SCAN,), "ii"),
        Page(3, PageStatus.OK, 3_204, 2, "pdfium 5.11", "ar", "x", "", "Arabic", (PageFlag.REORDERED,), "1"),
        Page(4, PageStatus.OK, 99, 0, "pypdf 7.1.0", "en", "x", "[red]\x1b", "Latin", (PageFlag.GARBLED,), "[b]A\n"),
        Page(5, PageStatus.OK, 2_118, 0, "ocr 5.5", "ja", "x", "hidden text left out: 40 characters", "Han",
             (PageFlag.SCAN, PageFlag.HIDDEN, PageFlag.TABLE), "第一章 賃貸借契約書"),
        Page(6, PageStatus.TIMEOUT, 0, 0, "pypdf 7.1.0", "und", "", "took more than 30 s", "", (PageFlag.TIMEOUT,)),
    ]  # fmt: skip
    screen._document = replace(screen._document, pages=len(screen._pages))
    screen._show()
    await pilot.press("down", "space", "down", "down", "space", "down")


@on_stage()
async def hits(pilot: Pilot[Any]) -> None:
    """Passages of several documents."""
    await pilot.press("f3", "down", "down", "ctrl+f", *"the rent day third tenant")
    await until(pilot, lambda: isinstance(pilot.app.screen, SearchScreen) and pilot.app.screen.is_settled)
    screen = pilot.app.screen
    await until(pilot, lambda: screen.query_one(HitList).hit)
    await pilot.press("down")


@on_stage()
async def failures_row(pilot: Pilot[Any]) -> None:
    """Many files could not be added."""
    listed = pilot.app.screen.query_one(JobList)
    row = AddingRow(Adding(pilot.app.main.desk, ["/x/scans"]), Stage.FAILED)
    for number in range(40):
        title = f"{number:02} deed of {1970 + number}.pdf"
        wrong = Unreadable(f"{title} cannot be read: it ends too soon.", hint="Save it anew and add it again.")
        sealed = Encrypted(f"{title} is encrypted.", hint="Give its password.")
        row.work.failures.append(FileFailed(f"/x/scans/{title}", sealed if number % 5 == 2 else wrong))
    listed._show(row)
    await until(pilot, lambda: row.query("#failures") and row.query_one("#failures").region)
    row.focus()
    await until(pilot, lambda: row.has_focus)


@on_stage()
async def failures(pilot: Pilot[Any]) -> None:
    """All of them."""
    await failures_row(pilot)
    await pilot.press("f")
    await until(pilot, lambda: isinstance(pilot.app.screen, FailuresScreen) and pilot.app.focused)
    await pilot.press("space", "down", "down", "space")


@on_stage()
async def filtering(pilot: Pilot[Any]) -> None:
    """Words of a title are typed."""
    await pilot.press("f3", "slash", *"lea")
    await until(pilot, lambda: len(pilot.app.screen.query_one(DocumentList)._rows) == 1)


@on_stage()
async def palette(pilot: Pilot[Any]) -> None:
    """Actions found by a word."""
    await pilot.press("ctrl+p", *"next")
    await until(pilot, lambda: len(pilot.app.screen.query_one(CommandList).options) == 5)


@on_stage()
async def password(pilot: Pilot[Any]) -> None:
    """A password is typed."""
    detail = "It is used once, to read the file, and kept nowhere."
    pilot.app.push_screen(LineScreen("The password of sealed.pdf", detail=detail, is_password=True))
    await until(pilot, lambda: isinstance(pilot.app.focused, Input))
    await pilot.press(*"secret")


@on_stage(collections=True)
async def collecting(pilot: Pilot[Any]) -> None:
    """A document's collections are named."""
    await pilot.press("f3", "home", "down", "t")
    await until(pilot, lambda: isinstance(pilot.app.focused, Input))


@on_stage(conversation=True)
async def removing(pilot: Pilot[Any]) -> None:
    """The conversation is about to be forgotten."""
    await pilot.press("f4", "delete")
    await until(pilot, lambda: pilot.app.screen.is_modal and pilot.app.focused)


async def settled(pilot: Pilot[Any]) -> None:
    """Let the fit be known, and then be the one of the pictures."""
    screen = pilot.app.main
    meter, pane = screen.query_one(FitMeter), screen.query_one(LibraryPane)
    await until(pilot, lambda: pane.is_loaded and meter._handles is not None)
    if not pane.documents:
        await until(pilot, lambda: meter.is_settled)
        return
    wanted = parts(FIT, is_library=not pane.selected)
    while True:
        await until(pilot, lambda: meter.is_settled)
        if meter._parts == wanted:
            return
        meter._show(wanted, is_wrong=False)
        await pilot.pause()


MAIN: dict[str, State] = {
    "welcome": welcome,
    "library": library,
    "answer": answer,
    "answer_end": answer_end,
    "failed": failed,
    "jobs": jobs,
    "source": source,
}
OTHERS: dict[str, tuple[State, tuple[int, int], str]] = {
    "searching": (searching, NARROW, "nemo-dark"),
    "ledger": (ledger, NARROW, "nemo-dark"),
    "ledger-wide": (ledger, WIDE, "nemo-light"),
    "failures-row": (failures_row, NARROW, "nemo-dark"),
    "failures": (failures, NARROW, "nemo-light"),
    "hits": (hits, NARROW, "nemo-dark"),
    "hits-ansi": (hits, WIDE, "ansi-light"),
    "filtering": (filtering, NARROW, "nemo-light"),
    "palette": (palette, NARROW, "nemo-dark"),
    "palette-ansi": (palette, NARROW, "ansi-light"),
    "password": (password, NARROW, "nemo-dark"),
    "collecting": (collecting, WIDE, "nemo-light"),
    "removing": (removing, NARROW, "ansi-dark"),
    "tiny-welcome": (welcome, TINY, "nemo-dark"),
    "tiny-library": (library, TINY, "nemo-dark"),
    "tiny-answer": (answer, TINY, "nemo-dark"),
    "tiny-failures": (failures_row, TINY, "nemo-dark"),
    "tiny-hits": (hits, TINY, "nemo-dark"),
    "tiny-jobs": (jobs, TINY, "nemo-dark"),
}


async def pictures(app: NemoDocsApp, size: tuple[int, int], state: State, folder: Path, themes: tuple[str, ...]) -> Any:
    """The state in each of the themes, one after the other."""
    app.animation_level, app.theme = "none", themes[0]
    handles = set_stage(folder, **STAGES[state]) if state in STAGES else {}
    async with app.run_test(size=size) as pilot:
        screen = app.main
        await settled(pilot)
        screen.query_one(LibraryPane).set_read_share(shares(handles))
        await until(
            pilot,
            lambda: bool(screen.query_one(Conversation).turns) is (STAGES.get(state, {}).get("conversation", False)),
        )
        await state(pilot)
        await settled(pilot)
        for field in app.screen.query("Input, TextArea").results(Input | TextArea):
            field.cursor_blink = False
        for theme in themes:
            app.theme = theme
            await pilot.pause()
            await settled(pilot)
            yield theme, app.export_screenshot(simplify=True)


@pytest.fixture
def picture(snapshot: Any) -> Any:
    """Pictures that were found good."""
    return snapshot.use_extension(SVGImageExtension)


@pytest.mark.parametrize("size", [NARROW, pytest.param(WIDE, marks=pytest.mark.slow)], ids=["narrow", "wide"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "answer" else pytest.mark.slow) for name in MAIN]
)
async def test_main_screen(name: str, size: tuple[int, int], picture: Any, tmp_path: Path) -> None:
    seen = pictures(app_without_model(), size, MAIN[name], tmp_path, THEMES)
    wrong = [theme async for theme, drawn in seen if drawn != picture(name=theme)]
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
async def test_other_states(name: str, picture: Any, tmp_path: Path) -> None:
    state, size, theme = OTHERS[name]
    async for _, drawn in pictures(app_without_model(), size, state, tmp_path, (theme,)):
        assert drawn == picture(name=theme)


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["nemo-dark", "ansi-dark"])
async def test_no_colour(theme: str, picture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async for _, drawn in pictures(app_without_model(theme=theme), NARROW, answer, tmp_path, (theme,)):
        assert drawn == picture(name=theme)

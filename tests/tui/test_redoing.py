"""Pages read again from the ledger: on a real PDF, in the real app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from nemo_docs.library import ingest
from nemo_docs.library.readers import EXTRACTORS
from nemo_docs.library.records import PageFlag, PageStatus
from nemo_docs.library.redo import PageRedone
from nemo_docs.library.store import Library
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.redoing import Redoing
from nemo_docs.tui.screens.line import LineScreen
from nemo_docs.tui.screens.redo import AUTOMATIC, WAYS, RedoScreen
from nemo_docs.tui.widgets import job_list
from nemo_docs.tui.widgets.job_list import JobList
from nemo_docs.tui.widgets.job_row import JobRow, Stage
from tests.tui.support import until
from tests.tui.test_ledger_screen import ledger
from tests.unit.library.conftest import pdf_bytes
from tests.unit.library.test_redo import read_otherwise

PAGES = ["The lease begins.", "The rent is due.", "The lease ends."]


def add(file: Path, password: str | None = None) -> None:
    """A document whose pages were read, as it seems, by a program that read them otherwise."""
    file.write_bytes(pdf_bytes(PAGES, password=password))
    with Library(load().paths.library) as library:
        for _ in ingest.add(library, [file], password=password):
            pass
        for number in (1, 2):
            read_otherwise(library, number, "Thele asebe gins.")


async def read_again(pilot: Pilot[Any], *keys: str) -> None:
    """Open the ledger, choose pages with some keys, and have them read again as the program would by itself."""
    await ledger(pilot)
    await pilot.press(*keys, "r")
    await until(pilot, lambda: isinstance(pilot.app.screen, RedoScreen) and pilot.app.focused)
    await until(pilot, lambda: pilot.app.screen.query_one(OptionList).highlighted == 0)
    await pilot.press("enter")


def row(app: NemoDocsApp) -> JobRow:
    return app.main.query_one(JobList).rows[-1]


def detail(app: NemoDocsApp) -> str:
    return str(row(app).query_one(".job-detail", Static).content)


def test_every_extractor_can_be_chosen() -> None:
    assert [name for name, _ in WAYS] == [AUTOMATIC, *EXTRACTORS]


def redone(position: int, *, is_changed: bool, is_kept: bool = False, note: str = "") -> PageRedone:
    status = PageStatus.ERROR if note else PageStatus.OK
    flags = (PageFlag.ERROR,) if note else ()
    return PageRedone("a", "t", position, position, 3, status, 17, "pdfium 5", flags, note, is_changed, is_kept)


def test_what_came_of_pages_is_told_with_time_left() -> None:
    work = Redoing(Desk(load()), "a", "lease.pdf", [1, 2, 3], None)
    assert (work.title, work.detail(0.0), work.share) == ("Reading 3 pages of lease.pdf again", "opening", 0.0)
    work.take(redone(1, is_changed=True), 10.0)
    assert work.detail(10.0) == "1 of 3 pages"
    work.take(redone(2, is_changed=False), 14.0)
    assert work.detail(14.0) == "2 of 3 pages · 4 s a page · 4 s left"
    work.take(redone(3, is_changed=False, is_kept=True, note="Broken."), 18.0)
    assert work.result() == "1 with another text, 1 with the same, 1 stay as they were, 1 could not be read"
    one = Redoing(Desk(load()), "a", "lease.pdf", [3], "pdfium")
    one.take(redone(1, is_changed=False, is_kept=True, note="Broken."), 0.0)
    assert one.result() == "it stays as it was: Broken."


@pytest.mark.asyncio
async def test_pages_are_read_again_and_the_ledger_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_list, "FADE_S", 600.0)  # its row stays, however long the ledger takes
    add(tmp_path / "lease.pdf")
    app = NemoDocsApp(load())
    async with app.run_test(size=(120, 30)) as pilot:
        await read_again(pilot, "space", "down", "space")
        await until(pilot, lambda: app.desk.page_text("a", 2).text == PAGES[1])
        await until(pilot, lambda: all(page.extractor.startswith("pypdf") for page in app.screen.pages))  # type: ignore[attr-defined]
        await until(pilot, lambda: row(app).stage is Stage.DONE)
        assert app.desk.page_text("a", 1).text == PAGES[0]
        assert row(app).work.title == "Reading 2 pages of lease.pdf again"
        await until(pilot, lambda: detail(app) == "2 with another text")


@pytest.mark.asyncio
async def test_why_pages_cannot_be_read_again_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "lease.pdf"
    add(file)
    file.unlink()
    app = NemoDocsApp(load())
    async with app.run_test(size=(120, 30)) as pilot:
        await read_again(pilot)
        await until(pilot, lambda: row(app).stage is Stage.FAILED)
        await until(pilot, lambda: "lease.pdf cannot be read again" in detail(app))


@pytest.mark.asyncio
async def test_a_sealed_file_is_read_again_with_its_password(tmp_path: Path) -> None:
    add(tmp_path / "sealed.pdf", password="key")
    app = NemoDocsApp(load())
    async with app.run_test(size=(120, 30)) as pilot:
        await read_again(pilot)
        await until(pilot, lambda: row(app).stage is Stage.FAILED)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        row(app).focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LineScreen) and app.focused)
        app.screen.query_one(Input).value = "key"
        await pilot.press("enter")
        await until(pilot, lambda: app.desk.page_text("a", 1).text == PAGES[0])
        await until(pilot, lambda: [each.stage for each in app.main.query_one(JobList).rows] in ([Stage.DONE], []))

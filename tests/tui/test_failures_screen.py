"""Many files that could not be added: the first few in the row, all on a screen of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from nemo_docs.library import ingest
from nemo_docs.library.adding_queue import AddingQueue
from nemo_docs.library.store import Library
from nemo_docs.settings import load
from nemo_docs.tui.screens.failures import FailuresScreen
from nemo_docs.tui.widgets.control import Control
from nemo_docs.tui.widgets.failure_list import FailureList
from nemo_docs.tui.widgets.job_list import JobList
from nemo_docs.tui.widgets.job_row import Stage
from tests.tui.alone import alone
from tests.tui.support import click, until
from tests.tui.test_jobs import said
from tests.unit.library.conftest import pdf_bytes

pytestmark = pytest.mark.asyncio
FILES = 12


def queue() -> AddingQueue:
    return AddingQueue(load().paths.library)


def set_aside(folder: Path) -> None:
    """Files that could not be added by an earlier start."""
    for number in range(FILES):
        (folder / f"[red]{number:02}[-].pdf").write_bytes(b"%PDF-1.4 no more")
    with Library(load().paths.library) as opened:
        for _ in ingest.add(opened, [folder]):
            pass
    assert len(queue().failed()) == FILES


def text(pilot: Pilot[Any], name: str) -> str:
    return str(pilot.app.screen.query_one(f"#{name}", Static).content)


async def shown(pilot: Pilot[Any], jobs: JobList) -> FailuresScreen:
    """The screen, opened by a click in the row."""
    await until(pilot, lambda: jobs.rows and jobs.rows[0].stage is Stage.FAILED)
    await click(pilot, jobs.rows[0].query_one("#failures"))
    await until(pilot, lambda: isinstance(pilot.app.screen, FailuresScreen) and pilot.app.focused)
    screen = pilot.app.screen
    assert isinstance(screen, FailuresScreen)
    await until(pilot, lambda: text(pilot, "failure-told"))
    return screen


async def test_a_row_tells_the_first_few_and_the_screen_all(tmp_path: Path) -> None:
    set_aside(tmp_path)
    async with alone(JobList) as (pilot, jobs, _):
        screen = await shown(pilot, jobs)
        row = jobs.rows[0]
        first, *reasons = said(row).splitlines()
        assert first == "12 files could not be added"
        assert len(reasons) == 3
        assert str(row.query_one("#failures", Control).content) == "▸ Show all 12"
        assert row.query_one(".job-detail").region.height == 4  # a line each, however long
        assert text(pilot, "failures-title") == "Not added: 12 files"
        listed = screen.query_one(FailureList)
        assert [listed.render_line(y).text[3:17] for y in range(FILES)] == [f"[red]{n:02}[-].pdf" for n in range(FILES)]
        assert text(pilot, "failure-told").startswith(f"{tmp_path}/[red]00[-].pdf\n[red]00[-].pdf cannot be read")
        await pilot.press("end")
        await until(pilot, lambda: text(pilot, "failure-told").startswith(f"{tmp_path}/[red]11[-].pdf"))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is not screen)
        assert len(queue().failed()) == FILES


async def test_chosen_files_are_let_go_or_tried_again_and_the_others_stay(tmp_path: Path) -> None:
    set_aside(tmp_path)
    async with alone(JobList) as (pilot, jobs, _):
        screen = await shown(pilot, jobs)
        await pilot.press("space", "down", "down")
        await click(pilot, FailureList, offset=(2, 4))
        await until(pilot, lambda: text(pilot, "failures-title").endswith("2 chosen"))
        await pilot.press("delete")
        await until(pilot, lambda: len(queue().failed()) == FILES - 2)
        gone = {f"{tmp_path}/[red]{number:02}[-].pdf" for number in (0, 4)}
        assert not gone & {item.path for item in queue().items()}
        await until(pilot, lambda: said(jobs.rows[0]).startswith(f"{FILES - 2} files"))
        (tmp_path / "[red]01[-].pdf").write_bytes(pdf_bytes(["It is sound after all."]))
        await pilot.press("a", "r")
        await until(pilot, lambda: pilot.app.screen is not screen)  # nothing was left in it
        await until(pilot, lambda: [each.title for each in jobs.desk.documents()] == ["[red]01[-].pdf"])
        await until(pilot, lambda: len(queue().failed()) == FILES - 3)


async def test_in_a_narrow_pane_a_title_has_a_line_of_its_own(tmp_path: Path) -> None:
    set_aside(tmp_path)
    async with alone(JobList, (23, 30)) as (pilot, jobs, _):
        await until(pilot, lambda: jobs.rows and jobs.rows[0].stage is Stage.FAILED)
        row = jobs.rows[0]
        title, pause, stop = row.query_one(".job-title"), row.query_one("#pause"), row.query_one("#stop")
        await until(pilot, lambda: title.region.y < pause.region.y == stop.region.y)
        assert title.region.width > 18
        assert pause.region.width == len("try again")
        assert pause.region.right < stop.region.x


async def test_what_nobody_can_read_is_told_until_it_is_dismissed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nemo_docs.tui.widgets.job_list.FADE_S", 0.0)
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "a.txt").write_text("The file says something.")
    (folder / "b.mp3").write_bytes(b"ID3")
    async with alone(JobList) as (pilot, jobs, _):
        jobs.add([str(folder)])
        await until(pilot, lambda: said(jobs.rows[0]) == "1 added, 1 of no readable kind")
        await pilot.pause(0.2)
        (row,) = jobs.rows
        assert row.stage is Stage.DONE
        await click(pilot, row.query_one("#stop"))
        await until(pilot, lambda: not jobs.rows)

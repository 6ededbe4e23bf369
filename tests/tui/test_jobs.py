from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from nemo_docs.settings import load
from nemo_docs.tui.jobs.work import Adding
from nemo_docs.tui.screens.confirm import ConfirmScreen
from nemo_docs.tui.widgets import job_list
from nemo_docs.tui.widgets.job_list import MOST_INGESTS, JobList
from nemo_docs.tui.widgets.job_row import JobRow, Stage
from tests.tui.alone import alone
from tests.tui.support import click, until
from tests.unit.library.conftest import pdf_bytes


def said(row: JobRow, what: str = "detail") -> str:
    shown = row.query(f".job-{what}").results(Static)  # none as long as the row is not wholly on the screen
    return "".join(str(each.content) for each in shown)


def titles(jobs: JobList) -> set[str]:
    return {document.title for document in jobs.desk.documents()}


@pytest.mark.asyncio
async def test_a_file_is_added_told_and_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_list, "FADE_S", 0.5)
    (tmp_path / "notes.txt").write_text("Everyone has the right to rest.\f" * 3)
    async with alone(JobList) as (pilot, jobs, _):
        assert not jobs.display
        jobs.add([str(tmp_path / "notes.txt")])
        (row,) = jobs.rows

        def is_told() -> bool:  # all at once: it goes away by itself
            told = said(row, "title"), said(row)
            return jobs.display and told == ("✓ notes.txt", "4 pages, 1 without text")

        await until(pilot, is_told)
        assert row.stage is Stage.DONE
        assert titles(jobs) == {"notes.txt"}
        await until(pilot, lambda: not jobs.rows and not jobs.display)


@pytest.mark.asyncio
async def test_no_more_than_two_ingests_run_and_the_others_wait_where_they_are_seen(tmp_path: Path) -> None:
    async with alone(JobList, (80, 40)) as (pilot, jobs, _):
        for name in "abcd":
            (tmp_path / f"{name}.txt").write_text(f"The file {name} says something.\f" * 60)
            jobs.add([str(tmp_path / f"{name}.txt")])
        most = 0

        def are_done() -> bool:
            nonlocal most
            most = max(most, sum(row.stage is Stage.RUNNING for row in jobs.rows))
            return len(titles(jobs)) == 4 and not any(row.is_active for row in jobs.rows)

        await until(pilot, lambda: any(row.stage is Stage.WAITING and "waiting" in said(row) for row in jobs.rows))
        await until(pilot, are_done)
        assert most == MOST_INGESTS


@pytest.mark.asyncio
async def test_a_failure_stays_until_it_is_dismissed_by_click(tmp_path: Path) -> None:
    (tmp_path / "[red]bad[-].pdf").write_bytes(b"%PDF-1.4 no more")
    async with alone(JobList) as (pilot, jobs, _):
        jobs.add([str(tmp_path / "[red]bad[-].pdf"), str(tmp_path / "nowhere.pdf")])
        (row,) = jobs.rows
        await until(pilot, lambda: row.stage is Stage.FAILED)
        assert "[red]bad[-].pdf cannot be read" in said(row)
        assert "There is no file or folder" in said(row)
        await click(pilot, row.query_one("#stop"))
        await until(pilot, lambda: not jobs.rows)


@pytest.mark.asyncio
async def test_a_stopped_file_keeps_what_was_read(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("A page of a long text that goes on.\f" * 3_000)
    async with alone(JobList) as (pilot, jobs, _):
        jobs.add([str(tmp_path / "long.txt")])
        (row,) = jobs.rows
        await until(pilot, lambda: row.stage is Stage.RUNNING and row.work.share > 0)
        row.focus()
        await pilot.press("delete")
        await until(pilot, lambda: row.stage is Stage.STOPPED and "kept" in said(row))
        await until(pilot, lambda: not row._job.is_running)
        (document,) = jobs.desk.documents()
        assert 0 < document.pages_read < 3_001
        jobs.add([document.path])
        await until(pilot, lambda: jobs.desk.documents()[0].pages_read == 3_001)


@pytest.mark.asyncio
async def test_cancel_stops_the_newest(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("A page of a long text that goes on.\f" * 3_000)
    async with alone(JobList) as (pilot, jobs, _):
        assert not jobs.cancel_newest()
        jobs.add([str(tmp_path / "long.txt")])
        assert jobs.cancel_newest()
        await until(pilot, lambda: not any(row.is_active for row in jobs.rows))
        assert not jobs.cancel_newest()


@pytest.mark.asyncio
@pytest.mark.parametrize("is_wanted", [True, False])
async def test_a_large_folder_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_wanted: bool) -> None:
    monkeypatch.setenv("NEMO_DOCS_FOLDER_LIMIT", "2")
    folder = tmp_path / "many"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.txt").write_text(f"The file {name} says something.")
    async with alone(JobList) as (pilot, jobs, _):
        jobs.add([str(folder)])
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert titles(jobs) == set()
        await pilot.press("y" if is_wanted else "n")
        await until(pilot, lambda: not any(row.is_active for row in jobs.rows))
        assert titles(jobs) == ({"a.txt", "b.txt", "c.txt"} if is_wanted else set())


@pytest.mark.asyncio
async def test_an_encrypted_file_is_read_with_the_password_that_was_typed(tmp_path: Path) -> None:
    (tmp_path / "sealed.pdf").write_bytes(pdf_bytes(["The secret clause is here."], password="öpen"))
    async with alone(JobList) as (pilot, jobs, _):
        jobs.add([str(tmp_path / "sealed.pdf")])
        (row,) = jobs.rows
        await until(pilot, lambda: row.stage is Stage.FAILED and row.query_one("#password").display)
        row.focus()
        await pilot.press("enter", *"wrong", "enter")
        await until(pilot, lambda: jobs.rows and jobs.rows[0] is not row and jobs.rows[0].stage is Stage.FAILED)
        await click(pilot, "#password")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await pilot.press(*"öpen", "enter")
        await until(pilot, lambda: [each.pages_read for each in jobs.desk.documents()] == [1])
        assert titles(jobs) == {"sealed.pdf"}


def test_time_left_follows_from_what_was_done(tmp_path: Path) -> None:
    from nemo_docs.library.events import FileStarted, PageDone
    from nemo_docs.library.records import PageStatus
    from nemo_docs.tui.desk import Desk

    work = Adding(Desk(load()), ["/x/a.txt", "/x/b.txt"])
    assert work.title == "a.txt and 1 more"
    work.take(FileStarted("/x/a.txt", 1, 1), 0.0)
    assert work.detail(0.0) == "opening"
    for page in (1, 26):
        work.take(PageDone("/x/a.txt", "a", "a.txt", page, 101, PageStatus.OK, 9), float(page - 1))
    assert "page 26 of 101" in work.detail(25.0)
    assert work.detail(25.0).endswith("1 min 15 s left")


@pytest.mark.asyncio
async def test_what_is_dropped_twice_is_added_once_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("A page of a long text that goes on.\f" * 3_000)
    async with alone(JobList) as (pilot, jobs, _):
        jobs.add([str(tmp_path / "long.txt")])
        jobs.add([str(tmp_path / "long.txt")])
        assert len(jobs.rows) == 1
        assert jobs.cancel_newest()
        await until(pilot, lambda: not any(row.is_active for row in jobs.rows))
        jobs.add([str(tmp_path / "long.txt")])
        assert any(row.is_active for row in jobs.rows)

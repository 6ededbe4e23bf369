"""The queue of files in the list of jobs: what waits, is paused or has failed, over a restart, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from nemo_docs.library import ingest
from nemo_docs.library.adding_queue import AddingQueue, FileState
from nemo_docs.library.events import FileDone, FileStarted, PageDone
from nemo_docs.library.records import PageStatus
from nemo_docs.library.store import Library
from nemo_docs.settings import load
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.queued_files import is_among
from nemo_docs.tui.jobs.work import Adding
from nemo_docs.tui.watching import stalled
from nemo_docs.tui.widgets.job_list import JobList
from nemo_docs.tui.widgets.job_row import JobRow, Stage
from tests.tui.alone import alone
from tests.tui.support import click, until
from tests.tui.test_jobs import said, titles


def queue() -> AddingQueue:
    return AddingQueue(load().paths.library)


def library() -> None:
    """An empty one."""
    with Library(load().paths.library):
        pass


def control(row: JobRow) -> str:
    return str(row.query_one("#pause", Static).content)


@pytest.mark.parametrize(
    ("path", "is_there"),
    [("/x/a", True), ("/x/a/b.txt", True), ("/x/ab", False), ("/y", False), ("/", False)],
)
def test_a_path_is_among_others_if_it_is_one_or_stands_in_one(path: str, is_there: bool) -> None:
    assert is_among(path, ["/x/a", "/z/"]) is is_there


def test_of_several_files_at_once_all_are_told() -> None:
    work = Adding(Desk(load()), ["/x/deeds"])
    for position, name in enumerate("ab", 1):
        work.take(FileStarted(f"/x/deeds/{name}.txt", position, 4), 0.0)
    for name in "ab":
        work._committed += 1
        work.take(PageDone(f"/x/deeds/{name}.txt", name, f"{name}.txt", 1, 2, PageStatus.OK, 9), 0.0)
    assert work.detail(0.0) == "0 of 4 files · 2 pages"
    assert work.share == pytest.approx(0.25)
    work.take(FileDone("/x/deeds/a.txt", "a", "a.txt", 2, 0, 9, "en", 1, False), 5.0)
    work._committed += 5
    assert work.share == pytest.approx(0.375)
    assert work.detail(5.0) == "1 of 4 files · page 1 of 2 · 1 a second · 12 s left"
    assert work.title == "deeds"


@pytest.mark.asyncio
async def test_what_waits_since_an_earlier_start_goes_on_with_its_collections(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"The file {name} says something.")
    library()
    queue().add([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")], ["Deeds"])
    async with alone(JobList) as (pilot, jobs, _):
        await until(pilot, lambda: titles(jobs) == {"a.txt", "b.txt"} and not queue().items())
        assert {document.collections for document in jobs.desk.documents()} == {("Deeds",)}


@pytest.mark.asyncio
async def test_a_dead_letter_of_an_earlier_start_is_tried_again_or_let_go(tmp_path: Path) -> None:
    for name in ("[red]bad[-].pdf", "worse.pdf"):
        (tmp_path / name).write_bytes(b"%PDF-1.4 no more")
    with Library(load().paths.library) as opened:
        list(ingest.add(opened, [tmp_path]))
    assert {item.state for item in queue().items()} == {FileState.FAILED}
    async with alone(JobList) as (pilot, jobs, _):
        await until(pilot, lambda: jobs.rows and "[red]bad[-].pdf cannot be read" in said(jobs.rows[0]))
        (row,) = jobs.rows
        assert (row.stage, control(row)) == (Stage.FAILED, "try again")
        (tmp_path / "worse.pdf").write_text("It is text after all.")
        (tmp_path / "worse.pdf").rename(tmp_path / "worse.txt")
        row.focus()
        await pilot.press("space")
        await until(pilot, lambda: jobs.rows and jobs.rows[0] is not row and jobs.rows[0].stage is Stage.FAILED)
        await click(pilot, jobs.rows[0].query_one("#stop"))
        await until(pilot, lambda: not jobs.rows and not queue().items())


@pytest.mark.asyncio
async def test_a_pause_holds_over_a_restart_and_what_was_read_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("A page of a long text that goes on.\f" * 3_000)
    async with alone(JobList) as (pilot, jobs, _):
        jobs.add([str(file)])
        (row,) = jobs.rows
        await until(pilot, lambda: row.stage is Stage.RUNNING and row.work.share > 0)
        await click(pilot, row.query_one("#pause"))
        await until(pilot, lambda: [item.state for item in queue().items()] == [FileState.PAUSED])
        assert (row.stage, control(row), said(row)) == (Stage.PAUSED, "go on", "paused; what was read is kept")
    assert list(stalled(Desk(load()), lambda: False, wait_s=0.0)) == [[]]  # a paused file is left to the queue
    async with alone(JobList) as (pilot, jobs, _):
        await until(pilot, lambda: jobs.rows and jobs.rows[0].stage is Stage.PAUSED)
        assert 0 < jobs.desk.documents()[0].pages_read < 3_001
        jobs.rows[0].focus()
        await pilot.press("space")
        await until(pilot, lambda: jobs.desk.documents()[0].pages_read == 3_001)
        await until(pilot, lambda: not queue().items())


@pytest.mark.asyncio
async def test_what_is_stopped_leaves_the_queue(tmp_path: Path) -> None:
    """It would go on by itself at the next start."""
    file = tmp_path / "long.txt"
    file.write_text("A page of a long text that goes on.\f" * 3_000)
    async with alone(JobList) as (pilot, jobs, _):
        jobs.add([str(file)])
        (row,) = jobs.rows
        await until(pilot, lambda: row.stage is Stage.RUNNING and row.work.share > 0)
        assert queue().items()
        await click(pilot, row.query_one("#stop"))
        await until(pilot, lambda: not queue().items())
        assert row.stage is Stage.STOPPED

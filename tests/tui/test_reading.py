"""Reading in the background: the queue as the app shows it, works through it, and finds it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_docs.library.reading_queue import QueueState, ReadingQueue
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.messages import LibraryChanged, SharesCounted
from nemo_docs.tui.widgets.conversation import Conversation
from nemo_docs.tui.widgets.document_list import DocumentList
from nemo_docs.tui.widgets.job_list import JobList
from nemo_docs.tui.widgets.job_row import Stage
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.reading_row import ReadingRow
from nemo_docs.tui.widgets.title_line import EngineState
from nemo_docs.tui.widgets.turn import TurnState
from tests.tui.alone import alone
from tests.tui.shelf import shelve
from tests.tui.stage import app_without_model
from tests.tui.support import app_on, click, until
from tests.tui.test_jobs import said

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("hurry")]

LONG = "".join(f"Rule {n} of the house is about the {n} dogs of it.\n\n" for n in range(4_000))
TEXTS = {"a long one.txt": LONG, "notes.txt": "Everyone has the right to rest. " * 40, "rent.txt": "The rent is due."}


@pytest.fixture
def handles(tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A library of a long document and two short ones, and the tiny model."""
    monkeypatch.setenv("NEMO_DOCS_MODEL", str(tiny_folder))
    monkeypatch.setenv("NEMO_DOCS_IN_PROCESS", "true")
    monkeypatch.setenv("NEMO_DOCS_ANSWER_TOKENS", "16")
    found = shelve(tmp_path, TEXTS)
    return [found[name] for name in TEXTS]


def queue() -> ReadingQueue:
    return ReadingQueue(load().paths.library)


def queued() -> list[tuple[str, QueueState]]:
    return [(item.handle, item.state) for item in queue().items()]


def row_of(jobs: JobList, title: str) -> ReadingRow | None:
    return next((row for row in jobs.query(ReadingRow) if title in row.work.title), None)


def is_at(jobs: JobList, title: str, *stages: Stage) -> bool:
    row = row_of(jobs, title)
    return row is not None and row.stage in stages


async def test_documents_are_read_and_told_and_go_away(handles: list[str]) -> None:
    _, notes, rent = handles
    async with alone(JobList) as (pilot, jobs, posted):
        assert not jobs.display
        jobs.read([notes])

        def is_told() -> bool:  # all at once: it goes away by itself
            row = row_of(jobs, "notes.txt")
            done = "tokens are read: questions about them start at once"
            return row is not None and said(row, "title") == "✓ Reading notes.txt" and done in said(row)

        await until(pilot, is_told)
        await until(pilot, lambda: not jobs.rows and not jobs.display)
        assert queued() == []
        shares = [each.shares for each in posted if isinstance(each, SharesCounted)]
        ((share,),) = shares
        assert share.document == notes
        assert share.tokens_cached == share.tokens > 0
        assert any(isinstance(each, LibraryChanged) and each.is_read for each in posted)
        jobs.read([notes, rent])
        await until(pilot, lambda: is_at(jobs, "2 documents", Stage.DONE))


async def test_a_running_document_is_paused_gone_on_with_and_stopped(handles: list[str]) -> None:
    long, notes, _ = handles
    async with alone(JobList) as (pilot, jobs, _):
        jobs.read([long])
        await until(pilot, lambda: is_at(jobs, "long", Stage.RUNNING) and row_of(jobs, "long").work.share > 0)
        row = row_of(jobs, "long")
        assert row is not None
        assert "window" in said(row)
        row.focus()
        await pilot.press("space")
        await until(pilot, lambda: row.stage is Stage.PAUSED)
        assert said(row) == "paused; what was read is kept"
        assert queued() == [(long, QueueState.PAUSED)]
        await until(pilot, lambda: jobs._reading._reader is None)
        jobs.read([notes], is_first=False)
        await until(pilot, lambda: is_at(jobs, "notes.txt", Stage.DONE))
        assert row.stage is Stage.PAUSED
        assert str(row.query_one("#pause").content) == "go on"
        await click(pilot, row.query_one("#pause"))
        await until(pilot, lambda: row.stage is Stage.RUNNING)
        row.focus()
        await pilot.press("delete")
        await until(pilot, lambda: row not in jobs.rows)
        assert queued() == []


async def test_the_queue_survives_a_restart_of_the_app(handles: list[str], tiny_folder: Path) -> None:
    long, notes, rent = handles
    async with app_on(tiny_folder).run_test() as pilot:
        jobs = pilot.app.main.query_one(JobList)
        jobs.read([long])
        jobs.read([rent], is_first=False)
        await until(pilot, lambda: len(queued()) == 2)
        queue().pause([rent])
        await until(pilot, lambda: is_at(jobs, "long", Stage.RUNNING) and row_of(jobs, "long").work.share > 0)
    assert queued() == [(long, QueueState.WAITING), (rent, QueueState.PAUSED)]
    queue().add([notes], first=True)
    async with app_on(tiny_folder).run_test() as pilot:
        jobs = pilot.app.main.query_one(JobList)
        await until(pilot, lambda: queued()[0] == (long, QueueState.WAITING))
        await until(pilot, lambda: is_at(jobs, "long", Stage.RUNNING))
        assert is_at(jobs, "rent.txt", Stage.PAUSED)
        queue().remove([long])
        await until(pilot, lambda: row_of(jobs, "long") is None)


async def test_escape_pauses_the_queue_and_loses_nothing(handles: list[str], tiny_folder: Path) -> None:
    long, notes, _ = handles
    async with app_on(tiny_folder).run_test() as pilot:
        jobs = pilot.app.main.query_one(JobList)
        jobs.read([long])
        jobs.read([notes], is_first=False)
        await until(pilot, lambda: is_at(jobs, "long", Stage.RUNNING) and is_at(jobs, "notes", Stage.WAITING))
        await pilot.press("escape")
        await until(pilot, lambda: is_at(jobs, "long", Stage.PAUSED) and is_at(jobs, "notes", Stage.PAUSED))
        assert queued() == [(long, QueueState.PAUSED), (notes, QueueState.PAUSED)]
        await until(pilot, lambda: jobs._reading._reader is None)


async def test_a_question_goes_before_what_is_read(handles: list[str], tiny_folder: Path) -> None:
    """In one process a request used to wait until the window before it was read."""
    long, _, rent = handles
    said_while_asked = set()
    app = app_on(tiny_folder, window="64k")
    async with app.run_test(size=(120, 40)) as pilot:
        jobs, conversation = app.main.query_one(JobList), app.main.query_one(Conversation)
        jobs.read([long])
        await until(pilot, lambda: is_at(jobs, "long", Stage.RUNNING) and row_of(jobs, "long").work.share > 0)
        await conversation.ask("When is the rent due?", [rent])

        def is_answered() -> bool:
            if row := row_of(jobs, "long"):
                said_while_asked.add(said(row))
            return conversation.turns[0].state not in (TurnState.WAITING, TurnState.RUNNING)

        await until(pilot, is_answered)
        assert conversation.turns[0].state is TurnState.DONE
        assert queued() == [(long, QueueState.WAITING)], "it was not read to its end first"
        assert any("waiting for the answer" in each for each in said_while_asked)
        await until(pilot, lambda: is_at(jobs, "long", Stage.RUNNING) and "waiting" not in said(row_of(jobs, "long")))


async def test_without_a_model_the_reason_is_told_until_it_is_tried_again(
    handles: list[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path
) -> None:
    _, notes, _ = handles
    monkeypatch.setenv("NEMO_DOCS_MODEL", "nemo")
    async with alone(JobList) as (pilot, jobs, _):
        jobs.read([notes])
        await until(pilot, lambda: is_at(jobs, "notes.txt", Stage.FAILED))
        assert "nemo" in said(jobs.rows[0])
        assert queued() == [(notes, QueueState.WAITING)]
        monkeypatch.setenv("NEMO_DOCS_MODEL", str(tiny_folder))
        jobs.desk.configuration = load()
        await click(pilot, jobs.rows[0].query_one("#pause"))
        await until(pilot, lambda: queued() == [])


async def test_what_could_not_be_read_is_told_after_a_restart_and_dismissed(handles: list[str]) -> None:
    _, notes, _ = handles
    queue().add([notes])
    queue().fail([notes], "It is too large.")
    async with alone(JobList) as (pilot, jobs, _):
        await until(pilot, lambda: is_at(jobs, "notes.txt", Stage.FAILED) and jobs.rows[0].query(".job-detail"))
        await until(pilot, lambda: said(jobs.rows[0]) == "It is too large.")
        await click(pilot, jobs.rows[0].query_one("#stop"))
        await until(pilot, lambda: not jobs.rows)
        assert queued() == []


async def test_what_another_program_does_to_the_queue_is_seen(handles: list[str], tiny_folder: Path) -> None:
    long, notes, _ = handles
    async with app_on(tiny_folder).run_test() as pilot:
        jobs = pilot.app.main.query_one(JobList)
        await until(pilot, lambda: pilot.app.main.query_one(LibraryPane).is_loaded)
        queue().add([long])
        await until(pilot, lambda: is_at(jobs, "long", Stage.RUNNING))
        queue().add([notes], first=True)
        await until(pilot, lambda: is_at(jobs, "notes.txt", Stage.DONE))
        assert not is_at(jobs, "long", Stage.DONE)
        queue().clear()
        await until(pilot, lambda: row_of(jobs, "long") is None)


async def test_the_library_shows_what_is_read_of_documents_that_are_not_asked_about(
    handles: list[str], tiny_folder: Path
) -> None:
    _, notes, rent = handles
    app: NemoDocsApp = app_on(tiny_folder)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = app.main.query_one(LibraryPane)
        await until(pilot, lambda: pane.is_loaded)
        pane._toggle([rent])
        app.main.query_one(JobList).read([notes])
        listed = pane.query_one(DocumentList)
        await until(pilot, lambda: notes in listed._shares and listed._shares[notes].tokens_cached)
        share = listed._shares[notes]
        assert share.tokens_cached == share.tokens
        app.take_configuration(load(options={"model": str(tiny_folder), "precision": "bf16", "in_process": True}))
        await until(pilot, lambda: not listed._shares.get(notes, share) or notes not in listed._shares)


async def test_keys_read_what_is_selected_now_or_later(handles: list[str]) -> None:
    long, notes, rent = handles
    queue().add([long])
    async with app_without_model().run_test() as pilot:  # so that nothing leaves the queue
        await until(pilot, lambda: pilot.app.main.query_one(LibraryPane).is_loaded)
        await pilot.press("f3", "home", "down", "space", "down", "space", "l")
        await until(pilot, lambda: [handle for handle, _ in queued()] == [long, notes, rent])
        await pilot.press("r")
        await until(pilot, lambda: [handle for handle, _ in queued()] == [notes, rent, long])
        await pilot.press("home", "r")
        await until(pilot, lambda: [handle for handle, _ in queued()] == [long, notes, rent])


async def test_the_model_is_made_ready_for_a_question_without_waiting_for_the_window_that_is_read(
    handles: list[str], tiny_folder: Path
) -> None:
    long, _, _ = handles
    app = app_on(tiny_folder, window="64k")
    async with app.run_test() as pilot:
        jobs = app.main.query_one(JobList)
        jobs.read([long])
        await until(pilot, lambda: is_at(jobs, "long", Stage.RUNNING) and row_of(jobs, "long").work.share > 0)
        await pilot.press("W")
        await until(pilot, lambda: app.main._title.engine is EngineState.READY)
        assert queued() == [(long, QueueState.WAITING)]

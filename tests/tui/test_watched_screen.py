from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Button, OptionList, Static

from nemo_docs.library.adding_queue import AddingQueue, FileState
from nemo_docs.library.watched import WatchedFolders
from nemo_docs.settings import load
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.habits import Habits
from nemo_docs.tui.screens.add_files import AddFilesScreen
from nemo_docs.tui.screens.watched import NONE, WatchedScreen
from nemo_docs.tui.widgets.folder_watch import FolderWatch
from nemo_docs.tui.widgets.job_list import JobList
from nemo_docs.tui.widgets.job_row import Stage
from nemo_docs.tui.widgets.path_field import PathField
from tests.tui.alone import alone
from tests.tui.support import click, until
from tests.tui.test_jobs import titles


def watched() -> WatchedFolders:
    return WatchedFolders(load().paths.library)


def note(screen: AddFilesScreen | WatchedScreen) -> str:
    return str(screen.query_one("#note", Static).content)


def rows(screen: WatchedScreen) -> list[str]:
    return [str(option.prompt) for option in screen.query_one(OptionList).options]


@pytest.mark.asyncio
async def test_a_folder_is_added_and_watched(tmp_path: Path) -> None:
    folder = tmp_path / "[red]deeds[-]"
    folder.mkdir()
    (tmp_path / "a.txt").touch()
    app, answers = Habits(Desk(load())), list[list[str] | None]()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = AddFilesScreen(tmp_path)
        app.push_screen(screen, answers.append)
        await until(pilot, lambda: app.screen is screen and app.focused)
        screen.query_one(PathField).value = str(tmp_path / "a.txt")
        await click(pilot, "#watch")
        await until(pilot, lambda: "Only folders are watched." in note(screen))
        screen.query_one(PathField).value = str(folder)
        await until(pilot, lambda: not screen.query_one("#watch").has_class("-active"))  # it is pressed for a while
        await click(pilot, "#watch")
        await until(pilot, lambda: answers == [[str(folder)]])
        assert [each.path for each in watched().items()] == [str(folder)]


@pytest.mark.asyncio
async def test_what_comes_into_a_watched_folder_is_added_while_the_app_is_open(tmp_path: Path) -> None:
    folder = tmp_path / "deeds"
    folder.mkdir()
    (folder / "old.txt").write_text("It was there before.")
    (folder / "draft.txt").write_text("It is not meant.")
    watched().add(folder, collections=["Deeds"], excludes=["draft*"])
    async with alone(JobList) as (pilot, jobs, _):
        await until(pilot, lambda: titles(jobs) == {"old.txt"})
        (folder / "new.txt").write_text("It came later.")
        await until(pilot, lambda: titles(jobs) == {"old.txt", "new.txt"})
        await until(pilot, lambda: {each.collections for each in jobs.desk.documents()} == {("Deeds",)})
        watch = jobs.query_one(FolderWatch)
        watched().remove(folder)
        jobs.look_at_queue()
        await until(pilot, lambda: not watch.folders)
        watched().add(folder)
        jobs.look_at_queue()
        await until(pilot, lambda: "draft.txt" in titles(jobs))


@pytest.mark.asyncio
async def test_what_is_paused_in_a_watched_folder_stays_paused(tmp_path: Path) -> None:
    (tmp_path / "deeds").mkdir()
    for name in "ab":
        (tmp_path / "deeds" / f"{name}.txt").write_text(f"The file {name} says something.")
    watched().add(tmp_path / "deeds")
    queue = AddingQueue(load().paths.library)
    queue.add([str(tmp_path / "deeds" / "a.txt")])
    queue.pause()
    async with alone(JobList) as (pilot, jobs, _):
        await until(pilot, lambda: titles(jobs) == {"b.txt"} and len(queue.items()) == 1)
        assert queue.items()[0].state is FileState.PAUSED
        assert [row.stage for row in jobs.rows].count(Stage.PAUSED) == 1


@pytest.mark.asyncio
async def test_a_watched_folder_that_has_gone_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    watched().add(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    async with alone(JobList) as (pilot, _jobs, _):
        await until(pilot, lambda: any("cannot be watched" in each.message for each in pilot.app._notifications))


@pytest.mark.asyncio
async def test_a_watched_folder_is_shown_and_forgotten(tmp_path: Path) -> None:
    for name in ("[red]a[-]", "b"):
        (tmp_path / name).mkdir()
        watched().add(tmp_path / name, collections=["Deeds"], excludes=["*.bak"])
    app = Habits(Desk(load()))
    async with app.run_test(size=(160, 24)) as pilot:
        app.push_screen(AddFilesScreen(tmp_path))
        await until(pilot, lambda: isinstance(app.screen, AddFilesScreen) and app.focused)
        await click(pilot, "#watched")
        await until(pilot, lambda: isinstance(app.screen, WatchedScreen) and rows(app.screen))
        screen = app.screen
        assert isinstance(screen, WatchedScreen)
        assert rows(screen) == [f"{tmp_path}/{name}  into Deeds  without *.bak" for name in ("[red]a[-]", "b")]
        await pilot.press("enter", "enter")
        await until(pilot, lambda: len(rows(screen)) == 1)
        assert [each.path for each in watched().items()] == [str(tmp_path / "b")]
        await until(pilot, lambda: not screen.query_one("#forget").has_class("-active"))
        await click(pilot, "#forget")
        await until(pilot, lambda: note(screen) == NONE and not rows(screen))
        assert screen.query_one("#forget", Button).disabled
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, AddFilesScreen))

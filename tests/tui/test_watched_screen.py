from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Button, OptionList, Static

from nemo_docs.library.watched import WatchedFolders
from nemo_docs.settings import load
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.habits import Habits
from nemo_docs.tui.screens.add_files import AddFilesScreen
from nemo_docs.tui.screens.watched import NONE, WatchedScreen
from nemo_docs.tui.widgets.path_field import PathField
from tests.tui.support import click, until


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
        await click(pilot, "#forget")
        await until(pilot, lambda: note(screen) == NONE and not rows(screen))
        assert screen.query_one("#forget", Button).disabled
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, AddFilesScreen))

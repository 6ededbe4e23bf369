"""The keys that work everywhere, as they are and remapped."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.command import CommandPalette
from textual.screen import Screen

from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.habits import Habits
from nemo_docs.tui.messages import PathsDropped
from nemo_docs.tui.screens.add_files import AddFilesScreen
from nemo_docs.tui.screens.help import HelpScreen
from nemo_docs.tui.screens.settings import SettingsScreen
from nemo_docs.tui.screens.theme import ThemeScreen
from nemo_docs.tui.widgets.prompt import Prompt
from tests.tui.support import until

OPENED: dict[str, type[Screen[object]]] = {
    "f1": HelpScreen,
    "f2": SettingsScreen,
    "ctrl+t": ThemeScreen,
    "ctrl+o": AddFilesScreen,
    "ctrl+p": CommandPalette,
}


@pytest.mark.asyncio
@pytest.mark.parametrize("key", OPENED)
async def test_key_opens_its_window_once_and_escape_closes_it(key: str) -> None:
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        main = app.screen
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, OPENED[key]) and app.focused)
        await pilot.press("f1", "f2")
        assert isinstance(app.screen, OPENED[key]), "a window covers the app: its keys do not work there"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is main)
        assert isinstance(app.focused, Prompt)


@pytest.mark.asyncio
async def test_remapped_key_works_and_the_one_before_does_not(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text('[keys]\nhelp = "ctrl+g, f9"\nsettings = "f1"\n')
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        main = app.screen
        for key, kind in (("f1", SettingsScreen), ("ctrl+g", HelpScreen), ("f9", HelpScreen)):
            await pilot.press(key)
            await until(pilot, lambda kind=kind: isinstance(app.screen, kind) and app.focused)
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is main)
        await pilot.press("f2")
        await pilot.pause()
        assert app.screen is main


@pytest.mark.asyncio
async def test_two_keys_can_be_swapped(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text('[keys]\nhelp = "f2"\nsettings = "f1"\n')
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        main = app.screen
        for key, kind in (("f1", SettingsScreen), ("f2", HelpScreen)):
            await pilot.press(key)
            await until(pilot, lambda kind=kind: isinstance(app.screen, kind) and app.focused)
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is main)


class Receiving(Screen[None]):
    """Keeps what is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped: list[tuple[str, ...]] = []

    def on_paths_dropped(self, message: PathsDropped) -> None:
        self.dropped.append(message.paths)


class ReceivingApp(Habits):
    def get_default_screen(self) -> Receiving:
        return Receiving()


@pytest.mark.asyncio
async def test_chosen_files_reach_the_screen_and_none_is_no_message(tmp_path: Path) -> None:
    app = ReceivingApp(Desk(load()))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = app.screen
        assert isinstance(screen, Receiving)
        for text in ("", f"'{tmp_path}'"):
            await pilot.press("ctrl+o")
            await until(pilot, lambda: isinstance(app.screen, AddFilesScreen) and app.focused)
            if text:
                app.post_message(events.Paste(text))
            else:
                await pilot.press("escape")
            await until(pilot, lambda: app.screen is screen)
        await until(pilot, lambda: screen.dropped == [(str(tmp_path),)])

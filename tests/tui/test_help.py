from __future__ import annotations

import pytest
from textual.widgets import Static

from nemo_docs.actions import Pane, actions_of
from nemo_docs.keys import shown_keys
from nemo_docs.settings import load
from nemo_docs.settings_file import set_value
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.screens.help import HelpScreen
from tests.tui.support import click, until


def text_of(screen: HelpScreen) -> str:
    return "\n".join(str(each.content) for each in screen.query(Static))


@pytest.mark.asyncio
@pytest.mark.parametrize("pane", list(Pane))
async def test_every_action_of_the_pane_and_of_the_app_is_told_with_its_keys(pane: Pane) -> None:
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = HelpScreen(pane, {})
        app.push_screen(screen)
        await until(pilot, lambda: screen.is_mounted)
        text = text_of(screen)
        for action in (*actions_of(pane), *actions_of(Pane.APP)):
            line = next(line for line in text.splitlines() if line.endswith(f"{action.label}: {action.help}"))
            assert line.startswith(shown_keys(action, {}))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen)


@pytest.mark.asyncio
async def test_help_is_about_the_focused_pane_and_knows_the_users_keys() -> None:
    configuration = load()
    set_value(configuration.paths.config, "keys.send", "f9")
    set_value(configuration.paths.config, "keys.add_files", "f8,ctrl+g")
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        app.screen.query_one("#prompt").focus()
        await pilot.pause()
        app.action_help()
        await until(pilot, lambda: isinstance(app.screen, HelpScreen) and app.screen.query("#close"))
        assert isinstance(app.screen, HelpScreen)
        text = text_of(app.screen)
        assert "In the prompt" in text
        assert "f9 " in text
        assert "choose the files with “Add files” (f8, ctrl+g)" in text
        before = app.screen.query_one("#box").scroll_y
        await pilot.press("end")
        await until(pilot, lambda: app.screen.query_one("#box").scroll_y > before)
        await until(pilot, lambda: app.screen.query_one("#close").region.bottom <= 24)
        await click(pilot, "#close")
        await until(pilot, lambda: not isinstance(app.screen, HelpScreen))

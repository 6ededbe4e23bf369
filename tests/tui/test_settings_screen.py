from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from nemo_docs.settings import MODEL_SETTINGS, load, names
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.bidi import OrderingFilter
from nemo_docs.tui.screens.settings import SettingsScreen
from tests.tui.support import click, until


async def opened(app: NemoDocsApp, pilot: Pilot[Any]) -> SettingsScreen:
    app.action_settings()
    await until(pilot, lambda: isinstance(app.screen, SettingsScreen) and app.screen.query("#note"))
    await pilot.pause()
    assert isinstance(app.screen, SettingsScreen)
    return app.screen


async def change(screen: SettingsScreen, pilot: Pilot[Any], name: str, text: str) -> None:
    """Choose a setting and type."""
    names_list = screen.query_one(OptionList)
    names_list.highlighted = names().index(name)
    names_list.focus()
    await pilot.pause()
    await pilot.press("enter")
    field = screen.query_one(Input)
    await until(pilot, lambda: field.has_focus)
    field.value = text
    await pilot.pause()
    await pilot.press("enter")


def note(screen: SettingsScreen) -> str:
    return str(screen.query_one("#note", Static).content)


def row(screen: SettingsScreen, name: str) -> str:
    """Name, value and origin, whatever their columns."""
    return " ".join(str(screen.query_one(OptionList).get_option(name).prompt).split())


@pytest.mark.asyncio
async def test_every_setting_is_shown_with_its_origin_help_and_bounds(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    (home / "config.toml").write_text("budget = 90\n")
    monkeypatch.setenv("NEMO_DOCS_SEED", "7")
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        for name in names():
            assert row(screen, name).startswith(f"{name} ")
        assert row(screen, "budget") == f"budget 90 from {home / 'config.toml'} line 1"
        assert row(screen, "seed") == "seed 7 from NEMO_DOCS_SEED"
        assert row(screen, "keys.quit") == "keys.quit ctrl+q from default"
        screen.query_one(OptionList).highlighted = names().index("seed")
        await until(pilot, lambda: note(screen) == "NEMO_DOCS_SEED is set in the environment and wins over the file.")
        assert "Start of the random numbers" in str(screen.query_one("#help", Static).content)
        assert "a whole number from 0" in str(screen.query_one("#help", Static).content)


@pytest.mark.asyncio
async def test_change_is_written_holds_at_once_and_can_be_taken_back(home: Path) -> None:
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await change(screen, pilot, "budget", "120")
        await until(pilot, lambda: app.desk.configuration.settings.budget == 120)
        await until(pilot, lambda: note(screen) == "Written.")
        assert row(screen, "budget").startswith("budget 120 from ")
        assert (home / "config.toml").read_text() == "budget = 120.0\n"
        await click(pilot, "#default")
        await until(pilot, lambda: app.desk.configuration.settings.budget == 60)
        assert (home / "config.toml").read_text() == ""


@pytest.mark.asyncio
async def test_refused_value_is_told_at_the_field_and_not_written(home: Path) -> None:
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await change(screen, pilot, "budget", "[red]\u202e")
        await until(
            pilot, lambda: note(screen).startswith("budget = '[red]\\\\u202e' (here) must be a number from 1 to")
        )
        assert screen.query_one("#note").has_class("wrong")
        await change(screen, pilot, "theme", "nemo-drak")
        await until(pilot, lambda: "Did you mean nemo-dark?" in note(screen))
        await change(screen, pilot, "keys.quit", "f1")
        await until(pilot, lambda: "is the key of help in the same place" in note(screen))
        assert not (home / "config.toml").exists()


@pytest.mark.asyncio
async def test_colours_keys_and_order_of_text_change_at_once(home: Path) -> None:
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await change(screen, pilot, "theme", "nemo-light")
        await until(pilot, lambda: app.theme == "nemo-light")
        await change(screen, pilot, "bidi", "app")
        await until(pilot, lambda: isinstance(app.get_line_filters()[-1], OrderingFilter))
        await change(screen, pilot, "keys.close", "ctrl+g")
        await until(pilot, lambda: app.remapped == {"close": ("ctrl+g",)})
        await until(pilot, lambda: note(screen) == "Written.")
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is screen
        await pilot.press("ctrl+g")
        await until(pilot, lambda: app.screen is not screen)


@pytest.mark.asyncio
async def test_settings_of_the_engine_say_when_they_hold() -> None:
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        for name in ("device", "seed"):
            screen.query_one(OptionList).highlighted = names().index(name)
            expected = "The next question opens the model anew." if name in MODEL_SETTINGS else ""
            await until(pilot, lambda expected=expected: note(screen) == expected)


@pytest.mark.asyncio
async def test_option_of_this_run_stays_when_something_else_is_changed(home: Path) -> None:
    app = NemoDocsApp(load(options={"seed": "5", "window": "16k"}))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await change(screen, pilot, "budget", "120")
        await until(pilot, lambda: app.desk.configuration.settings.budget == 120)
        settings = app.desk.configuration.settings
        assert (settings.seed, settings.window) == (5, 16_384)
        assert app.desk.configuration.origins["seed"] == "option --seed"

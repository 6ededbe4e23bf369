from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from textual.command import CommandList, CommandPalette
from textual.screen import Screen

from nemo_docs.actions import ACTIONS, Action, Pane
from nemo_docs.keys import shown_keys
from nemo_docs.settings import load
from nemo_docs.settings_file import set_value
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.habits import Habits
from tests.tui.support import until


class Offering(Screen[None]):
    """A screen on which all but one action can be done."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def offers(self) -> Iterator[tuple[Action, Callable[[], object]]]:
        for action in ACTIONS:
            if action.id != "cancel":
                yield action, partial(self.done.append, action.id)


class OfferingApp(Habits):
    def get_default_screen(self) -> Offering:
        return Offering()


APPLY = [action for action in ACTIONS if action.id != "cancel" and action.pane is not Pane.DIALOG]


def texts(app: Habits) -> list[str]:
    return [str(each.prompt).splitlines()[0] for each in app.screen.query_one(CommandList).options]


@pytest.mark.asyncio
async def test_all_that_applies_is_offered_with_its_keys_and_nothing_else() -> None:
    configuration = load()
    set_value(configuration.paths.config, "keys.quit", "ctrl+x")
    app = OfferingApp(Desk(load()))
    async with app.run_test(size=(80, 24)) as pilot:
        app.action_palette()
        await until(
            pilot,
            lambda: (
                isinstance(app.screen, CommandPalette)
                and app.screen.query(CommandList)
                and len(texts(app)) == len(APPLY)
            ),
        )
        shown = set(texts(app))
        assert "Quit  (ctrl+x)" in shown
        expected = {f"{action.label}  ({shown_keys(action, {})})" for action in APPLY if action.id != "quit"}
        assert shown == {"Quit  (ctrl+x)", *expected}
        app.action_palette()
        assert sum(isinstance(each, CommandPalette) for each in app.screen_stack) == 1


@pytest.mark.asyncio
async def test_action_is_found_by_a_part_of_its_name_and_carried_out() -> None:
    app = OfferingApp(Desk(load()))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = app.screen
        assert isinstance(screen, Offering)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette) and app.screen.query(CommandList))
        await pilot.press(*"ask aga")
        await until(pilot, lambda: texts(app)[:1] == ["Ask again  (g)"])
        await pilot.press("enter")
        await until(pilot, lambda: screen.done == ["ask_again"])


@pytest.mark.asyncio
async def test_action_is_found_by_what_it_does_and_markup_in_the_query_is_text() -> None:
    app = OfferingApp(Desk(load()))
    async with app.run_test(size=(80, 24)) as pilot:
        app.action_palette()
        await until(pilot, lambda: isinstance(app.screen, CommandPalette) and app.screen.query(CommandList))
        await pilot.press(*"colours")
        await until(pilot, lambda: any(text.startswith("Theme") for text in texts(app)))
        await pilot.press(*"[red]x[/]")
        await until(pilot, lambda: not any(text.startswith("Theme") for text in texts(app)))

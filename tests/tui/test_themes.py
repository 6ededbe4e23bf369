"""Colours: their contrast, the choice of them, and what is left without any."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme
from textual.widgets import OptionList

from nemo_docs.settings import THEMES, load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.screens.theme import ThemeScreen
from nemo_docs.tui.themes import OWN_THEMES
from tests.tui.support import click, until

AA = 4.5
"""WCAG 2.2, 1.4.3."""


def luminance(color: Color) -> float:
    parts = (part / 255 for part in (color.r, color.g, color.b))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(text: str, ground: str) -> float:
    """As drawn: text may be see-through, or `auto` with an opacity."""
    below = Color.parse(ground)
    if text.startswith("auto"):
        above = below.get_contrast_text(float(text.split()[1].rstrip("%")) / 100)
    else:
        above = Color.parse(text)
    light, dark = sorted((luminance(below + above), luminance(below)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


PAIRS = [
    *product(
        ["foreground", "foreground-muted", "text", "text-muted", "text-disabled"]
        + [f"text-{name}" for name in ("primary", "secondary", "accent", "warning", "error", "success")],
        ["background", "surface", "panel"],
    ),
    ("block-cursor-foreground", "block-cursor-background"),
    ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
    ("button-color-foreground", "primary"),
    ("input-selection-foreground", "input-selection-background"),
    ("footer-key-foreground", "footer-background"),
    ("footer-description-foreground", "footer-background"),
]


@pytest.mark.parametrize("theme", OWN_THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_every_text_of_our_themes_can_be_read(theme: Theme, text: str, ground: str) -> None:
    colors = theme.to_color_system().generate()
    assert contrast(colors[text], colors[ground]) >= AA


def test_settings_know_the_names_of_all_themes() -> None:
    assert sorted(THEMES) == sorted({*BUILTIN_THEMES, *(theme.name for theme in OWN_THEMES)})


@pytest.mark.asyncio
async def test_theme_is_seen_while_choosing_and_remembered(home: Path) -> None:
    app = NemoDocsApp(load())
    assert app.theme == "nemo-dark"
    async with app.run_test(size=(80, 24)) as pilot:
        app.action_theme()
        await until(pilot, lambda: isinstance(app.screen, ThemeScreen) and app.focused)
        await pilot.press("down")
        await until(pilot, lambda: app.theme == "nemo-light")
        assert not app.current_theme.dark
        await pilot.press("enter")
        await until(pilot, lambda: app.desk.configuration.settings.theme == "nemo-light")
    assert (home / "config.toml").read_text() == 'theme = "nemo-light"\n'
    assert NemoDocsApp(load()).theme == "nemo-light"


@pytest.mark.asyncio
@pytest.mark.parametrize("way", ["escape", "button"])
async def test_closing_brings_the_colours_before_back(way: str, home: Path) -> None:
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        app.action_theme()
        await until(pilot, lambda: isinstance(app.screen, ThemeScreen) and app.focused)
        await pilot.press("down", "down")
        await until(pilot, lambda: app.theme == "ansi-dark")
        await (pilot.press("escape") if way == "escape" else click(pilot, "#close"))
        await until(pilot, lambda: app.theme == "nemo-dark")
    assert not home.exists()


@pytest.mark.asyncio
async def test_theme_that_cannot_be_written_is_told_and_kept_for_this_run(home: Path) -> None:
    app = NemoDocsApp(load())
    home.mkdir()
    (home / "config.toml").write_text("not toml")
    async with app.run_test(size=(80, 24)) as pilot:
        app.action_theme()
        await until(pilot, lambda: isinstance(app.screen, ThemeScreen) and app.focused)
        await pilot.press("down", "enter")
        await until(pilot, lambda: any("cannot be edited" in each.message for each in app._notifications))
        assert app.theme == "nemo-light"


def drawn(app: App[None]) -> list[tuple[str, Style]]:
    """Each stretch of the screen, with how it is drawn."""
    return [(text, style or Style()) for strip in app.screen._compositor.render_strips() for text, style, _ in strip]


def is_hued(style: Style) -> bool:
    colors = [each for each in (style.color, style.bgcolor) if each and each.name != "default"]
    return any(each.triplet is None or len({*each.triplet}) > 1 for each in colors)


@pytest.mark.asyncio
@pytest.mark.parametrize("theme", ["nemo-dark", "ansi-light"])
async def test_no_color_leaves_no_hue_and_the_cursor_can_still_be_seen(
    theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("NEMO_DOCS_THEME", theme)
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        app.action_theme()
        await until(pilot, lambda: isinstance(app.screen, ThemeScreen) and app.focused)
        await until(pilot, lambda: app.screen.query_one(OptionList).highlighted == THEMES.index(theme))
        await until(pilot, lambda: any(theme in text for text, _ in drawn(app)))
        looks = {
            (style.underline, style.bgcolor): text for text, style in drawn(app) if "-dark" in text or theme in text
        }
        assert len(looks) == 2, "the cursor's line looks like the others"
        assert [text for text, style in drawn(app) if is_hued(style)] == []


@pytest.mark.asyncio
async def test_what_no_color_means_follows_the_theme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        assert "Monochrome" in {type(each).__name__ for each in app.get_line_filters()}
        app.theme = "ansi-dark"
        await pilot.pause()
        assert {type(each).__name__ for each in app.get_line_filters()} == {"NoColor", "MarkingFilter"}

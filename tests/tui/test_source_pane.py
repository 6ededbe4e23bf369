from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.widgets import Static

from nemo_docs.library import ingest
from nemo_docs.library.store import Library
from nemo_docs.settings import load
from nemo_docs.tui.finding import Finder
from nemo_docs.tui.messages import CopyWanted
from nemo_docs.tui.page_layout import Light, lay_out, line_at, pieces, shown
from nemo_docs.tui.widgets.page_view import PageView
from nemo_docs.tui.widgets.source_pane import SourcePane
from tests.tui.alone import alone
from tests.tui.shelf import cite, page_texts, shelve
from tests.tui.support import click, until
from tests.unit.answering.documents import page_texts as texts
from tests.unit.library.conftest import pdf_bytes
from tests.unit.library.test_redo import read_otherwise

LEASE = (
    "1. The Supplier shall deliver within 30 days.\n\n2. The Résiliation clause stands here.\f"
    "3. The penalty is EUR 40,000.\n\n4. The Supplier\nshall pay a fee.\f"
    "5. Nothing else was agreed."
)


def drawn(pane: SourcePane) -> list[str]:
    view = pane.query_one(PageView)
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


def top(pane: SourcePane) -> str:
    """The first line that is drawn, if any is yet."""
    return next(iter(drawn(pane)), "")


def said(pane: SourcePane, name: str) -> str:
    return str(pane.query_one(f"#source-{name}", Static).content)


def reversed_text(pane: SourcePane) -> str:
    view = pane.query_one(PageView)
    strips = [view.render_line(y) for y in range(view.size.height)]
    return " ".join(s.text for strip in strips for s in strip if s.style is not None and s.style.reverse)


@given(texts, st.integers(2, 90), st.data())
def test_a_span_lights_exactly_its_characters(text: str, width: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    light = Light(start, end, is_strong=True)
    lines = lay_out(text, width)
    lit = "".join(piece.text for line in lines for piece in pieces(text, line, [light]) if piece.light)
    assert lit == shown(text[start:end].replace("\n", ""))


@given(texts, st.integers(2, 90))
@example("。「0\x1b", 5)
def test_lines_hold_every_character_once_and_fit(text: str, width: int) -> None:
    lines = lay_out(text, width)
    assert lines[0].start == 0
    assert lines[-1].end == len(text)
    for before, after in pairwise(lines):
        assert text[before.end : after.start] in ("", "\n")
    for line in lines:
        assert cell_len(shown(text[line.start : line.end].rstrip())) <= max(width, len(r"\u202e"))
        assert line_at(lines, line.start) == lines.index(line) or line.start == line.end


@given(texts)
def test_a_line_draws_nothing_that_a_terminal_acts_upon(text: str) -> None:
    for line in lay_out(text, 40):
        for piece in pieces(text, line, []):
            assert not set(piece.text) & set("\x1b\u202e\u2028\n\t")


def test_a_faint_light_never_hides_a_strong_one() -> None:
    text = "one two three"
    (line,) = lay_out(text, 40)
    lights = [Light(0, 13, is_strong=False), Light(4, 7, is_strong=True)]
    assert [(p.text, p.light.is_strong) for p in pieces(text, line, lights) if p.light] == [
        ("one ", False),
        ("two", True),
        (" three", False),
    ]


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("Résiliation du contrat", "resiliation", "Résiliation"),
        ("re\u0301siliation", "RÉSILIATION", "re\u0301siliation"),
        ("the Supplier\n  shall pay", "supplier shall", "Supplier\n  shall"),
        ("Straße", "STRASSE", "Straße"),
        ("العَقْدُ", "العقد", "العَقْدُ"),
        ("合同解除条件", "解除", "解除"),
        ("계약서의 해지", "해지", "해지"),
        ("Ａ１ full width", "a1", "Ａ１"),
        ("a (b) [red]x[/]", "[RED]", "[red]"),
    ],
)
def test_words_are_found_whatever_their_case_accents_and_breaks(text: str, words: str, found: str) -> None:
    assert [text[start:end] for start, end in Finder(words).spans(f"…{text}.".removeprefix("…"))] == [found]


@given(texts, st.data())
def test_what_stands_in_a_text_is_found_there(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    words = text[start:end]
    spans = list(Finder(words).spans(text))
    assert all(0 <= first < last <= len(text) for first, last in spans)
    if words.isascii() and words.strip() and words == " ".join(words.split()):
        assert any(first < end and last > start for first, last in spans) or spans


@pytest.mark.asyncio
async def test_a_quote_is_lit_and_named(tmp_path: Path) -> None:
    handle = shelve(tmp_path, {"lease.txt": LEASE})["lease.txt"]
    pages = page_texts(handle)
    quote = cite(handle, pages, (2, "The penalty is EUR 40,000."))
    other = cite(handle, pages, (2, "shall pay a fee"), marker=2)
    async with alone(SourcePane) as (pilot, pane, _):
        pane.show_citation(quote, [quote, other])
        await until(pilot, lambda: pane.is_settled and top(pane))
        assert "EUR" in reversed_text(pane)
        assert "pay" not in reversed_text(pane)
        marks = {line[:1] for line in drawn(pane) if line}
        assert {"▌", "│"} <= marks
        assert said(pane, "where") == "page 2 of 3 · quote [1]"
        assert said(pane, "title") == "lease.txt"


@pytest.mark.asyncio
async def test_a_quote_over_a_page_break_is_walked_with_next(tmp_path: Path) -> None:
    handle = shelve(tmp_path, {"lease.txt": LEASE})["lease.txt"]
    quote = cite(handle, page_texts(handle), (2, "shall pay a fee."), (3, "5. Nothing else"))
    async with alone(SourcePane) as (pilot, pane, _):
        pane.show_citation(quote)
        await until(pilot, lambda: said(pane, "where") == "page 2 of 3 · quote [1], part 1 of 2")
        pane.focus()
        await pilot.press("n")
        await until(pilot, lambda: said(pane, "where") == "page 3 of 3 · quote [1], part 2 of 2")
        assert reversed_text(pane).replace("  ", " ") == "5. Nothing else"
        await pilot.press("p")
        await until(pilot, lambda: said(pane, "where") == "page 2 of 3 · quote [1], part 1 of 2")


@pytest.mark.asyncio
async def test_pages_are_turned_by_key_and_by_click(tmp_path: Path) -> None:
    handle = shelve(tmp_path, {"lease.txt": LEASE})["lease.txt"]
    async with alone(SourcePane) as (pilot, pane, _):
        pane.open_document(handle, 1)
        await until(pilot, lambda: said(pane, "where") == "page 1 of 3")
        pane.focus()
        await pilot.press("right")
        await until(pilot, lambda: said(pane, "where") == "page 2 of 3")
        await pilot.press("pagedown", "right")
        await until(pilot, lambda: pane.is_settled and said(pane, "where") == "page 3 of 3")
        await click(pilot, "#source-place Control")
        await until(pilot, lambda: said(pane, "where") == "page 2 of 3")
        await click(pilot, "#page-bar", offset=(0, 0))
        await until(pilot, lambda: said(pane, "where") == "page 1 of 3")


@pytest.mark.asyncio
async def test_search_walks_matches_over_pages_and_back_to_the_first(tmp_path: Path) -> None:
    handle = shelve(tmp_path, {"lease.txt": LEASE})["lease.txt"]
    async with alone(SourcePane) as (pilot, pane, _):
        pane.open_document(handle)
        await until(pilot, lambda: pane.is_settled)
        pane.focus()
        await pilot.press("slash", *"supplier shall", "enter")
        await until(pilot, lambda: said(pane, "where") == "page 1 of 3 · 1 of 2: “supplier shall”")
        assert reversed_text(pane).split() == ["Supplier", "shall"]
        await pilot.press("n")
        await until(pilot, lambda: said(pane, "where") == "page 2 of 3 · 2 of 2: “supplier shall”")
        assert reversed_text(pane).split() == ["Supplier", "shall"]
        await pilot.press("n")
        await until(pilot, lambda: said(pane, "where") == "page 1 of 3 · 1 of 2: “supplier shall”")
        await pilot.press("slash", *"resiliation", "enter")
        await until(pilot, lambda: "Résiliation" in reversed_text(pane))
        await pilot.press("slash", *"nowhere", "enter")
        await until(pilot, lambda: said(pane, "where").endswith("not found: “nowhere”"))


@pytest.mark.asyncio
async def test_a_quote_of_a_text_that_nobody_has_any_more_is_told_and_nothing_is_lit(tmp_path: Path) -> None:
    handle = shelve(tmp_path, {"lease.txt": LEASE})["lease.txt"]
    before = {1: "An older text: the fee is EUR 5."}
    async with alone(SourcePane) as (pilot, pane, _):
        pane.show_citation(cite(handle, before, (1, "the fee is EUR 5.")))
        await until(pilot, lambda: pane.is_settled and "the fee is EUR 5." in said(pane, "note"))
        assert "has changed" in said(pane, "note")
        assert reversed_text(pane) == ""
        assert not pane.query_one("#source-turn").display


@pytest.mark.asyncio
async def test_a_quote_of_a_page_that_was_read_again_is_lit_in_the_text_that_was_quoted(tmp_path: Path) -> None:
    """It was lit nowhere, and only the quote itself was shown."""
    file = tmp_path / "lease.pdf"
    file.write_bytes(pdf_bytes(["The fee is EUR 5.", "Nothing else was agreed."]))
    with Library(load().paths.library) as library:
        for _ in ingest.add(library, [file]):
            pass
        quote = cite("a", page_texts("a"), (1, "The fee is EUR 5."), (2, "Nothing else"))
        read_otherwise(library, 1, "Thefee isEUR 5.")
    async with alone(SourcePane) as (pilot, pane, _):
        pane.show_citation(quote)
        await until(pilot, lambda: pane.is_settled and reversed_text(pane) == "The fee is EUR 5.")
        assert said(pane, "note") == "This page has changed since it was quoted. Its text is shown as it was then."
        assert said(pane, "where") == "page 1 · quote [1], part 1 of 2"
        await click(pilot, "#source-turn")
        await until(pilot, lambda: pane.is_settled and top(pane).endswith("Thefee isEUR 5."))
        assert "“The fee is EUR 5.\nNothing else”" in said(pane, "note")
        assert reversed_text(pane) == ""
        pane.query_one("#source-turn").focus()
        await pilot.press("enter")
        await until(pilot, lambda: pane.is_settled and reversed_text(pane) == "The fee is EUR 5.")
        pane.focus()
        await pilot.press("n")
        await until(pilot, lambda: pane.is_settled and reversed_text(pane) == "Nothing else")
        assert said(pane, "where") == "page 2 of 2 · quote [1], part 2 of 2"
        assert not said(pane, "note")
        pane.open_document("a", 1)
        await until(pilot, lambda: pane.is_settled and top(pane).endswith("Thefee isEUR 5."))
        assert not pane.query_one("#source-turn").display


@pytest.mark.asyncio
async def test_a_quote_of_a_removed_document_is_still_shown() -> None:
    async with alone(SourcePane) as (pilot, pane, _):
        pane.show_citation(cite("q", {1: "Gone."}, (1, "Gone.")))
        await until(pilot, lambda: "no longer in the library" in said(pane, "note"))
        assert "“Gone.”" in said(pane, "note")


@pytest.mark.asyncio
async def test_the_lit_place_is_copied_with_its_source(tmp_path: Path) -> None:
    handle = shelve(tmp_path, {"lease.txt": LEASE})["lease.txt"]
    async with alone(SourcePane) as (pilot, pane, posted):
        pane.show_citation(cite(handle, page_texts(handle), (2, "EUR 40,000")))
        await until(pilot, lambda: pane.is_settled)
        pane.focus()
        await pilot.press("y")
        await until(pilot, lambda: posted)
        assert isinstance(posted[0], CopyWanted)
        assert posted[0].text == "“EUR 40,000”\nlease.txt, page 2"


@pytest.mark.asyncio
async def test_hostile_text_is_shown_as_text_and_long_lines_do_not_stop_anything(tmp_path: Path) -> None:
    text = "[red]x[/] \u202eevil\u202c\n" + "long " * 20_000 + "\n" + "y" * 100_000
    handle = shelve(tmp_path, {"[bold]evil.txt": text})["[bold]evil.txt"]
    async with alone(SourcePane) as (pilot, pane, _):
        pane.open_document(handle)
        await until(pilot, lambda: pane.is_settled and "[red]x[/]" in top(pane))
        assert said(pane, "title") == "[bold]evil.txt"
        assert not any("\u202e" in line for line in drawn(pane))
        pane.focus()
        await until(pilot, lambda: pane.query_one(PageView).max_scroll_y)
        await pilot.press("end")
        await until(pilot, lambda: pane.query_one(PageView).scroll_offset.y > 0)


@pytest.mark.asyncio
async def test_right_to_left_lines_stand_at_the_right(tmp_path: Path) -> None:
    handle = shelve(tmp_path, {"ar.txt": "يولد جميع الناس أحراراً."})["ar.txt"]
    async with alone(SourcePane) as (pilot, pane, _):
        pane.open_document(handle)
        await until(pilot, lambda: pane.is_settled and any(drawn(pane)))
        view = pane.query_one(PageView)
        assert cell_len(top(pane)) == view.scrollable_content_region.width


@pytest.mark.asyncio
async def test_a_lit_span_is_scrolled_into_view_whole(tmp_path: Path) -> None:
    text = "\n".join(f"line {number} of the page" for number in range(200))
    handle = shelve(tmp_path, {"long.txt": text})["long.txt"]
    pages = page_texts(handle)
    number, page = next((number, page) for number, page in pages.items() if "line 90 of" in page)
    words = page[page.index("line 90 of") : page.index("line 95 of")].rstrip()
    async with alone(SourcePane) as (pilot, pane, _):
        pane.show_citation(cite(handle, pages, (number, words)))
        await until(pilot, lambda: pane.is_settled and "line 90 of" in reversed_text(pane))
        assert "line 94 of the page" in reversed_text(pane)
        assert any("line 89 of" in line for line in drawn(pane))


@pytest.mark.asyncio
async def test_what_is_lit_stays_in_view_when_the_terminal_changes(tmp_path: Path) -> None:
    text = "\n".join(
        f"line {number} of the page is a long one that is broken where it is narrow" for number in range(30)
    )
    handle = shelve(tmp_path, {"long.txt": text})["long.txt"]
    pages = page_texts(handle)
    async with alone(SourcePane, (120, 40)) as (pilot, pane, _):
        pane.show_citation(cite(handle, pages, (1, "line 28 of the page is")))
        await until(pilot, lambda: pane.is_settled and "line 28" in reversed_text(pane))
        await pilot.resize_terminal(30, 12)
        await until(pilot, lambda: pane.size.width < 30 and "line 28" in reversed_text(pane))

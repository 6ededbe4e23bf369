from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from nemo_docs.answering.fit import Fit
from nemo_docs.plain import duration
from nemo_docs.tui.cells import fitted, padded, short_number
from nemo_docs.tui.messages import SharesCounted
from nemo_docs.tui.widgets.fit_meter import FitMeter, broken, parts
from tests.tui.alone import alone
from tests.tui.shelf import shelve
from tests.tui.support import until

pytestmark = pytest.mark.usefixtures("hurry")


WHOLE = Fit(
    documents=3,
    documents_without_text=0,
    pages=312,
    pages_counted=312,
    tokens=98_412,
    window_tokens=16_384,
    windows=7,
    windows_cached=0,
    tokens_cached=0,
    seconds=220.0,
    windows_in_budget=2,
    budget_s=60.0,
    memory_bytes=900_000_000,
    memory_free_bytes=11_000_000_000,
    model="nemo",
    is_whole=True,
)


def told(fit: Fit, *, is_library: bool = False) -> str:
    return " · ".join(parts(fit, is_library=is_library))


def test_a_fit_is_told_in_plain_words() -> None:
    assert told(WHOLE) == (
        "3 documents, 312 pages · 98k tokens · 7 windows of 16k · 3 min 40 s to read; 60 s read about 2 of them"
        " · 900.0 MB of memory, 11.0 GB free"
    )
    assert told(WHOLE, is_library=True).startswith("whole library: 3 documents")
    assert "fits in one window · 40 s to read" in told(replace(WHOLE, windows=1, seconds=40.0))
    assert "42% read already · 2 min to read the rest" in told(replace(WHOLE, tokens_cached=41_333, seconds=120.0))
    assert "all of it read already" in told(replace(WHOLE, tokens_cached=98_412, seconds=0.0))
    assert "speed not measured yet" in told(replace(WHOLE, seconds=None))
    assert told(replace(WHOLE, documents_without_text=2)).startswith("3 documents (2 more without text), 312 pages")
    assert "counting" in told(replace(WHOLE, windows=0, is_whole=False, pages_counted=64))


def test_too_little_memory_is_told_first() -> None:
    tight = replace(WHOLE, memory_bytes=26_000_000_000)
    assert parts(tight, is_library=False)[1] == "26.0 GB of memory, 11.0 GB free"


def test_memory_of_a_gpu_and_how_it_is_used_are_told() -> None:
    placed = replace(WHOLE, memory_where="cuda:0", memory_way="int4 with 8-bit KV")
    assert parts(placed, is_library=False)[-1] == "900.0 MB of memory on cuda:0 in int4 with 8-bit KV, 11.0 GB free"
    in_main = replace(placed, memory_where="cpu")
    assert parts(in_main, is_library=False)[-1] == "900.0 MB of memory in int4 with 8-bit KV, 11.0 GB free"


@given(st.lists(st.text(max_size=40), max_size=8), st.integers(10, 130))
def test_two_lines_at_most_and_none_too_long(texts: list[str], width: int) -> None:
    lines = broken([fitted(text, 200) for text in texts], width)
    assert len(lines) <= 2
    assert all(cell_len(line) <= width for line in lines)


@given(st.text(max_size=60), st.integers(0, 30))
def test_padded_text_has_exactly_so_many_cells(text: str, cells: int) -> None:
    assert cell_len(padded(text, cells)) == cells
    assert cell_len(padded(text, cells, right=True)) == cells


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (812, "812"), (999, "999"), (9_812, "9.8k"), (98_412, "98k"), (999_600, "1.0M"), (1_234_567, "1.2M")],
)
def test_numbers_take_four_characters(number: int, shown: str) -> None:
    assert short_number(number) == shown


def test_durations_are_told_in_two_units() -> None:
    assert [duration(s) for s in (0.2, 40, 200, 7_500)] == ["0 s", "40 s", "3 min 20 s", "2 h 5 min"]


@pytest.mark.asyncio
async def test_the_newest_selection_is_counted(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMO_DOCS_MODEL", str(tiny_folder))
    monkeypatch.setenv("NEMO_DOCS_IN_PROCESS", "true")
    shelve(tmp_path, {"a.txt": "Everyone has the right to rest.", "b.txt": "No one shall be held. " * 40})
    async with alone(FitMeter) as (pilot, meter, posted):
        meter.show_fit(())
        meter.show_fit(("b",))
        meter.show_fit(("a",))
        await until(pilot, lambda: meter.is_settled)
        assert str(meter.content).startswith("1 document, 1 page · ")
        assert "fits in one window" in str(meter.content)
        assert " of memory in " in str(meter.content)
        (counted,) = (each for each in posted if isinstance(each, SharesCounted))
        assert [share.document for share in counted.shares] == ["a"]
        meter.show_fit(())
        await until(pilot, lambda: meter.is_settled)
        assert str(meter.content).startswith("whole library: 2 documents, 2 pages")


@pytest.mark.asyncio
async def test_a_library_that_changes_is_counted_again(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMO_DOCS_MODEL", str(tiny_folder))
    monkeypatch.setenv("NEMO_DOCS_IN_PROCESS", "true")
    async with alone(FitMeter) as (pilot, meter, _):
        meter.show_fit(())
        await until(pilot, lambda: "empty" in str(meter.content))
        shelve(tmp_path, {"a.txt": "Everyone has the right to rest."})
        meter.show_fit(())
        await until(pilot, lambda: str(meter.content).startswith("whole library: 1 document"))


@pytest.mark.asyncio
async def test_a_missing_model_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMO_DOCS_MODELS_FOLDER", str(tmp_path / "none"))
    shelve(tmp_path, {"a.txt": "Everyone has the right to rest."})
    async with alone(FitMeter, (60, 10)) as (pilot, meter, _):
        meter.show_fit(())
        await until(pilot, lambda: meter.is_settled)
        assert "is not on this machine" in str(meter.content)
        assert "nemo-docs model pull smollm2" in str(meter.content)
        assert meter.has_class("-wrong")

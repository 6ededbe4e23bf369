"""One long PDF read by several children: the library holds what one child would give, whatever becomes of them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from nemo_docs.library import hands
from nemo_docs.library.events import FileDone, FileFailed, IngestEvent, PageDone
from nemo_docs.library.extraction import Limits
from nemo_docs.library.ingest import add
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import PageStatus, VersionStatus
from nemo_docs.library.store import Library

MakePdf = Callable[..., bytes]
ROOT = Path(__file__).parents[3]
SENTENCES = (
    "This page of the lease says when the rent is due, and to whom it is to be paid.",
    "Diese Seite des Vertrages sagt, wann die Miete fällig ist und wem sie zu zahlen ist.",
    "No. 7",  # tells no language: it has that of the page before
    "",
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children join even for a file that is as good as read."""
    monkeypatch.setattr(hands, "_SAVING_S", 0.0)


def pages(count: int) -> list[str]:
    chance = random.Random(8)
    texts = (chance.choice(SENTENCES) for _ in range(count))
    return [f"Page {number}.\n{text}\n" + "§ 1.\n" * 300 if text else "" for number, text in enumerate(texts)]


def contents(path: Path) -> list[object]:
    """All that a user can see, but for when it was added."""
    with LibraryReader(path) as reader:
        seen: list[object] = []
        for document in reader.documents():
            seen += [document.title, document.status, document.language, document.pages]
            seen += [reader.pages(document), reader.page_texts(document), reader.passages(document)]
        return seen


def readers(besides: set[psutil.Process]) -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if each not in besides]


@pytest.fixture
def others() -> set[psutil.Process]:
    """Children that other tests have left."""
    return set(psutil.Process().children())


def added_alone(folder: Path, file: Path, limits: Limits | None = None) -> list[object]:
    with Library(folder / "alone" / "library.db") as library:
        list(add(library, [file], workers=1, limits=limits))
    return contents(folder / "alone" / "library.db")


def until_shared(events: Iterator[IngestEvent], others: set[psutil.Process], children: int) -> list[PageDone]:
    """The pages that come before so many children read."""
    come = []
    for event in events:
        if isinstance(event, PageDone):
            come.append(event)
        if len(readers(others)) >= children and len(come) > 2:
            return come
    raise AssertionError("one child read all of it")


def test_several_children_give_what_one_would(
    library: Library, tmp_path: Path, make_pdf: MakePdf, others: set[psutil.Process]
) -> None:
    file = tmp_path / "lease.pdf"
    file.write_bytes(make_pdf(pages(160)))
    events = add(library, [file], workers=2)
    come = until_shared(events, others, 2)
    come += [event for event in events if isinstance(event, PageDone)]
    assert [event.page for event in come] == [*range(1, 161)], "they come in order"
    assert not readers(others)
    assert contents(library.path) == added_alone(tmp_path, file)


def test_a_child_that_dies_costs_one_page_at_most_and_another_goes_on(
    library: Library, tmp_path: Path, make_pdf: MakePdf, others: set[psutil.Process]
) -> None:
    file = tmp_path / "lease.pdf"
    file.write_bytes(make_pdf([f"Page {number}.\n" + "The rent is due.\n" * 200 for number in range(120)]))
    events = add(library, [file], workers=2)
    until_shared(events, others, 2)
    for child in readers(others):
        child.send_signal(signal.SIGKILL)
    done = next(event for event in events if isinstance(event, FileDone))
    assert done.pages == 120
    with LibraryReader(library.path) as reader:
        ledger = reader.pages("a")
        assert [page.number for page in ledger] == [*range(1, 121)]
        lost = [page for page in ledger if page.status is not PageStatus.OK]
        assert len(lost) <= 2
        assert all((page.status, page.note) == (PageStatus.ERROR, "the reader died on this page") for page in lost)
        assert [page.number for page in reader.page_texts("a")] == [p.number for p in ledger if p not in lost]


@pytest.mark.slow
def test_pages_that_take_too_long_cost_themselves_only(
    library: Library, tmp_path: Path, make_pdf: MakePdf, others: set[psutil.Process]
) -> None:
    file = tmp_path / "slow.pdf"
    texts = [f"Page {number}.\n" + "The rent is due.\n" * 200 for number in range(1, 201)]
    slow = (150, 151, 160)
    for number in slow:
        texts[number - 1] = "x\n" * 400_000
    file.write_bytes(make_pdf(texts))
    events = add(library, [file], workers=2, limits=Limits(page_s=1.0))
    until_shared(events, others, 2)
    list(events)
    with LibraryReader(library.path) as reader:
        ledger = reader.pages("a")
        assert [page.number for page in ledger] == [*range(1, 201)]
        assert {page.number for page in ledger if page.status is PageStatus.TIMEOUT} == {*slow}
        assert all(page.status is PageStatus.OK for page in ledger if page.number not in slow)


@pytest.mark.slow
def test_stopped_in_the_middle_it_is_resumed_behind_its_last_page(
    library: Library, tmp_path: Path, make_pdf: MakePdf, others: set[psutil.Process]
) -> None:
    file = tmp_path / "lease.pdf"
    file.write_bytes(make_pdf(pages(400)))
    events = add(library, [file], workers=3)
    until_shared(events, others, 3)
    events.close()
    assert not readers(others)
    with LibraryReader(library.path) as reader:
        (document,) = reader.documents()
        assert [page.number for page in reader.pages(document)] == [*range(1, document.pages_read + 1)]
    assert (document.status, 2 < document.pages_read < 400) == (VersionStatus.READING, True)
    *_, done, _ = add(library, [file], workers=3)
    assert isinstance(done, FileDone)
    assert done.resumed_at == document.pages_read + 1
    assert contents(library.path) == added_alone(tmp_path, file)


@pytest.mark.slow
def test_a_file_that_changes_while_children_join_is_read_as_it_was(
    library: Library, tmp_path: Path, make_pdf: MakePdf, others: set[psutil.Process]
) -> None:
    """The first child has all its bytes; whoever opens it later sees others, and is not asked."""
    file = tmp_path / "lease.pdf"
    texts = [f"Page {number}.\n" + "The rent is due.\n" * 100 for number in range(300)]
    file.write_bytes(make_pdf(texts))
    events = add(library, [file], workers=2)
    next(event for event in events if isinstance(event, PageDone))
    file.write_bytes(make_pdf(["Another text."] * 300))
    outcome = next(event for event in events if isinstance(event, FileDone | FileFailed))
    assert isinstance(outcome, FileDone)
    with LibraryReader(library.path) as reader:
        assert [page.text.split("\n")[0] for page in reader.page_texts("a")] == [f"Page {n}." for n in range(300)]


ADD = """
import sys
from pathlib import Path
from nemo_docs.library import hands, ingest
from nemo_docs.library.store import Library
hands._SAVING_S = 0.0
with Library(Path(sys.argv[1])) as library:
    for event in ingest.add(library, [sys.argv[2]], workers=3):
        pass
"""


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_twice(tmp_path: Path, make_pdf: MakePdf) -> None:
    chance = random.Random(int(os.environ.get("NEMO_DOCS_SEED", "9")))
    file = tmp_path / "lease.pdf"
    file.write_bytes(make_pdf(pages(300)))
    expected = added_alone(tmp_path, file)
    path = tmp_path / "disturbed" / "library.db"
    command = [sys.executable, "-c", ADD, str(path), str(file)]
    kills = rounds = most = 0
    while kills < int(os.environ.get("NEMO_DOCS_KILLS", "4")):
        try:
            subprocess.run(command, cwd=ROOT, check=True, timeout=chance.uniform(0.5, 3.0))  # which kills it
            assert contents(path) == expected
            with sqlite3.connect(path) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                connection.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('integrity-check', 1)")
            shutil.rmtree(path.parent)
            rounds, most = rounds + 1, 0
        except subprocess.TimeoutExpired:
            kills += 1
            with LibraryReader(path) as reader:
                numbers = [page.number for each in reader.documents() for page in reader.pages(each)]
            assert numbers == [*range(1, len(numbers) + 1)]
            assert len(numbers) >= most, "a committed page was lost"
            most = len(numbers)
    subprocess.run(command, cwd=ROOT, check=True)
    assert contents(path) == expected
    print(f"{kills} kills, {rounds} whole rounds")

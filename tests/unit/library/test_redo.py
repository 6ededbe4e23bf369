"""Pages read again: a new text, the old one kept, the index and the numbers of passages right, nothing lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_docs.errors import NothingFound, Unreadable, UsageError
from nemo_docs.library.extraction import Limits
from nemo_docs.library.ingest import add
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import PageFlag, PageStatus
from nemo_docs.library.redo import PageRedone, redo
from nemo_docs.library.store import Library

MakePdf = Callable[..., bytes]

THREE = ["The lease begins.\nIt is long.", "The rent is due.", "The lease ends."]
OLD = ["Once there was another text.\nIt said something else.", "Here, too.", "And here."]


@pytest.fixture
def file(library: Library, tmp_path: Path, make_pdf: MakePdf) -> Path:
    """A document whose pages were read, as it seems, by a program that read them otherwise."""
    file = tmp_path / "lease.pdf"
    file.write_bytes(make_pdf(THREE))
    list(add(library, [file]))
    return file


def read_otherwise(library: Library, number: int, text: str) -> str:
    """Make the library hold another text for a page, as an earlier reader might have given it; returns its hash."""
    from nemo_docs.library.clean import clean
    from nemo_docs.library.versions import NewPage

    with LibraryReader(library.path) as reader:
        sha256 = reader.documents()[0].sha256
    page = NewPage(number, "earlier 1", PageStatus.OK, language="en", raw=text, text=clean(text), script="Latin")
    assert library.replace_page("a", sha256, page)
    with LibraryReader(library.path) as reader:
        return reader.page_text("a", number).sha256


def whole(library: Library) -> None:
    """The index agrees with the passages, the passages with the texts, and their numbers are in page order."""
    with LibraryReader(library.path) as reader:
        passages = reader.passages("a")
        texts = {page.number: page.text for page in reader.page_texts("a")}
    assert [passage.ordinal for passage in passages] == list(range(1, len(passages) + 1))
    assert [(p.page, p.start) for p in passages] == sorted((p.page, p.start) for p in passages)
    assert {p.page for p in passages} == set(texts)
    assert all(texts[p.page][p.start : p.end].strip() for p in passages)
    with sqlite3.connect(library.path) as connection:
        connection.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('integrity-check', 1)")


def found(library: Library, query: str) -> list[tuple[int, str]]:
    with LibraryReader(library.path) as reader:
        return [(hit.page, hit.text) for hit in reader.search(query)]


def test_a_page_read_again_has_a_new_text_and_the_old_one_stays_whole(library: Library, file: Path) -> None:
    old = [read_otherwise(library, number, text) for number, text in enumerate(OLD, 1)]
    whole(library)
    assert found(library, "another")
    (event,) = redo(library, "a", [1])
    assert isinstance(event, PageRedone)
    assert (event.page, event.position, event.pages, event.is_changed, event.is_kept) == (1, 1, 1, True, False)
    assert event.extractor.startswith("pypdf")
    with LibraryReader(library.path) as reader:
        assert reader.page_text("a", 1).text == THREE[0]
        assert reader.page_text("a", 2).text == OLD[1]
        assert reader.text_with_hash("a", old[0]).text == OLD[0]
        assert reader.pages("a")[0].extractor == event.extractor
        with pytest.raises(NothingFound):
            reader.text_with_hash("a", "0" * 64)
    assert not found(library, "another")
    assert next(page for page, _ in found(library, "lease begins")) == 1
    whole(library)


def test_every_page_can_be_read_again_there_and_back(library: Library, file: Path) -> None:
    with LibraryReader(library.path) as reader:
        before, edition = reader.page_texts("a"), reader.documents()[0].edition
    assert [event.is_changed for event in redo(library, "a")] == [False, False, False]
    for number, text in enumerate(OLD, 1):
        read_otherwise(library, number, text)
    assert [event.page for event in redo(library, "a", [3, 1, 2, 1])] == [3, 1, 2]
    with LibraryReader(library.path) as reader:
        assert reader.page_texts("a") == before
        assert reader.documents()[0].edition > edition
    whole(library)


def test_a_page_that_tells_no_language_keeps_the_one_it_had(
    library: Library, tmp_path: Path, make_pdf: MakePdf
) -> None:
    file = tmp_path / "vertrag.pdf"
    file.write_bytes(make_pdf(["Die Miete ist am ersten Tag des Monats zu zahlen.", "Nr. 7"]))
    list(add(library, [file]))
    list(redo(library, "a", [2]))
    with LibraryReader(library.path) as reader:
        assert [page.language for page in reader.pages("a")] == ["de", "de"]


def test_an_edition_is_another_one_after_every_change(library: Library, file: Path) -> None:
    editions = []
    for _ in range(3):
        read_otherwise(library, 2, OLD[1])
        with LibraryReader(library.path) as reader:
            editions.append(reader.documents()[0].edition)
        list(redo(library, "a", [2]))
        with LibraryReader(library.path) as reader:
            editions.append(reader.documents()[0].edition)
    assert len(set(editions)) == len(editions)


@pytest.mark.parametrize("extractor", ["pypdf", "pdfium"])
def test_the_extractor_named_is_the_one_that_reads(library: Library, file: Path, extractor: str) -> None:
    events = list(redo(library, "a", extractor=extractor))
    assert all(event.extractor.startswith(extractor) for event in events)
    with LibraryReader(library.path) as reader:
        assert all(page.extractor.startswith(extractor) for page in reader.pages("a"))
        assert [page.text.split() for page in reader.page_texts("a")] == [text.split() for text in THREE]
    whole(library)


def test_what_cannot_be_read_again_is_one_clear_error(library: Library, file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no page 4"):
        next(redo(library, "a", [4]))
    with pytest.raises(NothingFound):
        next(redo(library, "zz", [1]))
    with pytest.raises(UsageError, match="no extractor 'magic'"):
        next(redo(library, "a", [1], extractor="magic"))
    notes = tmp_path / "notes.txt"
    notes.write_text("Words.")
    list(add(library, [notes]))
    with pytest.raises(UsageError, match="cannot be read with pdfium"):
        next(redo(library, "b", [1], extractor="pdfium"))
    assert next(redo(library, "b", [1])).characters == 6
    notes.write_text("Other words.")
    with pytest.raises(Unreadable, match="other bytes"):
        next(redo(library, "b", [1]))
    notes.unlink()
    with pytest.raises(Unreadable, match="cannot be read again") as caught:
        next(redo(library, "b", [1]))
    assert caught.value.hint


def test_a_reading_that_fails_leaves_the_page_as_it_is(library: Library, tmp_path: Path, make_pdf: MakePdf) -> None:
    slow = tmp_path / "slow.pdf"
    slow.write_bytes(make_pdf(["Quick.", "x\n" * 600_000]))
    list(add(library, [slow], limits=Limits(page_s=1)))
    kept = read_otherwise(library, 2, "What an earlier program could read.")
    first, second = redo(library, "a", limits=Limits(page_s=1))
    assert (first.status, first.is_kept) == (PageStatus.OK, False)
    assert (second.status, second.is_kept, second.is_changed) == (PageStatus.TIMEOUT, True, False)
    assert second.flags == (PageFlag.TIMEOUT,)
    with LibraryReader(library.path) as reader:
        assert reader.page_text("a", 2).sha256 == kept
        assert reader.pages("a")[1].status is PageStatus.OK
    whole(library)


def test_a_document_removed_or_changed_meanwhile_is_told(library: Library, file: Path, make_pdf: MakePdf) -> None:
    events = redo(library, "a")
    next(events)
    file.write_bytes(make_pdf(["A new lease."]))
    list(add(library, [file]))
    with pytest.raises(NothingFound, match="removed or changed"):
        list(events)
    with LibraryReader(library.path) as reader:
        assert [page.text for page in reader.page_texts("a")] == ["A new lease."]
    whole(library)
    again = redo(library, "a")
    library.remove("a")
    with pytest.raises(NothingFound):
        next(again)
    with LibraryReader(library.path) as reader:
        assert reader.documents() == []


def test_removing_leaves_no_text_of_any_reading(library: Library, file: Path) -> None:
    read_otherwise(library, 1, OLD[0])
    list(redo(library, "a"))
    library.remove("a")
    with sqlite3.connect(library.path) as connection:
        assert connection.execute("SELECT count(*) FROM texts").fetchone() == (0,)
    assert b"Once there was" not in library.path.read_bytes()

"""What is kept of vectors, with bytes in their place: any bytes will do to be kept and taken away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nemo_docs.library.connection import connect_to_write, transaction
from nemo_docs.library.ingest import add
from nemo_docs.library.meaning import storing
from nemo_docs.library.meaning.model import WIDTH
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.store import Library

MARK = bytes(range(101, 117))
"""No vector, but found again in any file."""
TEXT = "The tenant pays the rent on the first day of each month.\f{n}\fThe landlord keeps the roof in good repair.\f"


@pytest.fixture
def connection(library_path: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A library of two documents: two pages worth a vector and a page number, each."""
    for name, n in (("one.txt", 2), ("two.txt", 12)):
        (tmp_path / name).write_text(TEXT.format(n=n))
    with Library(library_path) as library:
        list(add(library, [tmp_path / "one.txt", tmp_path / "two.txt"], workers=1))
    with closing(connect_to_write(library_path)) as opened:
        yield opened


def rows(connection: sqlite3.Connection) -> storing.Rows:
    return lambda sql, values=(): connection.execute(sql, values).fetchall()


def vectors(page: storing.Pending) -> bytes:
    return (MARK * (WIDTH // len(MARK))) * len(page.passages)


def keep_all(connection: sqlite3.Connection, path: Path) -> list[storing.Pending]:
    pages = storing.pending(rows(connection), 0, 100)
    with transaction(connection, path) as execute:
        assert all(storing.keep(execute, page, vectors(page)) for page in pages)
    return pages


def test_what_lacks_vectors_is_every_page_with_text(connection: sqlite3.Connection, library_path: Path) -> None:
    pages = storing.pending(rows(connection), 0, 100)
    assert [len(page.passages) for page in pages] == [1, 0, 1] * 2
    assert pages[0].contents == ("The tenant pays the rent on the first day of each month.",)
    assert storing.pending(rows(connection), pages[1].text, 100) == pages[2:]
    assert storing.pending(rows(connection), 0, 2) == pages[:2]
    with LibraryReader(library_path) as reader:
        assert (reader.has_meaning(), reader.meaning_shares()) == (False, {})
        keep_all(connection, library_path)
        assert reader.has_meaning() is True
        assert reader.meaning_shares() == {"a": storing.Share(3, 3), "b": storing.Share(3, 3)}
    assert storing.pending(rows(connection), 0, 100) == []


def test_vectors_are_given_back_with_their_passages(connection: sqlite3.Connection, library_path: Path) -> None:
    pages = keep_all(connection, library_path)
    every = [*storing.kept(rows(connection), None, None)]
    assert [len(passages) // 8 for _, passages, _ in every] == [1, 0, 1] * 2
    assert [kept for _, _, kept in every] == [vectors(page) for page in pages]
    assert [*storing.kept(rows(connection), ["b"], None)] == every[3:]
    assert [*storing.kept(rows(connection), None, ["fr"])] == []


def test_vectors_of_another_model_are_none(
    connection: sqlite3.Connection, library_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_all(connection, library_path)
    monkeypatch.setattr(storing, "NAME", "another")
    assert not storing.has_vectors(rows(connection))
    assert [*storing.kept(rows(connection), None, None)] == []
    assert len(keep_all(connection, library_path)) == 6
    assert len(connection.execute("SELECT * FROM passage_vectors").fetchall()) == 6


def traces(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.is_file() and MARK in file.read_bytes()]


@pytest.mark.parametrize("act", ["remove", "change"])
def test_vectors_go_with_their_passages_to_the_last_byte(
    connection: sqlite3.Connection, library_path: Path, tmp_path: Path, act: str
) -> None:
    keep_all(connection, library_path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert traces(library_path.parent)
    with Library(library_path) as library:
        if act == "change":
            for name in ("one.txt", "two.txt"):
                (tmp_path / name).write_text(f"Nothing of {name} is left.")
            list(add(library, [tmp_path / "one.txt", tmp_path / "two.txt"], workers=1))
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            library.remove("a")
            assert [*storing.kept(rows(connection), None, None)] == [*storing.kept(rows(connection), ["b"], None)]
            library.remove("b")
    assert connection.execute("SELECT * FROM passage_vectors").fetchall() == []
    assert traces(library_path.parent) == []


def test_what_was_removed_meanwhile_gets_no_vectors(connection: sqlite3.Connection, library_path: Path) -> None:
    first, *_ = storing.pending(rows(connection), 0, 100)
    with Library(library_path) as library, LibraryReader(library_path) as reader:
        for document in reader.documents():
            library.remove(document.handle)
    with transaction(connection, library_path) as execute:
        assert storing.keep(execute, first, vectors(first)) is False
    assert connection.execute("SELECT * FROM passage_vectors").fetchall() == []

"""A library of an earlier schema is read as it is, and keeps all it holds when it is next written to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from nemo_docs.library.migrations import migrations
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.store import Library

FILLED = """
INSERT INTO documents (id, handle, title, version) VALUES (1, 'a', 'lease.txt', NULL);
INSERT INTO versions VALUES (1, 1, 'bytes', '/lease.txt', '2026-01-02T03:04:05+00:00', 'complete', 2, 'en');
UPDATE documents SET version = 1;
UPDATE counters SET value = 3;
INSERT INTO pages VALUES (1, 1, 1, 'ok', 28, 0, 'text 1', 'en', '', NULL), (2, 1, 2, 'empty', 0, 0, 'text 1', 'und', 'blank', NULL);
INSERT INTO texts VALUES (1, 1, 'hash', 'text 1', 'Rent is due. So are the fees', x'00', x'00');
UPDATE pages SET text = 1 WHERE id = 1;
INSERT INTO passages VALUES (1, 1, 1, 1, 0, 28, 'en', 'rent due fee');
"""  # noqa: E501


@pytest.fixture
def old_library(library_path: Path) -> Path:
    """A library that the first schema's program filled."""
    library_path.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(library_path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        migrations.apply(Database(connection), stop_before="m002_collections_and_conversations")
        connection.executescript(FILLED)
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    library_path.chmod(0o600)
    return library_path


def test_the_first_schema_is_read_as_it_is(old_library: Path) -> None:
    before = old_library.read_bytes()
    with LibraryReader(old_library) as reader:
        (document,) = reader.documents()
        assert (document.title, document.pages, document.collections) == ("lease.txt", 2, ())
        assert reader.collections() == {}
        assert reader.resolve("lease").handle == "a"
        assert [hit.page for hit in reader.search("rents")] == [1]
    assert old_library.read_bytes() == before


def test_the_first_schema_keeps_its_data_when_it_is_brought_up_to_date(old_library: Path) -> None:
    with LibraryReader(old_library) as reader:
        documents, pages, texts = reader.documents(), reader.pages("a"), reader.page_texts("a")
        with Library(old_library) as library:
            assert library.tag("a", "Law") == "Law"
            assert library.start_version(path="/new", title="new", sha256="new", pages=1).handle == "d"
        assert reader.collections() == {"Law": ("a",)}, "a reader that was open sees the new schema"
    with LibraryReader(old_library) as reader:
        assert [document.handle for document in reader.documents()] == ["a", "d"]
        assert reader.documents()[0].sha256 == documents[0].sha256
        assert (reader.pages("a"), reader.page_texts("a")) == (pages, texts)
        assert [hit.page for hit in reader.search("rents")] == [1]
    with closing(sqlite3.connect(old_library)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (7,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_step_that_fails_leaves_the_first_schema(old_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nemo_docs.errors import LibraryError
    from nemo_docs.library import migrations as steps

    monkeypatch.setattr(steps, "_M002", (*steps._M002[:4], "CREATE NONSENSE"))
    with pytest.raises(LibraryError, match="NONSENSE"):
        Library(old_library)
    with LibraryReader(old_library) as reader:
        assert [document.handle for document in reader.documents()] == ["a"]
    monkeypatch.undo()
    with Library(old_library) as library:
        library.tag("a", "Law")

"""What takes long within one act of the library: it is told, and whoever ends it finds the library as it was."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from nemo_docs.library import indexing, upkeep
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.store import Library
from tests.unit.library.test_search import _as_schema_4, pages_of, write

DOCUMENTS = 12


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is rewritten a page at a time, and nobody listens after a test."""
    monkeypatch.setattr(indexing, "_STEP_PAGES", 1)
    monkeypatch.setattr(upkeep, "_listeners", [])


@pytest.fixture
def filled(library: Library) -> Path:
    """A library of some documents; each has a word of its own."""
    for number in range(DOCUMENTS):
        write(library, f"/{number}", [*pages_of(number), f"The zanderwumpus{number}x has a tail."])
    library.close()
    return library.path


KILLED = """
import os, signal, sys
from pathlib import Path
from nemo_docs.library import indexing, upkeep
from nemo_docs.library.store import Library
indexing._STEP_PAGES = 1

def killed(task, done, of):
    if sys.argv[2] == "remove" or 2 * done >= of:
        os.kill(os.getpid(), signal.SIGKILL)

upkeep.listen(killed)
with Library(Path(sys.argv[1])) as library:
    if sys.argv[2] == "remove":
        library.remove("c")
"""


def end(path: Path, act: str, how: str) -> None:
    """Begin an act, and end it in the middle: a removal before the second step of writing the index."""
    if how == "kill":
        if sys.platform == "win32":
            pytest.skip("there is no SIGKILL here")
        done = subprocess.run([sys.executable, "-c", KILLED, str(path), act], env=dict(os.environ), check=False)
        assert done.returncode == -signal.SIGKILL
        return

    def interrupted(_task: str, done: int, of: int) -> None:
        if act == "remove" or 2 * done >= of:
            raise KeyboardInterrupt

    upkeep.listen(interrupted)
    with pytest.raises(KeyboardInterrupt), Library(path) as library:
        library.remove("c")
    upkeep.listen(lambda _task, _done, _of: None)


@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_a_migration_that_is_ended_loses_nothing_and_is_done_the_next_time(filled: Path, how: str) -> None:
    _as_schema_4(filled)
    with LibraryReader(filled) as reader:
        documents = reader.documents()
    end(filled, "open", how)
    with LibraryReader(filled) as reader:
        assert reader._schema() == 4
        assert reader.documents() == documents
        assert [hit.document for hit in reader.search("zanderwumpus3x")] == ["d"]
    told: list[tuple[str, int, int]] = []
    upkeep.listen(lambda *each: told.append(each))
    with Library(filled):
        pass
    assert told == [("Indexing all pages anew", done, 4 * DOCUMENTS) for done in range(1, 4 * DOCUMENTS + 1)]
    with LibraryReader(filled) as reader:
        assert reader._schema() > 6
        assert [hit.document for hit in reader.search("zanderwumpus3x")] == ["d"]
    assert_sound(filled)


@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_a_removal_that_is_ended_leaves_the_document(filled: Path, how: str) -> None:
    end(filled, "remove", how)
    with LibraryReader(filled) as reader:
        assert len(reader.documents()) == DOCUMENTS
        assert [hit.document for hit in reader.search("zanderwumpus2x")] == ["c"]
    assert_sound(filled)
    told: list[tuple[str, int, int]] = []
    upkeep.listen(lambda *each: told.append(each))
    with Library(filled) as library:
        library.remove("c")
    assert {task for task, _, _ in told} == {"Rewriting the index"}
    assert all(done <= of for _, done, of in told)
    left = b"".join(file.read_bytes() for file in filled.parent.rglob("*") if file.is_file())
    assert b"zanderwumpus3x" in left
    assert b"zanderwumpus2x" not in left.lower()
    assert b"umpus2x" not in left.lower(), "the index shares the beginnings of words"
    assert_sound(filled)


def assert_sound(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('integrity-check', 1)")
        connection.rollback()
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []

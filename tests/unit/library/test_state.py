"""What a watcher sees: another value after every change that somebody else committed, the same value otherwise."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.library.conversations import Conversations
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.store import Library
from tests.properties import examples
from tests.unit.library.test_store import put

ROOT = Path(__file__).resolve().parents[3]
TAG = """
import sys
from pathlib import Path
from nemo_docs.library.store import Library
with Library(Path(sys.argv[1])) as library:
    library.tag("a", sys.argv[2])
"""


def test_every_change_is_seen_and_reading_is_none(library: Library, library_path: Path) -> None:
    put(library, "/a", "One.")
    changes = [
        lambda: library.start_version(path="/b", title="b", sha256="b", pages=1),
        lambda: library.tag("a", "law"),
        lambda: Conversations(library_path).begin_turn(None, "Who pays?", []),
        lambda: subprocess.run([sys.executable, "-c", TAG, str(library_path), "home"], cwd=ROOT, check=True),
        lambda: library.remove("b"),
    ]
    with LibraryReader(library_path) as watcher, LibraryReader(library_path) as other:
        for change in changes:
            before = watcher.state()
            other.documents()
            watcher.documents()
            other.search("one")
            assert watcher.state() == before
            change()
            assert watcher.state() != before


def test_a_library_that_is_made_taken_away_and_put_back_is_seen(library_path: Path, tmp_path: Path) -> None:
    with LibraryReader(library_path) as watcher:
        states = [watcher.state()]
        library_path.parent.mkdir()
        library_path.touch()
        states.append(watcher.state())
        with Library(library_path) as library:
            put(library, "/a", "One.")
        states.append(watcher.state())
        assert [document.handle for document in watcher.documents()] == ["a"]
        with Library(library_path) as library:
            library.tag("a", "law")
        states.append(watcher.state())
        with Library(tmp_path / "copy.db") as library:
            put(library, "/x", "Two.")
            put(library, "/y", "Three.")
        if os.name == "posix":
            os.replace(tmp_path / "copy.db", library_path)
            states.append(watcher.state())
            assert [document.title for document in watcher.documents()] == ["x", "y"]
            library_path.unlink()
            states.append(watcher.state())
            assert watcher.documents() == []
    for before, after in itertools.pairwise(states):
        assert before != after


@examples(30)
@given(st.lists(st.booleans(), max_size=20))
def test_as_many_changes_as_are_seen(tmp_path_factory: pytest.TempPathFactory, writes: list[bool]) -> None:
    path = tmp_path_factory.mktemp("state") / "library.db"
    with Library(path) as library:
        put(library, "/a", "One.")
        with LibraryReader(path) as watcher:
            before = watcher.state()
            for number, is_write in enumerate(writes):
                if is_write:
                    library.tag("a", f"collection {number}")
                assert (watcher.state() != before) == is_write
                before = watcher.state()

"""The reading queue: its order, what survives, what a removal takes along."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.errors import NothingFound
from nemo_docs.library.reading_queue import QueueState, ReadingQueue
from nemo_docs.library.store import Library
from tests.properties import examples
from tests.unit.library.test_store import put


@pytest.fixture
def queue(library: Library, library_path: Path) -> ReadingQueue:
    """An empty queue, and documents a to d."""
    for name in ("one", "two", "three", "four"):
        put(library, f"/{name}.txt", name, name)
    return ReadingQueue(library_path)


def order(queue: ReadingQueue) -> str:
    return "".join(item.handle for item in queue.items())


def states(queue: ReadingQueue) -> dict[str, str]:
    return {item.handle: str(item.state) for item in queue.items()}


def test_looking_makes_no_library(library_path: Path) -> None:
    queue = ReadingQueue(library_path)
    assert queue.items() == []
    queue.pause()
    queue.clear()
    queue.remove(["a"])
    assert not library_path.parent.exists()


def test_documents_wait_in_the_order_in_which_they_were_asked_for(queue: ReadingQueue, library_path: Path) -> None:
    queue.add(["c", "a", "c"])
    queue.add(["b"])
    assert order(queue) == "cab"
    first, second, third = ReadingQueue(library_path).items()
    assert first.batch == second.batch != third.batch
    assert (first.title, first.state, first.is_next) == ("three.txt", QueueState.WAITING, True)


def test_what_is_wanted_first_comes_before_all_others(queue: ReadingQueue) -> None:
    queue.add(["a", "b", "c"])
    queue.add(["d", "b"], first=True)
    assert order(queue) == "dbac"
    queue.add(["c", "a"])
    assert order(queue) == "dbac", "who is in the queue keeps its place"


def test_a_document_that_does_not_exist_adds_none(queue: ReadingQueue) -> None:
    with pytest.raises(NothingFound, match="'x'"):
        queue.add(["a", "x"])
    assert order(queue) == ""


def test_pausing_keeps_the_place(queue: ReadingQueue) -> None:
    queue.add(["a", "b", "c"])
    queue.pause(["b"])
    assert states(queue) == {"a": "waiting", "b": "paused", "c": "waiting"}
    queue.pause()
    queue.resume(["c"])
    assert states(queue) == {"a": "paused", "b": "paused", "c": "waiting"}
    queue.resume()
    assert set(states(queue).values()) == {"waiting"}
    assert order(queue) == "abc"


@pytest.mark.parametrize("again", ["resume", "add", "add first"])
def test_a_failure_keeps_its_reason_until_it_is_tried_again(queue: ReadingQueue, again: str) -> None:
    queue.add(["a", "b"])
    queue.fail(["a"], "It is too large.")
    item = queue.items()[0]
    assert (item.state, item.reason, item.is_next) == (QueueState.FAILED, "It is too large.", False)
    queue.pause()
    assert states(queue) == {"a": "failed", "b": "paused"}
    if again == "resume":
        queue.resume(["a"])
    else:
        queue.add(["a"], first=again == "add first")
    item = queue.items()[0]
    assert (item.handle, item.state, item.reason) == ("a", QueueState.WAITING, "")


def test_documents_leave_one_by_one_or_all(queue: ReadingQueue) -> None:
    queue.add(["a", "b", "c"])
    queue.remove(["b", "d"])
    assert order(queue) == "ac"
    queue.clear()
    assert order(queue) == ""


def test_a_batch_is_never_taken_for_another(queue: ReadingQueue) -> None:
    queue.add(["a"])
    before = queue.items()[0].batch
    queue.clear()
    queue.add(["a"])
    assert queue.items()[0].batch != before


def test_a_removed_document_is_out_of_the_queue(queue: ReadingQueue, library: Library) -> None:
    queue.add(["a", "b"])
    library.remove("a")
    queue.fail(["a"], "It is gone.")
    assert order(queue) == "b"


def test_a_document_that_is_still_added_waits(queue: ReadingQueue, library: Library) -> None:
    library.start_version(path="/long.txt", title="long.txt", sha256="long", pages=2)
    queue.add(["e"])
    assert not queue.items()[0].is_next


def test_the_second_schema_gets_a_queue_when_it_is_first_written_to(library_path: Path) -> None:
    from sqlite_utils import Database

    from nemo_docs.library.migrations import migrations

    library_path.parent.mkdir()
    database = Database(library_path)
    migrations.apply(database, stop_before="m003_reading_queue")
    database.execute("INSERT INTO documents (handle, title) VALUES ('a', 'lease.txt')")
    database.execute(
        "INSERT INTO versions VALUES (1, 1, 'bytes', '/lease.txt', '2026-01-02T03:04:05+00:00', 'complete', 1, 'en')"
    )
    database.execute("UPDATE documents SET version = 1")
    database.conn.commit()
    database.close()
    queue = ReadingQueue(library_path)
    assert queue.items() == []
    with closing(sqlite3.connect(library_path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,), "looking upgrades nothing"
    queue.add(["a"])
    assert order(queue) == "a"


@examples(40)
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["add", "first", "remove"]), st.lists(st.sampled_from("abcd"), max_size=4)),
        max_size=8,
    )
)
def test_the_order_is_that_of_a_list(
    acts: list[tuple[str, list[str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("queue") / "library.db"
    with Library(path) as library:
        for name in ("one", "two", "three", "four"):
            put(library, f"/{name}.txt", name, name)
    queue, expected = ReadingQueue(path), list[str]()
    for act, given_handles in acts:
        handles = list(dict.fromkeys(given_handles))
        if act == "remove":
            queue.remove(handles)
            expected = [each for each in expected if each not in handles]
        elif act == "first":
            queue.add(given_handles, first=True)
            expected = handles + [each for each in expected if each not in handles]
        else:
            queue.add(given_handles)
            expected += [each for each in handles if each not in expected]
        assert order(queue) == "".join(expected)

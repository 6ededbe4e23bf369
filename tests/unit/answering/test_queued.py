"""Reading through the queue: what is read, in which order, by whom, and what others change meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from nemo_docs.answering.events import Progress
from nemo_docs.answering.gather import gather
from nemo_docs.answering.queue_events import DocumentRead, NotRead, QueueEvent, ReadingBegan, ReadingStopped, Waiting
from nemo_docs.answering.queued import is_being_read, read_queue
from nemo_docs.answering.source import Source
from nemo_docs.backends.base import BackendEvent
from nemo_docs.backends.local import LocalBackend
from nemo_docs.errors import EngineStopped
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.reading_queue import QueueState, ReadingQueue
from nemo_docs.library.store import Library
from tests.unit.answering.conftest import OpenBackend
from tests.unit.library.test_store import put

PAGE = "The tenant pays the fee on the third day of each month, and no later than that. " * 6
Read = Callable[..., Iterator[QueueEvent]]


@pytest.fixture
def path(home: Path) -> Path:
    """A library of three documents, c without text."""
    with Library(home / "library.db") as library:
        put(library, "/long.txt", *(f"{number}. {PAGE}" for number in range(6)))
        put(library, "/short.txt", f"A short one. {PAGE}")
        put(library, "/empty.txt", "")
    return home / "library.db"


@pytest.fixture
def queue(path: Path) -> ReadingQueue:
    return ReadingQueue(path)


@pytest.fixture
def read(path: Path) -> Read:
    """Read the queue with a backend."""

    def sources(handles: Sequence[str]) -> list[Source]:
        with LibraryReader(path) as library:
            documents = [each for each in library.documents() if each.handle in handles]
            return gather(library, [(each, frozenset(range(1, each.pages + 1))) for each in documents])

    def events(backend: LocalBackend, **options: object) -> Iterator[QueueEvent]:
        return read_queue(path, sources, backend, state=path.parent / "state", **options)  # type: ignore[arg-type]

    return events


def kinds(events: Sequence[QueueEvent]) -> list[tuple[str, str]]:
    """What happened to which document, without progress."""
    return [(type(each).__name__, each.document) for each in events if not isinstance(each, Progress | Waiting)]


def test_the_queue_is_read_in_order_and_is_empty_then(
    queue: ReadingQueue, read: Read, open_backend: OpenBackend
) -> None:
    queue.add(["b", "a"])
    events = list(read(open_backend(effective=300)))
    assert kinds(events) == [("ReadingBegan", "b"), ("DocumentRead", "b"), ("ReadingBegan", "a"), ("DocumentRead", "a")]
    assert [each.waiting for each in events if isinstance(each, ReadingBegan)] == [1, 0]
    done = events[-1]
    assert isinstance(done, DocumentRead)
    assert done.windows > 1
    assert (done.tokens_cached, done.tokens) == (
        0,
        sum({each.window: each.tokens_total for each in events if isinstance(each, Progress)}.values()),
    )
    last = [each for each in events if isinstance(each, Progress)][-1]
    assert (last.window, last.tokens, last.seconds_left) == (last.windows, last.tokens_total, 0.0)
    assert queue.items() == []


def test_nothing_is_read_twice(queue: ReadingQueue, read: Read, open_backend: OpenBackend) -> None:
    backend = open_backend(effective=300)
    queue.add(["a"])
    tokens = 0

    def cancelled() -> bool:
        return tokens > 400

    events: list[QueueEvent] = []
    for event in read(backend, cancelled=cancelled):
        events.append(event)
        tokens = event.tokens * event.window if isinstance(event, Progress) else tokens
    stopped = events[-1]
    assert isinstance(stopped, ReadingStopped)
    assert (stopped.document, stopped.reason) == ("a", "cancelled")
    assert [item.state for item in queue.items()] == [QueueState.WAITING]
    done = list(read(backend))[-1]
    assert isinstance(done, DocumentRead)
    assert stopped.tokens <= done.tokens_cached < done.tokens
    queue.add(["a"])
    again = list(read(backend))[-1]
    assert isinstance(again, DocumentRead)
    assert again.tokens_cached == again.tokens


def test_a_document_that_fails_is_told_and_the_others_go_on(
    queue: ReadingQueue, read: Read, open_backend: OpenBackend
) -> None:
    queue.add(["c", "b"])
    events = list(read(open_backend()))
    assert kinds(events) == [("ReadingBegan", "c"), ("NotRead", "c"), ("ReadingBegan", "b"), ("DocumentRead", "b")]
    (item,) = queue.items()
    assert (item.handle, item.state) == ("c", QueueState.FAILED)
    assert "holds any text" in item.reason
    assert list(read(open_backend())) == [], "it is not tried for ever"


class Ended(LocalBackend):
    """An engine that ends when it is to read."""

    def run(self, *arguments: object, **options: object) -> Iterator[BackendEvent]:
        raise EngineStopped("The engine has ended.")


def test_an_engine_that_ends_leaves_the_queue_as_it_was(
    queue: ReadingQueue, read: Read, open_backend: OpenBackend
) -> None:
    backend = open_backend()
    queue.add(["a", "b"])
    with pytest.raises(EngineStopped):
        list(read(Ended(backend._files, backend._engine)))
    assert [item.state for item in queue.items()] == [QueueState.WAITING] * 2
    assert not is_being_read(queue._path.parent / "state")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda queue: queue.pause(["a"]), "paused"),
        (lambda queue: queue.remove(["a"]), "dropped"),
        (lambda queue: queue.add(["b"], first=True), "later"),
    ],
)
def test_changes_to_the_queue_hold_at_once(
    queue: ReadingQueue,
    read: Read,
    open_backend: OpenBackend,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[ReadingQueue], None],
    reason: str,
) -> None:
    monkeypatch.setattr("nemo_docs.answering.queued.LOOK_S", 0.0)
    queue.add(["a"])
    is_done, events = False, []
    for event in read(open_backend(effective=300)):
        events.append(event)
        if isinstance(event, Progress) and event.stage == "reading" and event.window == 2 and not is_done:
            is_done = True
            act(queue)
    stopped = next(each for each in events if isinstance(each, ReadingStopped))
    assert (stopped.document, stopped.reason) == ("a", reason)
    order = [("ReadingBegan", "a"), ("ReadingStopped", "a")]
    if reason == "later":
        order += [(kind, handle) for handle in "ba" for kind in ("ReadingBegan", "DocumentRead")]
    assert kinds(events) == order


def test_a_document_that_is_removed_meanwhile_is_told(
    queue: ReadingQueue, read: Read, open_backend: OpenBackend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nemo_docs.answering.queued.LOOK_S", 0.0)
    queue.add(["a", "b"])
    events = []
    for event in read(open_backend(effective=300)):
        events.append(event)
        if isinstance(event, Progress) and event.window == 2 and len(queue.items()) == 2:
            with Library(path) as library:
                library.remove("a")
    assert kinds(events) == [("ReadingBegan", "a"), ("NotRead", "a"), ("ReadingBegan", "b"), ("DocumentRead", "b")]
    failed = events[[isinstance(each, NotRead) for each in events].index(True)]
    assert isinstance(failed, NotRead)
    assert "removed" in failed.message


def test_a_second_reader_waits_and_goes_on_where_the_first_one_ended(
    queue: ReadingQueue, read: Read, open_backend: OpenBackend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nemo_docs.answering.queued.LOOK_S", 0.01)
    queue.add(["a", "b"])
    first = read(open_backend(effective=300))
    assert not is_being_read(path.parent / "state")
    while not isinstance(next(first), ReadingBegan):
        pass
    assert is_being_read(path.parent / "state")
    second: list[QueueEvent] = []
    told = threading.Event()

    def read_second() -> None:
        for event in read(open_backend(effective=300)):
            second.append(event)
            told.set()

    thread = threading.Thread(target=read_second)
    thread.start()
    assert told.wait(60)
    assert second == [Waiting("reader")]
    first.close()  # type: ignore[attr-defined]  # as a process that is killed lets go of its lock
    thread.join(60)
    assert kinds(second) == [
        ("ReadingBegan", "a"),
        ("DocumentRead", "a"),
        ("ReadingBegan", "b"),
        ("DocumentRead", "b"),
    ]


def test_reading_lets_go_while_a_question_is_answered(
    queue: ReadingQueue, read: Read, open_backend: OpenBackend
) -> None:
    queue.add(["a"])
    backend, held, events = open_backend(effective=300), threading.Event(), list[QueueEvent]()
    for event in read(backend, held=held.is_set):
        events.append(event)
        if isinstance(event, Progress) and event.window == 2 and not any(isinstance(each, Waiting) for each in events):
            held.set()
        if isinstance(event, Waiting):
            assert not backend._engine._busy.locked(), "a question has the model for itself"  # type: ignore[attr-defined]
            held.clear()
    assert [each.reason for each in events if isinstance(each, Waiting)] == ["question"]
    assert kinds(events) == [("ReadingBegan", "a"), ("DocumentRead", "a")]
    done = events[-1]
    assert isinstance(done, DocumentRead)
    assert done.tokens_cached < done.tokens / 2, "what was read before the question counts as read now"


def test_documents_of_one_act_share_windows_where_these_are_packed(
    queue: ReadingQueue, read: Read, open_backend: OpenBackend
) -> None:
    queue.add(["a", "b"])
    events = list(read(open_backend(), window=4_000))
    assert kinds(events) == [("ReadingBegan", "a, b"), ("DocumentRead", "a, b")]
    done = events[-1]
    assert isinstance(done, DocumentRead)
    assert done.windows == 1
    assert queue.items() == []
    queue.add(["a"])
    queue.add(["b"])
    assert [each.document for each in list(read(open_backend(), window=4_000)) if isinstance(each, DocumentRead)] == [
        "a",
        "b",
    ]

"""The queue of files: what waits, who works on it, what failed; and that no password is ever in it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_docs.errors import Encrypted, UsageError
from nemo_docs.library import ingest
from nemo_docs.library.adding_queue import AddingQueue, FileState
from nemo_docs.library.claims import Claims
from nemo_docs.library.events import (
    FileDone,
    FileFailed,
    FileSkipped,
    FileStarted,
    FileStopped,
    IngestEvent,
    PageDone,
    Totals,
)
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.runners import Runner
from nemo_docs.library.store import Library

MakePdf = Callable[..., bytes]
ROOT = Path(__file__).parents[3]


def kinds(events: list[IngestEvent]) -> list[type]:
    return [type(event) for event in events]


def states(path: Path) -> dict[str, str]:
    return {Path(item.path).name: str(item.state) for item in AddingQueue(path).items()}


def test_a_queue_keeps_its_order_its_batches_and_its_collections(library_path: Path) -> None:
    queue = AddingQueue(library_path)
    assert queue.items() == []
    first = queue.add(["/b", "/a"], ["Law", "Work"])
    second = queue.add(["/c", "/b"])
    found = [(item.path, item.batch, item.state, item.collections) for item in queue.items()]
    assert found == [
        ("/b", second, FileState.WAITING, ()),
        ("/a", first, FileState.WAITING, ("Law", "Work")),
        ("/c", second, FileState.WAITING, ()),
    ]
    queue.pause(["/a"])
    assert states(library_path) == {"b": "waiting", "a": "paused", "c": "waiting"}
    queue.resume()
    queue.remove(["/c"])
    assert states(library_path) == {"b": "waiting", "a": "waiting"}
    queue.clear()
    assert queue.items() == []
    with pytest.raises(UsageError):
        queue.add(["/a"], ["no,name"])
    assert queue.items() == []


def test_a_file_that_is_in_the_library_leaves_the_queue_and_one_that_failed_stays(
    library: Library, library_path: Path, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("Some words.")
    bad.write_bytes(b"")
    assert list(ingest.add(library, [good, bad]))[-1] == Totals(added=1, failed=1, pages=1)
    (letter,) = AddingQueue(library_path).failed()
    assert (letter.path, letter.kind, letter.tries) == (str(bad), "Unreadable", 1)
    assert "0 bytes" in letter.reason
    assert letter.hint
    assert list(ingest.resume(library)) == [Totals()], "dead letters wait for nobody"
    queue = AddingQueue(library_path)
    queue.retry()
    assert kinds(list(ingest.resume(library))) == [FileStarted, FileFailed, Totals]
    assert queue.failed()[0].tries == 2
    bad.write_text("Now it has words.")
    queue.retry([str(bad)])
    assert kinds(list(ingest.resume(library, [str(bad)]))) == [FileStarted, PageDone, FileDone, Totals]
    assert queue.items() == []


def test_a_dead_letter_can_be_let_go(library: Library, library_path: Path, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(b"")
    list(ingest.add(library, [tmp_path / "a.txt", tmp_path / "b.txt"]))
    queue = AddingQueue(library_path)
    queue.forget([str(tmp_path / "a.txt")])
    assert states(library_path) == {"b.txt": "failed"}
    queue.forget()
    assert queue.items() == []


def test_a_password_is_never_written_down(
    library: Library, library_path: Path, tmp_path: Path, make_pdf: MakePdf
) -> None:
    file = tmp_path / "sealed.pdf"
    file.write_bytes(make_pdf(["A sealed page."], password="gauß-1777"))
    list(ingest.add(library, [file], password="wrong-one"))
    (letter,) = AddingQueue(library_path).failed()
    assert isinstance(letter.error, Encrypted)
    AddingQueue(library_path).retry()
    assert isinstance([*ingest.resume(library, password="gauß-1777")][-2], FileDone)
    library.close()
    for left in library_path.parent.rglob("*"):
        assert not left.is_file() or (b"wrong-one" not in left.read_bytes() and b"1777" not in left.read_bytes())


def test_an_interrupted_folder_goes_on_with_its_collections(
    library: Library, library_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text("\f".join(f"File {number}, page {page}." for page in range(300)))
    events = ingest.add(library, [folder], collections=["Law"], workers=1)
    assert any(isinstance(event, FileDone) for event in events)
    events.close()
    assert 0 < len(AddingQueue(library_path).items()) < 6
    totals = [*ingest.resume(library)][-1]
    assert isinstance(totals, Totals)
    assert AddingQueue(library_path).items() == []
    with LibraryReader(library_path) as reader:
        assert [document.pages_read for document in reader.documents()] == [300] * 6
        assert [document.title for document in reader.documents()] == [f"{number}.txt" for number in range(6)]
        assert reader.collections() == {"Law": tuple("abcdef")}


def test_paused_and_dropped_files_stop_and_keep_their_pages(
    library: Library, library_path: Path, tmp_path: Path
) -> None:
    files = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for file in files:
        file.write_text("\f".join(f"{file.name}, page {page}." for page in range(8_000)))
    queue, seen, begun = AddingQueue(library_path), list[IngestEvent](), set[str]()
    for event in ingest.add(library, files, workers=2):
        if isinstance(event, PageDone) and event.path not in begun:
            begun.add(event.path)
            if len(begun) == 2:
                assert {item.state for item in queue.items()} == {FileState.RUNNING}
                queue.pause([str(files[0])])
                queue.remove([str(files[1])])
        seen.append(event)
    stopped = {event.path for event in seen if isinstance(event, FileStopped)}
    assert stopped == {*map(str, files)}
    assert seen[-1] == Totals(stopped=2, pages=sum(isinstance(event, PageDone) for event in seen))
    assert states(library_path) == {"one.txt": "paused"}
    with LibraryReader(library_path) as reader:
        pages = {document.title: document.pages_read for document in reader.documents()}
    assert 0 < pages["one.txt"] < 8_000
    queue.resume()
    (done,) = [event for event in ingest.resume(library) if isinstance(event, FileDone)]
    assert done.resumed_at == pages["one.txt"] + 1


def test_a_removed_document_takes_its_file_out_of_the_queue(
    library: Library, library_path: Path, tmp_path: Path, make_pdf: MakePdf
) -> None:
    file = tmp_path / "scan.pdf"
    file.write_bytes(make_pdf([""]))
    list(ingest.add(library, [file]))
    assert AddingQueue(library_path).failed()[0].handle == "a"
    library.remove("a")
    assert AddingQueue(library_path).items() == []


def test_the_same_bytes_under_several_names_are_read_once_and_named(
    library: Library, library_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in "abcdef":
        (folder / f"{name}.txt").write_text("\f".join(f"Page {page}." for page in range(500)))
    events = [*ingest.add(library, [folder], workers=3)]
    assert events[-1] == Totals(added=1, already=5, pages=500)
    skipped = [event for event in events if isinstance(event, FileSkipped)]
    assert {(event.handle, event.title, event.known_path) for event in skipped} == {
        ("a", "a.txt", str(folder / "a.txt"))
    }
    assert sum(isinstance(event, FileStarted) for event in events) == 6
    with LibraryReader(library_path) as reader:
        assert [document.pages_read for document in reader.documents()] == [500]


def test_a_folder_that_was_renamed_is_followed_and_a_changed_file_is_a_new_version(
    library: Library, library_path: Path, tmp_path: Path
) -> None:
    folder, moved = tmp_path / "folder", tmp_path / "moved"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.txt").write_text(f"This is {name}.")
    list(ingest.add(library, [folder]))
    folder.rename(moved)
    (moved / "b.txt").write_text("This is b, and it has changed.")
    events = [*ingest.add(library, [moved])]
    assert events[-1] == Totals(added=1, already=2, pages=1)
    with LibraryReader(library_path) as reader:
        assert [Path(document.path).parent.name for document in reader.documents()][::2] == ["moved", "moved"]
    (moved / "a.txt").write_text("This is a, and it has changed.")
    (done,) = [event for event in ingest.add(library, [moved]) if isinstance(event, FileDone)]
    assert (done.handle, done.is_new_version) == ("a", True)


@pytest.mark.parametrize("names", [("one.txt", "other.txt"), ("other.txt", "one.txt")])
def test_bytes_that_a_file_loses_while_another_brings_them_are_not_lost(
    library: Library, library_path: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("It is open.")
    list(ingest.add(library, [one]))
    one.write_text("It is closed.")
    other.write_text("It is open.")
    events = [*ingest.add(library, [tmp_path / name for name in names], workers=2)]
    assert events[-1] == Totals(added=2, pages=2)
    with LibraryReader(library_path) as reader:
        texts = {document.title: reader.page_text(document, 1).text for document in reader.documents()}
    assert texts == {"one.txt": "It is closed.", "other.txt": "It is open."}


CLAIM = """
import sys, time
from pathlib import Path
from nemo_docs.library.claims import Claims
from nemo_docs.library.runners import Runner
path = Path(sys.argv[1])
with Runner(path) as runner:
    claims = Claims(path, runner)
    assert claims.take("/a") and claims.hold_bytes("/a", "same")
    print("claimed", flush=True)
    time.sleep(600)
"""


def test_a_claim_holds_while_its_process_lives_and_no_longer(library: Library, library_path: Path) -> None:
    queue = AddingQueue(library_path)
    queue.add(["/a", "/b"])
    other = subprocess.Popen([sys.executable, "-c", CLAIM, str(library_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"claimed\n"
    with Runner(library_path) as runner:
        claims = Claims(library_path, runner)
        assert states(library_path) == {"a": "running", "b": "waiting"}
        assert claims.take("/a") is None
        assert claims.take("/b") is not None
        assert not claims.hold_bytes("/b", "same"), "another file with these bytes is being read"
        other.kill()
        other.wait()
        assert states(library_path) == {"a": "waiting", "b": "running"}
        assert claims.take("/a") is not None
        assert claims.hold_bytes("/b", "same")
        claims.close()
    assert states(library_path) == {"a": "waiting", "b": "waiting"}
    assert [*(library_path.parent / "adding").iterdir()] == []


def test_an_earlier_schema_reads_as_an_empty_queue(library_path: Path) -> None:
    library_path.parent.mkdir()
    with sqlite3.connect(library_path) as connection:
        connection.executescript("CREATE TABLE documents (id); PRAGMA user_version = 1")
    assert AddingQueue(library_path).items() == []

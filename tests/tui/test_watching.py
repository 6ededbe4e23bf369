from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from nemo_docs.library import ingest
from nemo_docs.library.adding_queue import AddingQueue
from nemo_docs.library.events import PageDone
from nemo_docs.library.extraction import Limits
from nemo_docs.library.store import Library
from nemo_docs.settings import load
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.watching import Change, changes, stalled
from tests.tui.shelf import shelve

LOOKS = 20
REMOVE = """
import pathlib, sys
from nemo_docs.library.store import Library

with Library(pathlib.Path(sys.argv[1])) as library:
    library.remove("a")
"""


def looked(path: Path, looks: int = LOOKS) -> Iterator[Change]:
    """As many looks as a test can wait for."""
    left = iter(range(looks))
    return changes(path, lambda: next(left, None) is None, interval_s=0.0)


def test_a_library_that_appears_is_noticed(tmp_path: Path) -> None:
    path = load().paths.library
    seen = changes(path, lambda: False, interval_s=0.0)
    writer = threading.Timer(0.05, shelve, (tmp_path, {"a.txt": "Something is said."}))
    writer.start()
    assert isinstance(next(seen), Change)
    writer.join()
    seen.close()


def test_nothing_happens_while_nobody_writes(tmp_path: Path) -> None:
    shelve(tmp_path, {"a.txt": "Something is said."})
    path = load().paths.library
    for each in looked(path):
        raise AssertionError(each)
    with Desk(load()).reader() as library:
        library.documents()
    path.touch()
    assert list(looked(path)) == []


def test_what_another_process_writes_is_noticed_once(tmp_path: Path) -> None:
    shelve(tmp_path, {"a.txt": "Something is said."})
    path = load().paths.library
    asked = 0

    def write_after_a_look() -> bool:
        nonlocal asked
        asked += 1
        if asked == 3:
            subprocess.run([sys.executable, "-c", REMOVE, str(path)], check=True)
        return asked > LOOKS

    assert len(list(changes(path, write_after_a_look, interval_s=0.0))) == 1


def test_a_library_that_is_replaced_is_noticed(tmp_path: Path) -> None:
    shelve(tmp_path, {"a.txt": "Something is said."})
    path = load().paths.library
    seen = iter(changes(path, lambda: False, interval_s=0.0))

    def replace() -> None:
        other = path.with_name("other.db")
        with Library(other):
            pass
        other.replace(path)

    threading.Timer(0.05, replace).start()
    assert isinstance(next(seen), Change)


def test_a_file_that_is_no_library_is_waited_out() -> None:
    path = load().paths.library
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a database, not at all" * 99)
    assert list(looked(path)) == []


def half_read(folder: Path, name: str) -> Path:
    """A document whose reader was killed after its first pages, before there was a queue of files."""
    file = folder / name
    file.write_text(f"A page of {name}.\f" * 3_000)
    with Library(load().paths.library) as library:
        for event in ingest.add(library, [file], limits=Limits()):
            if isinstance(event, PageDone):
                break
    AddingQueue(load().paths.library).clear()
    return file


def test_half_read_documents_are_found_if_their_file_is_still_there(tmp_path: Path) -> None:
    desk = Desk(load())
    shelve(tmp_path, {"whole.txt": "All of it."})
    file = half_read(tmp_path, "half.txt")
    half_read(tmp_path, "gone.txt").unlink()
    assert [[each.path for each in found] for found in stalled(desk, lambda: False, wait_s=0.01)] == [[str(file)]]


def test_what_stands_in_the_queue_of_files_is_left_to_it(tmp_path: Path) -> None:
    file = half_read(tmp_path, "half.txt")
    AddingQueue(load().paths.library).add([str(file)])
    assert list(stalled(Desk(load()), lambda: False, wait_s=0.01)) == [[]]


def test_a_document_that_somebody_is_reading_is_left_alone(tmp_path: Path) -> None:
    desk = Desk(load())
    file = half_read(tmp_path, "half.txt")

    def read_on() -> bool:
        with Library(desk.configuration.paths.library) as library:
            for event in ingest.add(library, [file]):
                if isinstance(event, PageDone):
                    break
        return False

    assert list(stalled(desk, read_on, wait_s=0.01)) == [[]]

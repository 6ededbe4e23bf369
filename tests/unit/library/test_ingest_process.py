"""Ingest in a process of its own: the same events, and no loss and no leftover however one of the two ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from nemo_docs.errors import Encrypted, LibraryError, NoTextLayer, UsageError
from nemo_docs.library import ingest, ingest_process
from nemo_docs.library.events import FileDone, FileFailed, IngestEvent, PageDone, Totals
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.store import Library

PAGES = 2_000


def long_file(folder: Path) -> Path:
    file = folder / "long.txt"
    file.write_text("\f".join(f"Page {n}. The rent is due on the first day of month {n}." for n in range(1, PAGES + 1)))
    return file


def until(condition: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")


def shown(events: list[IngestEvent]) -> list[str]:
    return [str(event) for event in events]


def test_events_are_those_of_ingest(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("The first page.\fThe second page.")
    (folder / "b.txt").write_text("")
    (folder / "c.xyz").write_text("of no kind")
    os.symlink(tmp_path / "nowhere", folder / "d.txt")
    with Library(tmp_path / "one.db") as library:
        here = [*ingest.add(library, [folder, tmp_path / "nobody.pdf"], collections=["Work"])]
    there = [*ingest_process.add(tmp_path / "two.db", [folder, tmp_path / "nobody.pdf"], collections=["Work"])]
    assert shown(there) == shown(here)
    assert [type(event) for event in there] == [type(event) for event in here]
    failures = [(e.error.message, e.error.hint, type(e.error)) for e in there if isinstance(e, FileFailed)]
    assert failures == [(e.error.message, e.error.hint, type(e.error)) for e in here if isinstance(e, FileFailed)]
    assert len(failures) == 3
    with LibraryReader(tmp_path / "two.db") as library:
        assert library.collections() == {"Work": ("a",)}


def test_a_name_that_is_no_text_goes_through(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/not-utf8-\xff.txt"
    Path(os.fsdecode(name)).write_text("A page.")
    events = [*ingest_process.add(tmp_path / "library.db", [os.fsdecode(name)])]
    assert any(isinstance(event, FileDone) and os.fsencode(event.path) == name for event in events)


def test_what_it_refuses_is_refused(tmp_path: Path) -> None:
    (tmp_path / "library.db").write_text("not a database, and long enough to be looked at" * 100)
    with pytest.raises(LibraryError):
        list(ingest_process.add(tmp_path / "library.db", [tmp_path]))
    with pytest.raises(UsageError):
        list(ingest_process.add(tmp_path / "other.db", [tmp_path], collections=["a,b"]))


def test_a_password_reaches_the_reader(tmp_path: Path) -> None:
    import pypdf

    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret")
    with (tmp_path / "locked.pdf").open("wb") as file:
        writer.write(file)

    def kinds(password: str | None) -> list[type]:
        events = ingest_process.add(tmp_path / "library.db", [tmp_path / "locked.pdf"], password=password)
        return [type(event.error) for event in events if isinstance(event, FileFailed)]

    assert kinds(None) == [Encrypted]
    assert kinds("secret") == [NoTextLayer]


def children() -> set[psutil.Process]:
    """Of this process; other tests may have left one that serves them all."""
    return set(psutil.Process().children())


def test_a_wish_to_stop_keeps_what_was_read_and_ends_the_child(tmp_path: Path) -> None:
    file, seen, before = long_file(tmp_path), list[IngestEvent](), children()
    events = ingest_process.add(tmp_path / "library.db", [file], cancelled=lambda: len(seen) > 20)
    seen.extend(event for event in events if isinstance(event, PageDone))
    assert children() == before
    with LibraryReader(tmp_path / "library.db") as library:
        (document,) = library.documents()
    assert 20 <= document.pages_read < PAGES
    *_, done, totals = ingest_process.add(tmp_path / "library.db", [file])
    assert isinstance(done, FileDone)
    assert done.resumed_at == document.pages_read + 1
    assert isinstance(totals, Totals)


def test_a_child_that_is_killed_is_told_and_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    file, before = long_file(tmp_path), children()
    events = ingest_process.add(tmp_path / "library.db", [file])
    while not isinstance(next(events), PageDone):
        pass
    (child,) = children() - before
    child.send_signal(signal.SIGKILL)
    with pytest.raises(LibraryError, match="ended before it was done"):
        list(events)
    list(ingest_process.add(tmp_path / "library.db", [file]))
    with LibraryReader(tmp_path / "library.db") as library:
        assert [page.number for page in library.pages("a")] == [*range(1, PAGES + 1)]


def test_the_child_goes_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nemo_docs.library import ingest_process\n"
        "for event in ingest_process.add(Path(sys.argv[1]), [sys.argv[2]]): print(event, flush=True)"
    )
    file = long_file(tmp_path)
    arguments = [sys.executable, "-c", code, str(tmp_path / "library.db"), str(file)]
    parent = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    for line in parent.stdout:
        if line.startswith("PageDone"):
            break
    family = psutil.Process(parent.pid).children(recursive=True)
    assert family
    parent.kill()
    parent.wait()
    until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family))

"""A folder on its way into the library, killed at any moment, twice at once, or on a full disk: all is there once."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_docs.errors import LibraryError
from nemo_docs.library import ingest
from nemo_docs.library.adding_queue import AddingQueue
from nemo_docs.library.events import FileDone, PageDone
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import VersionStatus
from nemo_docs.library.store import Library

MakePdf = Callable[..., bytes]
ROOT = Path(__file__).parents[3]
KILLS = int(os.environ.get("NEMO_DOCS_KILLS", "3"))

ADD = """
import sys
from pathlib import Path
from nemo_docs.library import ingest
from nemo_docs.library.store import Library
with Library(Path(sys.argv[1])) as library:
    for event in ingest.add(library, sys.argv[2:]) if sys.argv[2:] else ingest.resume(library):
        print(f"{type(event).__name__:60}", flush=True)
"""


def adding(library: Path, *paths: Path, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """A process that adds, or goes on with the queue where no paths are given; the head of a family of its own."""
    arguments = [sys.executable, "-c", ADD, str(library), *map(str, paths)]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=stdout, start_new_session=True)


def contents(path: Path) -> dict[str, object]:
    """All that a user can see of each document by its title, but for its handle and when it was added."""
    with LibraryReader(path) as reader:
        documents = reader.documents()
        seen = {
            document.title: (
                document.status,
                document.language,
                reader.pages(document),
                reader.page_texts(document),
                [(passage.ordinal, passage.page, passage.start, passage.end) for passage in reader.passages(document)],
            )
            for document in documents
        }
    assert len(seen) == len(documents), "a file is there twice"
    return seen


def pages_read(path: Path) -> int:
    with LibraryReader(path) as reader:
        return sum(document.pages_read for document in reader.documents())


def is_sound(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('integrity-check', 1)")
        assert connection.execute("SELECT count(*) FROM adding_queue").fetchone() == (0,)


def fill(folder: Path, make_pdf: MakePdf, files: int) -> None:
    folder.mkdir()
    for number in range(files):
        pages = [f"File {number}, page {page}.\nThe rent is due on day {number + page}." for page in range(4)]
        if number % 3:
            (folder / f"{number:02}.pdf").write_bytes(make_pdf(pages))
        else:
            (folder / f"{number:02}.txt").write_text("\f".join(pages * 10))


@pytest.mark.slow
def test_a_folder_killed_at_any_moment_is_there_once_and_whole(tmp_path: Path, make_pdf: MakePdf) -> None:
    chance = random.Random(int(os.environ.get("NEMO_DOCS_SEED", "6")))
    folder = tmp_path / "folder"
    fill(folder, make_pdf, 50)
    expected = tmp_path / "undisturbed" / "library.db"
    assert adding(expected, folder).wait() == 0
    undisturbed = contents(expected)
    path = tmp_path / "disturbed" / "library.db"
    kills = rounds = 0
    is_queued = False
    while kills < KILLS:
        process = adding(path) if is_queued and chance.random() < 0.5 else adding(path, folder)
        try:
            process.wait(timeout=chance.uniform(0.2, 2.5))
            assert process.returncode == 0
            if path.exists() and not AddingQueue(path).items():
                assert contents(path) == undisturbed
                is_sound(path)
                shutil.rmtree(path.parent)
                rounds, is_queued = rounds + 1, False
        except subprocess.TimeoutExpired:
            process.kill()  # its children see that it is gone
            process.wait()
            kills += 1
            is_queued = path.exists() and bool(AddingQueue(path).items())
            for title, document in contents(path).items() if path.exists() else ():
                status, _, pages, texts, _ = document  # type: ignore[misc]
                if status is VersionStatus.COMPLETE:
                    assert undisturbed[title] == document
                else:
                    assert pages == undisturbed[title][2][: len(pages)], "pages come in order, and as they are"  # type: ignore[index]
                    assert texts == undisturbed[title][3][: len(texts)]  # type: ignore[index]
    assert adding(path, folder).wait() == 0
    assert contents(path) == undisturbed
    is_sound(path)
    print(f"{kills} kills, {rounds} whole rounds")


def test_two_processes_add_the_same_folder_once(tmp_path: Path, make_pdf: MakePdf) -> None:
    folder = tmp_path / "folder"
    fill(folder, make_pdf, 6)
    path, alone = tmp_path / "both" / "library.db", tmp_path / "alone" / "library.db"
    both = [adding(path, folder) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert adding(alone, folder).wait() == 0
    assert contents(path) == contents(alone)
    is_sound(path)


def test_what_a_killed_process_left_another_goes_on_with(tmp_path: Path, make_pdf: MakePdf) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.txt").write_text("\f".join(f"File {number}, page {page}." for page in range(2_000)))
    path = tmp_path / "home" / "library.db"
    with adding(path, folder, stdout=subprocess.PIPE) as process:  # whose lines nobody takes: it cannot end unseen
        assert process.stdout is not None
        assert any(line.startswith(b"PageDone") for line in process.stdout)
        process.kill()
    assert len(AddingQueue(path).items()) == 2
    with Library(path) as library:
        done = [event for event in ingest.resume(library) if isinstance(event, FileDone)]
    assert [event.pages for event in done] == [2_000] * 2
    assert any(event.resumed_at > 1 for event in done)
    is_sound(path)


def test_a_full_disk_is_told_in_one_sentence_and_loses_nothing(
    library: Library, library_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.txt").write_text("\f".join(f"File {number}, page {page}." for page in range(600)))
    events = ingest.add(library, [folder])
    assert any(isinstance(event, PageDone) for event in events)
    library._connection.execute("PRAGMA max_page_count = 1")  # from here on SQLite finds no room
    with pytest.raises(LibraryError, match="full") as raised:
        list(events)
    assert "disk is not full" in raised.value.hint
    waiting = [item.path for item in AddingQueue(library_path).items()]
    assert waiting
    assert pages_read(library_path)
    with LibraryReader(library_path) as reader:
        kept = {document.title: document.pages_read for document in reader.documents()}
    library._connection.execute("PRAGMA max_page_count = 1000000")
    done = [event for event in ingest.resume(library) if isinstance(event, FileDone)]
    assert {event.path for event in done} == {*waiting}
    assert all(event.resumed_at == kept.get(event.title, 0) + 1 for event in done)
    with LibraryReader(library_path) as reader:
        assert [document.pages_read for document in reader.documents()] == [600] * 4


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="memory of children is told on POSIX")
def test_a_pdf_of_5000_pages_takes_bounded_memory(tmp_path: Path, make_pdf: MakePdf) -> None:
    file = tmp_path / "long.pdf"
    file.write_bytes(make_pdf([f"Page {page}.\n" + "The rent is due. " * 30 for page in range(5_000)]))
    # In a process of its own: what is told of children is the most that any child has ever had. What is told of a
    # process itself holds on Linux what its parent had when it was forked, so the kernel is asked in another way there.
    program = """
import resource, sys
from pathlib import Path
from nemo_docs.library import ingest
from nemo_docs.library.store import Library
with Library(Path(sys.argv[1])) as library:
    *_, done, totals = ingest.add(library, [sys.argv[2]])
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for line in open("/proc/self/status") if sys.platform == "linux" else ():
    if line.startswith("VmHWM"):
        own = int(line.split()[1])
print(done.pages, totals.added, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, own)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "library.db"), str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    pages, added, *memory = map(int, said)
    assert (pages, added) == (5_000, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    assert max(memory) * unit < 600 << 20

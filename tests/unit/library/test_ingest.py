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

from nemo_docs.errors import Encrypted, NoTextLayer, NothingFound, ReaderError, Unreadable
from nemo_docs.library import adding as adding_files
from nemo_docs.library.events import FileDone, FileFailed, FileSkipped, FileStarted, IngestEvent, PageDone, Totals
from nemo_docs.library.extraction import Limits
from nemo_docs.library.ingest import add
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import PageStatus, VersionStatus
from nemo_docs.library.store import Library

MakePdf = Callable[..., bytes]
ROOT = Path(__file__).parents[3]


def run(library: Library, *paths: Path, password: str | None = None, limits: Limits | None = None) -> list[IngestEvent]:
    return list(add(library, paths, password=password, limits=limits))


def failure(library: Library, path: Path, password: str | None = None) -> ReaderError | NothingFound:
    events = run(library, path, password=password)
    (failed,) = [event for event in events if isinstance(event, FileFailed)]
    assert isinstance(events[-1], Totals)
    assert events[-1].failed == 1
    assert isinstance(failed.error, ReaderError | NothingFound)
    assert failed.error.hint
    assert failed.error.message.endswith(".")
    return failed.error


def test_a_pdf_is_read_page_by_page(library: Library, library_path: Path, tmp_path: Path, make_pdf: MakePdf) -> None:
    file = tmp_path / "report.pdf"
    file.write_bytes(make_pdf(["The first page (with brackets).", "", "Die dritte Seite sagt etwas über Straßen."]))
    events = run(library, file)
    assert [type(event) for event in events] == [FileStarted, PageDone, PageDone, PageDone, FileDone, Totals]
    pages = [event for event in events if isinstance(event, PageDone)]
    assert [(page.page, page.pages, page.status) for page in pages] == [
        (1, 3, PageStatus.OK),
        (2, 3, PageStatus.EMPTY),
        (3, 3, PageStatus.OK),
    ]
    done = events[-2]
    assert isinstance(done, FileDone)
    assert (done.handle, done.title, done.pages, done.pages_without_text) == ("a", "report.pdf", 3, 1)
    assert (done.resumed_at, done.is_new_version) == (1, False)
    assert events[-1] == Totals(added=1, pages=3)
    with LibraryReader(library_path) as reader:
        assert [page.text for page in reader.page_texts("a")][1] == "Die dritte Seite sagt etwas über Straßen."
        ledger = reader.pages("a")
        assert [page.status for page in ledger] == [PageStatus.OK, PageStatus.EMPTY, PageStatus.OK]
        assert ledger[1].note == "no text layer"
        assert ledger[0].extractor.startswith("pypdf ")


def test_adding_again_is_a_no_op_that_says_so(library: Library, tmp_path: Path) -> None:
    file, copy = tmp_path / "one.txt", tmp_path / "copy.txt"
    file.write_text("Some words.")
    copy.write_text("Some words.")
    run(library, file)
    for again in (file, copy):
        started, skipped, totals = run(library, again)
        assert isinstance(started, FileStarted)
        assert skipped == FileSkipped(str(again), "a", "one.txt", str(file))
        assert totals == Totals(already=1)


def test_a_file_that_has_moved_is_followed(library: Library, library_path: Path, tmp_path: Path) -> None:
    file, moved = tmp_path / "one.txt", tmp_path / "two.txt"
    file.write_text("Some words.")
    run(library, file)
    file.rename(moved)
    assert isinstance(run(library, moved)[1], FileSkipped)
    with LibraryReader(library_path) as reader:
        assert reader.resolve(str(moved)).handle == "a"


def test_changed_bytes_are_a_new_version_of_the_document(library: Library, library_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "one.txt"
    for text, word in (
        ("It speaks of lions.", "lions"),
        ("It speaks of tigers.", "tigers"),
        ("It speaks of lions.", "lions"),
    ):
        file.write_text(text)
        done = run(library, file)[-2]
        assert isinstance(done, FileDone)
        assert done.handle == "a"
        with LibraryReader(library_path) as reader:
            assert [hit.text for hit in reader.search("lions tigers")] == [text]
            assert reader.search(word)


def test_folders_are_walked_and_what_is_left_out_is_counted(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "b.txt").write_text("B here.")
    (folder / "sub" / "a.md").write_text("# A here.")
    (folder / ".hidden.txt").write_text("hidden")
    (folder / ".git" / "c.txt").write_text("hidden")
    (folder / "program.exe").write_bytes(b"MZ")
    events = run(library, folder, folder / "b.txt")
    titles = {event.handle: event.title for event in events if isinstance(event, FileDone)}
    assert titles == {"a": "b.txt", "b": "a.md"}, "handles follow the order of the names, whichever is done first"
    assert events[-1] == Totals(added=2, unsupported=1, hidden=1, pages=2)


def test_one_bad_file_does_not_stop_the_others(library: Library, tmp_path: Path, make_pdf: MakePdf) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (folder / "b.pdf").write_bytes(make_pdf(["Good."]))
    events = run(library, tmp_path / "missing.pdf", folder)
    assert isinstance(events[0], FileFailed)
    assert events[-1] == Totals(added=1, failed=2, pages=1)
    assert [event.handle for event in events if isinstance(event, FileDone)] == ["a"], "a failed file takes no handle"


def test_bad_files_are_told_in_one_sentence(
    library: Library, library_path: Path, tmp_path: Path, make_pdf: MakePdf
) -> None:
    whole = make_pdf(["One page."] * 20)
    cases = {
        "empty.pdf": b"",
        "empty.txt": b"",
        "blank.txt": b" \n\n ",
        "garbage.pdf": bytes(range(256)) * 9,
        "binary.txt": bytes(range(256)) * 9,
        "binary": bytes(range(256)) * 9,
        "cut.pdf": b"%PDF-1.4\n" + whole[200:260],
        "no-pages.pdf": make_pdf([]),
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        error = failure(library, tmp_path / name)
        assert isinstance(error, Unreadable), name
        assert name in error.message
    assert isinstance(failure(library, tmp_path / "missing.pdf"), NothingFound)
    (tmp_path / "folder").mkdir()
    assert isinstance(failure(library, tmp_path / "folder"), NothingFound)
    with LibraryReader(library_path) as reader:
        assert reader.documents() == []


def test_a_pdf_with_a_password_asks_for_it(library: Library, tmp_path: Path, make_pdf: MakePdf) -> None:
    file = tmp_path / "sealed.pdf"
    file.write_bytes(make_pdf(["A sealed page."], password="gauß"))
    assert "needs a password" in failure(library, file).message
    wrong = failure(library, file, password="wrong")
    assert isinstance(wrong, Encrypted)
    assert "password is wrong" in wrong.message
    assert isinstance(run(library, file, password="gauß")[-2], FileDone)


def test_a_pdf_of_images_is_kept_with_its_ledger_and_fails(
    library: Library, library_path: Path, tmp_path: Path, make_pdf: MakePdf
) -> None:
    file = tmp_path / "scan.pdf"
    file.write_bytes(make_pdf(["", ""]))
    error = failure(library, file)
    assert isinstance(error, NoTextLayer)
    assert "OCR" in error.hint
    with LibraryReader(library_path) as reader:
        document = reader.resolve("a")
        assert (document.pages_without_text, document.status) == (2, VersionStatus.COMPLETE)


def test_an_interrupted_file_is_resumed_behind_its_last_page(
    library: Library, library_path: Path, tmp_path: Path, make_pdf: MakePdf
) -> None:
    file = tmp_path / "long.pdf"
    file.write_bytes(make_pdf([f"Page number {i} of the book." for i in range(1, 1001)]))
    events = add(library, [file])
    assert any(isinstance(event, PageDone) and event.page == 4 for event in events)
    events.close()
    with LibraryReader(library_path) as reader:
        (document,) = reader.documents()
    assert (document.status, document.pages) == (VersionStatus.READING, 1000)
    assert 4 <= document.pages_read < 1000
    resumed = run(library, file)
    assert [event.page for event in resumed if isinstance(event, PageDone)] == [*range(document.pages_read + 1, 1001)]
    done = resumed[-2]
    assert isinstance(done, FileDone)
    assert done.resumed_at == document.pages_read + 1
    with LibraryReader(library_path) as reader:
        assert [page.number for page in reader.page_texts("a")] == list(range(1, 1001))


def test_a_page_behind_an_interruption_has_the_language_of_the_one_before(
    library: Library, library_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding_files, "COMMIT_S", 0.0)  # else all pages come before the first is told
    file = tmp_path / "long.txt"
    first = "This page of the lease says when the rent is due, and to whom it is paid."
    file.write_text("\f".join([first, *["No. 7"] * 1_500]))
    events = add(library, [file])
    next(event for event in events if isinstance(event, PageDone))
    events.close()
    done = run(library, file)[-2]
    assert isinstance(done, FileDone)
    assert 1 < done.resumed_at <= 1_501
    with LibraryReader(library_path) as reader:
        assert {page.language for page in reader.pages("a")} == {"en"}


def test_a_file_that_takes_too_long_keeps_its_pages(library: Library, tmp_path: Path, make_pdf: MakePdf) -> None:
    file = tmp_path / "long.pdf"
    file.write_bytes(make_pdf(["A page."] * 3))
    failed = run(library, file, limits=Limits(file_s=0.0))[-2]
    assert isinstance(failed, FileFailed)
    assert "0 pages were kept" in failed.error.message
    done = run(library, file)[-2]
    assert isinstance(done, FileDone)
    assert done.pages == 3


def test_a_page_that_takes_too_long_costs_that_page_only(
    library: Library, library_path: Path, tmp_path: Path, make_pdf: MakePdf
) -> None:
    file = tmp_path / "slow.pdf"
    file.write_bytes(make_pdf(["Before.", "x\n" * 600_000, "After."]))
    done = run(library, file, limits=Limits(page_s=2.0))[-2]
    assert isinstance(done, FileDone)
    assert done.pages_without_text == 1
    with LibraryReader(library_path) as reader:
        assert [page.status for page in reader.pages("a")] == [PageStatus.OK, PageStatus.TIMEOUT, PageStatus.OK]
        assert "2 seconds" in reader.pages("a")[1].note
        assert reader.page_text("a", 3).text == "After."


def test_memory_is_bounded(library: Library, tmp_path: Path, make_pdf: MakePdf) -> None:
    pytest.importorskip("resource", reason="needs POSIX limits")
    file = tmp_path / "large.txt"
    file.write_text("word " * 20_000_000)
    failed = run(library, file, limits=Limits(memory_bytes=300 << 20))[-2]
    assert isinstance(failed, FileFailed)
    assert isinstance(failed.error, Unreadable)


def test_titles_and_paths_are_hostile_text(library: Library, library_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "[red]\x1b[31m\u202eevil\n.txt"
    file.write_text("Some words.")
    done = run(library, file)[-2]
    assert isinstance(done, FileDone)
    assert done.title == "[red]evil .txt"
    with LibraryReader(library_path) as reader:
        assert reader.resolve(str(file)).handle == "a"


@pytest.mark.skipif(sys.platform != "linux", reason="only here may names be no Unicode")
def test_a_name_that_is_no_unicode_is_kept(library: Library, library_path: Path, tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    file.write_text("Some words.")
    done = run(library, file)[-2]
    assert isinstance(done, FileDone)
    assert done.title == "caf.txt"
    assert isinstance(run(library, file)[1], FileSkipped)
    with LibraryReader(library_path) as reader:
        assert reader.resolve(str(file)).path == str(file)


def test_nothing_is_imported_from_where_the_user_stands(
    library: Library, tmp_path: Path, make_pdf: MakePdf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pypdf.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w')")
    (tmp_path / "a.pdf").write_bytes(make_pdf(["Good."]))
    assert isinstance(run(library, tmp_path / "a.pdf")[-2], FileDone)
    assert not (tmp_path / "owned").exists()


ADD = """
import sys
from pathlib import Path
from nemo_docs.library.ingest import add
from nemo_docs.library.store import Library
with Library(Path(sys.argv[1])) as library:
    for event in add(library, sys.argv[2:]):
        print(type(event).__name__, flush=True)
"""


def adding(library_path: Path, *files: Path) -> list[str]:
    return [sys.executable, "-c", ADD, str(library_path), *map(str, files)]


def contents(library_path: Path) -> list[object]:
    """All that a user can see, but for when it was added."""
    with LibraryReader(library_path) as reader:
        seen: list[object] = []
        for document in reader.documents():
            seen += [
                document.title,
                document.status,
                document.language,
                reader.pages(document),
                reader.page_texts(document),
            ]
            seen.append(
                [(hit.passage, hit.page, hit.start, hit.end) for hit in reader.search("page", [document], 1000)]
            )
        return seen


def test_two_processes_add_the_same_files_once(library_path: Path, tmp_path: Path, make_pdf: MakePdf) -> None:
    files = [tmp_path / f"{i}.pdf" for i in range(3)]
    for i, file in enumerate(files):
        file.write_bytes(make_pdf([f"File {i}, page {j}." for j in range(5)]))
    both = [subprocess.Popen(adding(library_path, *files), cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    with LibraryReader(library_path) as reader:
        assert sorted(document.title for document in reader.documents()) == ["0.pdf", "1.pdf", "2.pdf"]
        assert all(document.pages_read == 5 for document in reader.documents())
        assert len(reader.search("page", limit=100)) == 15


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_twice(tmp_path: Path, make_pdf: MakePdf) -> None:
    chance = random.Random(2)
    file = tmp_path / "book.pdf"
    file.write_bytes(make_pdf([f"This is page {i} of the book.\nIt says nothing else." for i in range(1, 301)]))
    expected = tmp_path / "undisturbed" / "library.db"
    subprocess.run(adding(expected, file), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    path = tmp_path / "disturbed" / "library.db"
    kills, most = 0, 0
    while kills < int(os.environ.get("NEMO_DOCS_KILLS", "4")):
        try:
            subprocess.run(
                adding(path, file), cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=chance.uniform(0.1, 2.0)
            )
        except subprocess.TimeoutExpired:  # which killed it
            kills += 1
        with LibraryReader(path) as reader:
            documents = reader.documents()
            assert len(documents) <= 1
            numbers = [page.number for document in documents for page in reader.pages(document)]
            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) >= most, "a committed page was lost"
            most = len(numbers)
            assert len(reader.search("page", limit=1000)) == len(numbers)
        if most == 300 and documents[0].status is VersionStatus.COMPLETE:
            shutil.rmtree(path.parent)
            most = 0
    subprocess.run(adding(path, file), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    assert contents(path) == contents(expected)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('integrity-check', 1)")


@pytest.mark.slow
def test_damaged_files_are_read_or_refused_never_worse(library: Library, tmp_path: Path, make_pdf: MakePdf) -> None:
    chance = random.Random(3)
    shared = Path(os.environ.get("NEMO_DOCS_TEST_DATA", ROOT.parent / "shared" / "data")) / "pdf"
    originals = [file.read_bytes() for file in sorted(shared.glob("*.pdf")) if file.stat().st_size < 100_000]
    originals += [make_pdf([f"Page {i}" for i in range(5)]), make_pdf(["Sealed."], password="x")]
    for number in range(int(os.environ.get("NEMO_DOCS_MUTATIONS", "10"))):
        file = tmp_path / f"damaged-{number}.pdf"
        file.write_bytes(damaged(chance.choice(originals), chance))
        events = run(library, file, limits=Limits(open_s=20, page_s=10, file_s=60))
        outcome = events[-2]
        assert isinstance(outcome, FileDone | FileFailed | FileSkipped)
        if isinstance(outcome, FileFailed):
            assert isinstance(outcome.error, ReaderError)
            assert outcome.error.hint
    good = tmp_path / "good.txt"
    good.write_text("The library still works.")
    assert isinstance(run(library, good)[-2], FileDone)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """One of: cut short, a stretch lost, doubled, or overwritten; some bytes flipped; a number made large."""
    place, size = chance.randrange(len(data)), chance.randrange(1, 200)
    match chance.randrange(6):
        case 0:
            return data[:place]
        case 1:
            return data[:place] + data[place + size :]
        case 2:
            return data[: place + size] + data[place:]
        case 3:
            return data[:place] + chance.randbytes(size) + data[place + size :]
        case 4:
            flipped = bytearray(data)
            for _ in range(size):
                flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            return bytes(flipped)
        case _:
            return data.replace(b"/Length ", b"/Length 99999").replace(b"/Count ", b"/Count 9999")

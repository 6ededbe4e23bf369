from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from nemo_docs.errors import LibraryError, NothingFound
from nemo_docs.library.clean import clean
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import PageStatus, VersionStatus
from nemo_docs.library.store import Library, handle
from nemo_docs.library.versions import NewPage, Version

SECRET = "Quetzalcoatlus"


def put(library: Library, path: str, *texts: str, sha256: str = "", language: str = "en") -> Version:
    version = library.start_version(path=path, title=Path(path).name, sha256=sha256 or path, pages=len(texts))
    for number, text in enumerate(texts, 1):
        library.add_page(version, NewPage(number, "test 1", PageStatus.OK, "", language, text, clean(text)))
    finished = library.finish(version)
    assert finished is not None
    return finished


def test_handles_count_in_letters() -> None:
    assert [handle(n) for n in (1, 2, 26, 27, 52, 53, 702, 703)] == ["a", "b", "z", "aa", "az", "ba", "zz", "aaa"]


def test_handles_are_not_given_again_after_removal(library: Library) -> None:
    assert [put(library, f"/{i}", "Text.").handle for i in range(3)] == ["a", "b", "c"]
    library.remove("c")
    library.remove("a")
    assert put(library, "/4", "Text.").handle == "d"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_files_are_for_their_owner_alone(library: Library, library_path: Path) -> None:
    put(library, "/a", "Text.")
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(library_path.parent)}
    assert library_path.name in modes
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(library_path.parent.stat().st_mode) == 0o700


def test_remove_leaves_no_byte_of_the_text(library: Library, library_path: Path) -> None:
    keep = "The kept document speaks of other things entirely. " * 30
    put(library, "/keep", keep, keep)
    put(library, f"/{SECRET}.txt", *(f"{SECRET} number {i} flew over the lake. " * 20 for i in range(40)))
    with LibraryReader(library_path) as reader:
        assert reader.search(SECRET)
    library.remove("b")
    with sqlite3.connect(library_path) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,), "the room is given back"
    with LibraryReader(library_path) as reader:
        assert not reader.search(SECRET)
        assert reader.search("kept")
        assert [document.handle for document in reader.documents()] == ["a"]
    for file in library_path.parent.iterdir():
        assert SECRET.lower().encode() not in file.read_bytes().lower()


def test_remove_beside_a_reader_says_that_words_are_left(library_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("connection", "removal"):
        monkeypatch.setattr(f"nemo_docs.library.{module}.BUSY_TIMEOUT_S", 0.0)
    with Library(library_path) as library:
        put(library, f"/{SECRET}.txt", f"{SECRET} flew over the lake.")
        with closing(sqlite3.connect(library_path, isolation_level=None)) as reading:
            reading.execute("BEGIN")
            reading.execute("SELECT * FROM documents").fetchall()
            with pytest.raises(LibraryError, match="its words stay"):
                library.remove("a")
    with LibraryReader(library_path) as reader:
        assert reader.documents() == []
    for file in library_path.parent.iterdir():
        assert SECRET.lower().encode() not in file.read_bytes().lower(), "the last to close the library empties it"


def test_resolve_prefers_a_whole_title_to_a_part(library: Library, library_path: Path) -> None:
    put(library, "/x/report.txt", "One.")
    put(library, "/x/old report.txt", "Two.")
    with LibraryReader(library_path) as reader:
        assert reader.resolve("report.txt").handle == "a"
        assert reader.resolve("old").handle == "b"


def test_remove_leaves_no_row(library: Library, library_path: Path) -> None:
    with pytest.raises(NothingFound, match="'zz'"):
        library.remove("zz")
    put(library, "/a", "Text.")
    library.remove("a")
    with sqlite3.connect(library_path) as connection:
        for table in ("documents", "versions", "pages", "texts", "passages", "passage_index"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('integrity-check', 1)")


def test_a_page_is_added_once(library: Library) -> None:
    version = library.start_version(path="/a", title="a", sha256="1", pages=1)
    page = NewPage(1, "test 1", PageStatus.OK, "", "en", "One.", clean("One."))
    assert library.add_page(version, page)
    assert not library.add_page(version, page)


def test_adding_to_a_removed_document_writes_nothing(library: Library) -> None:
    version = library.start_version(path="/a", title="a", sha256="1", pages=1)
    library.remove("a")
    assert not library.add_page(version, NewPage(1, "test 1", PageStatus.OK, "", "en", "One.", clean("One.")))
    assert library.finish(version) is None


def test_new_bytes_at_a_path_are_a_new_version(library: Library, library_path: Path) -> None:
    put(library, "/a", "The old text speaks of lions.", sha256="old")
    second = library.start_version(path="/a", title="a", sha256="new", pages=1)
    with LibraryReader(library_path) as reader:
        assert reader.search("lions"), "the old version stays until the new one is read"
    text = "The new text speaks of tigers."
    library.add_page(second, NewPage(1, "test 1", PageStatus.OK, "", "en", text, clean(text)))
    assert library.finish(second)
    with LibraryReader(library_path) as reader:
        assert not reader.search("lions")
        assert [hit.document for hit in reader.search("tigers")] == ["a"]
        (document,) = reader.documents()
        assert (document.versions, document.status) == (2, VersionStatus.COMPLETE)


def test_bytes_that_come_back_are_found_again(library: Library, library_path: Path) -> None:
    put(library, "/a", "The old text speaks of lions.", "And of apes.", sha256="old")
    put(library, "/a", "The new text speaks of tigers.", sha256="new")
    found = library.version("old", "/a")
    assert found is not None
    assert not found.is_current
    library.finish(found)
    with LibraryReader(library_path) as reader:
        assert [hit.passage for hit in reader.search("lions apes")] in ([1, 2], [2, 1])
        assert not reader.search("tigers")
        assert reader.documents()[0].pages == 2


def test_raw_output_and_map_are_kept_beside_the_text(library: Library, library_path: Path) -> None:
    import zlib

    from nemo_docs.library.clean import OffsetMap

    put(library, "/a", "Funda-\nmental\ud800 oﬃce")
    with sqlite3.connect(library_path) as connection:
        text, raw, packed = connection.execute("SELECT text, raw, map FROM texts").fetchone()
    assert text == "Fundamental office"
    assert zlib.decompress(raw).decode("utf-8", "surrogatepass") == "Funda-\nmental\ud800 oﬃce"
    assert OffsetMap.unpack(packed).raw_offset(text.index("mental")) == 7


def test_a_second_process_opens_the_same_library(library: Library, library_path: Path) -> None:
    put(library, "/a", "One.")
    with Library(library_path) as second:
        assert put(second, "/b", "Two.").handle == "b"
    assert put(library, "/c", "Three.").handle == "c"


@pytest.mark.parametrize("opener", [Library, LibraryReader])
def test_a_newer_library_is_refused(library_path: Path, opener: type) -> None:
    Library(library_path).close()
    with sqlite3.connect(library_path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LibraryError, match="schema 99, newer") as caught:
        opener(library_path)
    assert "Upgrade" in caught.value.hint


@pytest.mark.parametrize("opener", [Library, LibraryReader])
def test_what_is_no_library_is_refused_and_left_alone(library_path: Path, opener: type) -> None:
    library_path.parent.mkdir()
    library_path.write_bytes(b"Dear diary, " * 500)
    with pytest.raises(LibraryError, match="not a database"):
        opener(library_path)
    assert library_path.read_bytes() == b"Dear diary, " * 500
    library_path.unlink()
    with sqlite3.connect(library_path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(LibraryError, match="not a nemo-docs library"):
        opener(library_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match="cannot be opened"):
        Library(tmp_path / "file" / "library.db")


def test_a_failed_migration_leaves_an_empty_library(library_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nemo_docs.library import migrations

    monkeypatch.setattr(migrations, "_M001", (*migrations._M001[:6], "CREATE NONSENSE"))
    with pytest.raises(LibraryError, match="NONSENSE"):
        Library(library_path)
    monkeypatch.undo()
    with LibraryReader(library_path) as reader:
        assert reader.documents() == []
    with Library(library_path) as library:
        assert put(library, "/a", "One.").handle == "a"


@pytest.mark.skipif(os.name != "posix", reason="POSIX alone forgets locks")
def test_opening_twice_in_one_process_keeps_the_locks_of_the_first(library: Library, library_path: Path) -> None:
    put(library, "/a", "One.")
    log = library_path.with_name("library.db-wal")
    before = log.stat().st_ino
    Library(library_path).close()
    code = "import sys, sqlite3; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM documents'); c.close()"
    subprocess.run([sys.executable, "-c", code, str(library_path)], check=True)
    assert log.stat().st_ino == before, "the other process took itself for the last and deleted the log"
    assert put(library, "/b", "Two.").handle == "b"


def test_removal_waits_for_another_that_empties_the_log(library: Library, library_path: Path) -> None:
    is_done = threading.Event()

    def empty_the_log() -> None:
        with closing(sqlite3.connect(library_path, isolation_level=None)) as connection:
            while not is_done.is_set():
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(empty_the_log) for _ in range(2)]
        try:
            for number in range(30):
                library.remove(put(library, f"/{number}", f"{SECRET} flew.").handle)
        finally:
            is_done.set()
    assert [other.result() for other in others] == [None, None]
    assert not any(SECRET.lower().encode() in file.read_bytes().lower() for file in library_path.parent.iterdir())

from __future__ import annotations

import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.errors import NothingFound, UsageError
from nemo_docs.library.clean import clean_line
from nemo_docs.library.naming import collection_named
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.store import Library
from nemo_docs.library.tags import LONGEST_NAME, collection_key, collection_name


def documents(library: Library, *titles: str) -> None:
    for title in titles:
        library.start_version(path=f"/{title}", title=title, sha256=title, pages=0)


def collections(path: Path) -> dict[str, tuple[str, ...]]:
    with LibraryReader(path) as reader:
        return reader.collections()


def test_documents_are_put_into_collections_and_taken_out(library: Library, library_path: Path) -> None:
    documents(library, "lease.txt", "deed.txt", "poem.txt")
    for handle, name in [("b", "law"), ("a", "law"), ("a", "Home"), ("a", "LAW")]:
        library.tag(handle, name)
    assert collections(library_path) == {"Home": ("a",), "law": ("a", "b")}
    with LibraryReader(library_path) as reader:
        assert [document.collections for document in reader.documents()] == [("Home", "law"), ("law",), ()]
    assert library.untag("a", "Law") == "law"
    assert collections(library_path) == {"Home": ("a",), "law": ("b",)}
    library.untag("b", "law")
    assert collections(library_path) == {"Home": ("a",)}, "a collection goes with its last document"
    with pytest.raises(NothingFound, match="in no collection 'law'"):
        library.untag("b", "law")


def test_the_first_spelling_is_shown(library: Library) -> None:
    documents(library, "lease.txt", "deed.txt")
    assert library.tag("a", "Émile") == "Émile"
    assert library.tag("b", "E\u0301MILE") == "Émile"


@pytest.mark.parametrize("name", ["", "  ", "\x1b[31m", "\u202e", "x" * 61, "a:3", "a,b", "\n"])
def test_what_is_no_name_is_refused_and_changes_nothing(library: Library, library_path: Path, name: str) -> None:
    documents(library, "lease.txt")
    for act in (library.tag, library.untag):
        with pytest.raises(UsageError):
            act("a", name)
    assert collections(library_path) == {}


def test_a_document_that_is_not_there_is_told(library: Library, library_path: Path) -> None:
    for act in (library.tag, library.untag):
        with pytest.raises(NothingFound, match="'zz'"):
            act("zz", "law")
    with closing(sqlite3.connect(library_path)) as connection:
        assert connection.execute("SELECT count(*) FROM collections").fetchone() == (0,)


def test_a_document_leaves_its_collections_when_it_is_removed(library: Library, library_path: Path) -> None:
    documents(library, "lease.txt", "deed.txt")
    library.tag("a", "law")
    library.tag("b", "law")
    library.tag("a", "Quetzalcoatlus")
    library.remove("a")
    assert collections(library_path) == {"law": ("b",)}
    assert not any(b"Quetzal" in file.read_bytes() for file in library_path.parent.iterdir())


def test_order_of_meanings(
    library: Library, library_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "law").write_text("x")
    library.start_version(path=str(tmp_path / "law"), title="law", sha256="1", pages=0)
    documents(library, "common law.txt", "deed.txt")
    for name in ("Law", "A"):
        library.tag("c", name)
    with LibraryReader(library_path) as reader:

        def meant(reference: str) -> list[str]:
            return [
                document.handle for document in collection_named(reader.documents(), reader.collections(), reference)
            ]

        assert meant("law") == meant(" LAW ") == ["c"], "the whole name wins over a path and over titles"
        assert meant("a") == [], "a handle is its document"
        assert meant("A") == ["c"]
        assert meant("la") == meant("./law") == [], "only whole names"
        assert reader.resolve("law").handle == "a"
        assert reader.resolve("./law").handle == "a"


@given(st.text())
def test_a_name_is_clean_short_and_stays_what_it_is(text: str) -> None:
    try:
        name = collection_name(text)
    except UsageError:
        line = clean_line(text)
        assert not line or len(unicodedata.normalize("NFC", line)) > LONGEST_NAME or set(line) & set(":,")
        return
    assert 1 <= len(name) <= LONGEST_NAME
    assert name.strip() == name
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name)
    assert not set(name) & set(":,\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert collection_name(name) == name


@given(st.text())
def test_case_and_composition_do_not_tell_names_apart(name: str) -> None:
    key = collection_key(name)
    assert collection_key(key) == key
    assert collection_key(name.casefold()) == key
    for form in ("NFC", "NFD"):
        assert collection_key(unicodedata.normalize(form, name)) == key  # type: ignore[arg-type]

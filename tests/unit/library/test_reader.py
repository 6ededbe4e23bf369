from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.errors import NothingFound, UsageError
from nemo_docs.library.events import FileDone, PageDone
from nemo_docs.library.ingest import add
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.samples import samples_folder
from nemo_docs.library.store import Library


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("samples") / "library.db"
    with Library(path) as library:
        events = list(add(library, [samples_folder()]))
    assert sum(isinstance(event, FileDone) for event in events) == 11
    return path


def test_an_absent_library_reads_as_empty(library_path: Path) -> None:
    with LibraryReader(library_path) as reader:
        assert reader.documents() == []
        assert reader.search("anything") == []
        with pytest.raises(NothingFound) as caught:
            reader.resolve("a")
    assert "add" in caught.value.hint
    assert not library_path.exists()


def test_documents_say_what_they_hold(samples: Path) -> None:
    with LibraryReader(samples) as reader:
        documents = reader.documents()
        assert [document.handle for document in documents] == list("abcdefghijk")
        for document in documents:
            assert document.language == document.title.split(".")[1]
            texts = reader.page_texts(document)
            assert len(texts) == document.pages == document.pages_read
            assert sum(len(page.text) for page in texts) == document.characters
            assert [page.text_sha256 for page in reader.pages(document)] == [page.sha256 for page in texts]
            assert reader.page_text(document, 1) == texts[0]


@pytest.mark.parametrize(
    ("query", "language", "words"),
    [
        ("education", "en", "ducation"),
        ("educations", "en", "ducation"),
        ("Erziehung", "de", "rziehung"),
        ("education", "fr", "ducation"),
        ("educacion", "es", "ducación"),
        ("istruzione", "it", "struzione"),
        ("educacao", "pt", "ducação"),
        ("受教育的权利", "zh", "受教育"),
        ("教", "zh", "教"),
        ("教育を受ける権利", "ja", "教育を受ける権利"),
        ("교육", "ko", "교육"),
        ("تعليم", "ar", "لتعليم"),
        ("शिक्षा", "hi", "शिक्षा"),
    ],
)
def test_search_finds_words_in_every_language(samples: Path, query: str, language: str, words: str) -> None:
    with LibraryReader(samples) as reader:
        document = reader.resolve(f"udhr.{language}")
        hits = reader.search(query, [document])
        assert hits
        assert words in hits[0].text
        for hit in hits:
            page = reader.page_text(document, hit.page)
            assert page.text[hit.start : hit.end] == hit.text
            assert page.sha256 == hit.text_sha256
            assert hit.highlights
            assert all(hit.start <= start < end <= hit.end for start, end in hit.highlights)
        lit = {page_text[start:end] for hit in hits[:1] for page_text in [reader.page_text(document, hit.page).text]
               for start, end in hit.highlights}  # fmt: skip
        assert any(words in word or word in words or word.lower().endswith(words) for word in lit)


def test_search_ranks_all_languages_in_one_list(samples: Path) -> None:
    with LibraryReader(samples) as reader:
        hits = reader.search("education", limit=50)
        assert {"udhr.en.txt", "udhr.fr.txt"} <= {hit.title for hit in hits}
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert reader.search("education", limit=2) == hits[:2]
        assert reader.search("education", []) == []


def test_passage_scores_are_those_of_search(samples: Path) -> None:
    with LibraryReader(samples) as reader:
        document = reader.resolve("udhr.en")
        scores = reader.passage_scores("right to education", [document])[document.handle]
        hits = reader.search("right to education", [document], limit=1000)
        assert {(hit.page, hit.start, hit.end, hit.score) for hit in hits} == {
            (score.page, score.start, score.end, score.score) for score in scores
        }
        assert [(score.page, score.start) for score in scores] == sorted((score.page, score.start) for score in scores)


@pytest.mark.parametrize(
    "query", ["", '"', "NEAR(a b", "a AND", "terms:x", "* ^", "a\0b", "(", "-right", "\ud800", "x " * 9000]
)
def test_search_takes_a_query_as_words_never_as_syntax(samples: Path, query: str) -> None:
    with LibraryReader(samples) as reader:
        assert isinstance(reader.search(query), list)


@given(st.text())
def test_search_survives_any_query(samples: Path, query: str) -> None:
    with LibraryReader(samples) as reader:
        for hit in reader.search(query, limit=3):
            assert reader.page_text(hit.document, hit.page).text[hit.start : hit.end] == hit.text


def test_resolve_takes_handle_then_path_then_title(samples: Path) -> None:
    english = str(samples_folder() / "udhr.en.txt")
    with LibraryReader(samples) as reader:
        by_path = reader.resolve(english)
        assert by_path.title == "udhr.en.txt"
        assert reader.resolve(os.path.relpath(english)) == by_path
        assert reader.resolve(by_path.handle) == by_path
        assert reader.resolve("UDHR.EN") == by_path
        assert reader.resolve(english, for_removal=True) == by_path
        with pytest.raises(NothingFound, match=r"udhr\.en"):
            reader.resolve("udhr.en", for_removal=True)
        with pytest.raises(UsageError, match=r"11 titles: a \(udhr\.ar\.txt\)"):
            reader.resolve("udhr")
        for nothing in ("zz", "", " ", "no such title", "\0", "x" * 5000):
            with pytest.raises(NothingFound):
                reader.resolve(nothing)


def test_page_text_of_no_page_is_told(samples: Path) -> None:
    with LibraryReader(samples) as reader, pytest.raises(NothingFound, match="page 99"):
        reader.page_text("a", 99)


def test_reader_sees_what_another_process_commits_meanwhile(
    library: Library, library_path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "long.txt"
    file.write_text("\f".join(f"Page {i} speaks of number {i}." for i in range(1, 9)))
    told = 0
    for event in add(library, [file]):
        told += isinstance(event, PageDone)
        with LibraryReader(library_path) as reader:
            seen = sum(document.pages_read for document in reader.documents())
        assert told <= seen <= 8, "what is told is committed"
    assert told == seen == 8


def test_listing_and_searching_import_nothing_heavy(samples: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from nemo_docs.library.reader import LibraryReader
with LibraryReader(Path({str(samples)!r})) as reader:
    assert len(reader.documents()) == 11 and reader.pages("a") and reader.resolve("udhr.en")
    light = set(sys.modules)
    assert reader.search("education")
heavy = {{"torch", "numpy", "textual", "click", "sqlite_utils", "pypdf", "py3langid", "charset_normalizer"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert not {{"Stemmer", "sentencex"}} & light
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])

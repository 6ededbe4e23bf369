"""Search in the library: what the budget, the scope and the schema must not change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.library import indexing
from nemo_docs.library.clean import clean
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import PageStatus
from nemo_docs.library.search import candidates
from nemo_docs.library.search.ranking import ranked
from nemo_docs.library.search.scope import everywhere, of_documents
from nemo_docs.library.store import Library
from nemo_docs.library.versions import NewPage, Version
from tests.properties import examples

WORDS = ("lease", "tenant", "garden", "window", "harbour", "copper", "violin", "the", "of", "and")


def write(library: Library, path: str, pages: list[str], *, finish: bool = True, language: str = "en") -> Version:
    version = library.start_version(path=path, title=path, sha256=f"{path}{pages}", pages=len(pages))
    for number, text in enumerate(pages, 1):
        page = NewPage(number, "text", PageStatus.OK, language=language, raw=text, text=clean(text))
        library.add_page(version, page)
    if finish:
        library.finish(version)
    return version


def pages_of(number: int) -> list[str]:
    """Three pages of sentences in which common words are common and others are not."""
    return [
        "\n\n".join(
            f"The {WORDS[(number + line) % 7]} of the {WORDS[number * (page + line) % 7]} and no. {number}{page}{line}."
            for line in range(4)
        )
        for page in (1, 2, 3)
    ]


@pytest.fixture
def filled(library: Library, library_path: Path) -> Iterator[LibraryReader]:
    """Forty documents of three pages, from a to an."""
    for number in range(40):
        write(library, f"/{number}", pages_of(number))
    with LibraryReader(library_path) as reader:
        yield reader


@pytest.mark.parametrize("query", ["lease tenant", "the violin of the harbour", "garden no 311", "the"])
def test_a_small_budget_finds_the_best_that_all_of_it_finds(
    filled: LibraryReader, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    best = filled.search(query, limit=1)[0].score
    monkeypatch.setattr(candidates, "BUDGET", 100)
    hits = filled.search(query, limit=10)
    assert len(hits) == 10
    assert hits[0].score == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("budget", [20, 20_000])
def test_a_scope_spends_the_budget_within_itself(
    filled: LibraryReader, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    monkeypatch.setattr(candidates, "BUDGET", budget)
    assert [hit.document for hit in filled.search("the", ["zz", "ak"], limit=3)] == ["ak"] * 3
    assert {hit.document for hit in filled.search("the", ["b", "f", "ak"], limit=100)} == {"b", "f", "ak"}
    assert {(hit.document, hit.page) for hit in filled.search("of", ["ak"], pages={"ak": [2]})} == {("ak", 2)}
    many = [document.handle for document in filled.documents()][::2]
    hits = filled.search("of the garden", many, limit=100)
    assert hits
    assert {hit.document for hit in hits} <= set(many)


def test_scores_of_documents_are_complete_whatever_the_budget(
    filled: LibraryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "BUDGET", 1)
    scores = filled.passage_scores("the harbour", ["c", "ak"])
    assert {handle: len(each) for handle, each in scores.items()} == {
        handle: len(filled.passages(handle)) for handle in ("c", "ak")
    }
    assert filled.passage_scores("harbour", ["zz"]) == {"zz": []}


def test_a_language_is_ranked_by_itself(library: Library, library_path: Path) -> None:
    write(library, "/en", ["The gift of the king was a house of gold and silver."])
    write(library, "/de", ["Das Gift des Königs war ein Haus aus Gold und Silber."], language="de")
    with LibraryReader(library_path) as reader:
        rows = reader._rows
        both = {hit.document for hit in reader.search("gift")}
        lists = {language: ranked(rows, "gift", language, everywhere(rows), 5) for language in ("en", "de", "fr")}
        assert both == {"a", "b"}
        assert [len(each) for each in lists.values()] == [1, 1, 0]
        assert ranked(rows, "gift", "en", of_documents(rows, {"b": None}), 5) == []


def test_a_version_that_is_still_being_read_is_not_found(library: Library, library_path: Path) -> None:
    write(library, "/a", ["The first wording of the lease says harbour."])
    second = write(library, "/a", ["The second wording of the lease says violin."], finish=False)
    with LibraryReader(library_path) as reader:
        assert [hit.text for hit in reader.search("wording")] == ["The first wording of the lease says harbour."]
        assert reader.search("violin") == reader.search('"violin"') == reader.search("violin", exact=True) == []
        library.finish(second)
        assert [hit.text for hit in reader.search("wording")] == ["The second wording of the lease says violin."]
        assert reader.search("harbour") == []


def test_sizes_follow_what_is_written_and_removed(library: Library, library_path: Path) -> None:
    write(library, "/a", pages_of(1))
    write(library, "/b", ["Das Haus am See ist sehr alt."], language="de")
    with closing(sqlite3.connect(library_path)) as connection:
        sizes = "SELECT language, passages, terms FROM index_sizes ORDER BY language"
        counted = """SELECT language, count(*), sum(length(terms) - length(replace(terms, ' ', '')) + 1)
                     FROM passages GROUP BY language ORDER BY language"""
        assert connection.execute(sizes).fetchall() == connection.execute(counted).fetchall()
        library.remove("a")
        assert connection.execute(sizes).fetchall() == [("de", 1, 7)]
        library.remove("b")
        assert connection.execute(sizes).fetchall() == []


def test_terms_counted_beforehand_go_with_the_document_that_held_them(
    library: Library, library_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "COMMON", 2)
    monkeypatch.setattr(indexing, "_FEWEST_PASSAGES", 4)
    write(library, "/a", [f"Zanderwumpus number {n} of the house." for n in range(6)])
    write(library, "/b", [f"A violin number {n} of the house." for n in range(6)])
    with closing(sqlite3.connect(library_path)) as connection:
        counted = "SELECT passages FROM common_terms WHERE term = 'en' || ?"
        assert connection.execute(counted, ("zanderwumpus",)).fetchall() == [(6,)]
        with LibraryReader(library_path) as reader:
            assert [hit.document for hit in reader.search("zanderwumpus house", limit=6)] == ["a"] * 6
        library.remove("a")
        assert connection.execute(counted, ("zanderwumpus",)).fetchall() == []
        assert connection.execute(counted, ("hous",)).fetchall() == [(6,)]


@examples(30)
@given(st.data())
def test_exact_search_finds_every_stretch_of_a_page(filled: LibraryReader, data: st.DataObject) -> None:
    text = filled.page_text("c", 2).text
    start = data.draw(st.integers(0, len(text) - 1))
    letters = text[start : start + data.draw(st.integers(1, 40))]
    if letters.strip():
        hits = filled.search(letters, ["c"], exact=True, limit=100)
        lit = [text[first:last] for hit in hits if hit.page == 2 for first, last in hit.highlights]
        assert any(letters.split()[0].startswith(piece[:1]) for piece in lit)


def test_an_index_of_an_earlier_program_is_searched_as_it_is_and_then_made_anew(
    library: Library, library_path: Path
) -> None:
    texts = ["The notice period is three months.", "The period of notice is four months.\n\nRent is due."]
    write(library, "/a", texts)
    library.close()
    _as_schema_4(library_path)
    with LibraryReader(library_path) as reader:
        assert reader._schema() == 4
        assert {hit.page for hit in reader.search("notice periods")} == {1, 2}
        assert {hit.page for hit in reader.search('"notice period"')} == {1}
        assert {hit.page for hit in reader.search("notice", ["a"], pages={"a": [2]})} == {2}
        assert {hit.page for hit in reader.search("f notice", exact=True)} == {2}
        assert [hit.page for hit in reader.search("notice", by="document")] in ([1], [2])
        assert len(reader.passage_scores("notice", ["a"])["a"]) == 2
        with Library(library_path):
            pass
        assert reader._schema() > 4
        assert {hit.page for hit in reader.search("notice periods")} == {1, 2}
        assert {hit.page for hit in reader.search('"notice period"')} == {1}
    with closing(sqlite3.connect(library_path)) as connection:
        connection.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('integrity-check', 1)")
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def _as_schema_4(path: Path) -> None:
    """Take a library back to the schema before this index; its terms were the same for plain English."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(
            """
            DROP TABLE adding_queue; DROP TABLE watched_folders;
            DROP TRIGGER passages_delete_vectors; DROP TABLE passage_vectors;
            DROP TRIGGER passages_insert; DROP TRIGGER passages_delete; DROP TABLE index_terms;
            DROP TABLE index_instances; DROP TABLE passage_index; DROP VIEW passage_terms; DROP TABLE index_sizes;
            DROP TABLE common_terms; DELETE FROM counters WHERE name = 'passages counted';
            ALTER TABLE passages DROP COLUMN alternates;
            CREATE VIRTUAL TABLE passage_index USING fts5 (terms, content = 'passages', content_rowid = 'id',
                tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* Co'");
            INSERT INTO passage_index (passage_index) VALUES ('rebuild');
            CREATE TRIGGER passages_insert AFTER INSERT ON passages BEGIN
                INSERT INTO passage_index (rowid, terms) VALUES (new.id, new.terms);
            END;
            CREATE TRIGGER passages_delete AFTER DELETE ON passages BEGIN
                INSERT INTO passage_index (passage_index, rowid, terms) VALUES ('delete', old.id, old.terms);
            END;
            DELETE FROM _sqlite_migrations WHERE name > 'm005';
            PRAGMA user_version = 4;
            """
        )


def test_a_word_that_another_language_seldom_has_does_not_outweigh_the_querys_own(library: Library) -> None:
    spanish = [f"El derecho de la persona número {n} es de todos." for n in range(20)]
    german = [f"Die Abbildung {n} zeigt eine Fläche im Raum." for n in range(30)]
    write(library, "/es", [*spanish, "Se presume la inocencia de la persona."], language="es")
    write(library, "/de", [*german, "Der Satz von de Rham ist ein Satz de Rhams."], language="de")
    with LibraryReader(library.path) as reader:
        assert [hit.title for hit in reader.search("presunción de inocencia", limit=1)] == ["/es"]
        assert reader.search("Satz von de Rham", limit=1)[0].title == "/de"

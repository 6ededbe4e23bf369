"""Search as a user meets it: words in eleven languages, phrases, exact letters, places, and what is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_docs.errors import ExitCode
from tests.cli.conftest import HomeWith, NemoDocs

Write = Callable[[str, str], Path]

SENTENCES = {
    "en": "The supplier’s well-known e-mail is help@example.org, and Art. 12 § 3 allows 40,000 euros of damages.",
    "de": "Die Haftpflichtversicherung verlängert sich nach Ablauf der Kündigungsfrist; die Straße bleibt gesperrt, "
    "und das Schlüsselbund kostet 40.000 Euro.",
    "fr": "La résiliation du contrat de travail ouvre droit à une indemnité, et l’œuvre de l’élève reste protégée.",
    "es": "La rescisión anticipada del contrato exige una notificación escrita con tres meses de antelación.",
    "it": "La società può recedere dal contratto con un preavviso di novanta giorni per iscritto alla città.",
    "pt": "A rescisão antecipada do contrato exige uma notificação escrita com três meses à associação.",
    "zh": "承租人违反合同约定的，应当承担违约责任，并使用ＧＤＰ数据支付４２００元。",
    "ja": "契約の解除条件は、ﾃﾞｰﾀの提出が三か月遅れた場合に限られる。GPUの速度を測る。",
    "ko": "임차인은 계약서의 해지 조건에 따라 세 달 전에 서면으로 통지하여야 한다.",
    "ar": "يَنْتَهِي العَقْدُ بعد إنهاء المدرسة الخدمةَ بثلاثة أشهر من تاريخ الإشعار الكتابي ويدفع ٤٠ دينارا.",
    "hi": "क़ानून के अनुसार अनुबंध की समाप्ति की शर्तें लिखित रूप में हँसते हुए दी जानी चाहिए, ऐसा न्यायालय ने कहा।",
}

FOUND = [
    ("en", "suppliers"), ("en", "email"), ("en", "e-mail"), ("en", "help@example.org"), ("en", "Art. 12"),
    ("en", "§ 3"), ("en", "40000"), ("en", "40.000"), ("en", "40,000"), ("en", "40\u202f000"),
    ("en", "wellknown"), ("en", "well-known"), ("en", "ＥＵＲＯ"),
    ("de", "Frist"), ("de", "Fristen"), ("de", "Kündigung"), ("de", "kuendigungsfrist"), ("de", "KUNDIGUNGSFRIST"),
    ("de", "Pflicht"), ("de", "Versicherung"), ("de", "haft"), ("de", "Pflichtversicherung"), ("de", "Strasse"),
    ("de", "STRASSEN"), ("de", "schluessel"), ("de", "Bund"), ("de", "40000"),
    ("fr", "resiliation"), ("fr", "RÉSILIATIONS"), ("fr", "indemnite"), ("fr", "oeuvre"), ("fr", "eleve"),
    ("es", "rescision"), ("es", "notificaciones"), ("es", "antelacion"),
    ("it", "societa"), ("it", "citta"), ("it", "recedere"),
    ("pt", "rescisao"), ("pt", "associacao"), ("pt", "notificações"),
    ("zh", "违约"), ("zh", "约"), ("zh", "合同"), ("zh", "违约责任"), ("zh", "GDP"), ("zh", "4200"), ("zh", "责"),
    ("ja", "契約"), ("ja", "解"), ("ja", "解除条件"), ("ja", "データ"), ("ja", "gpu"), ("ja", "速度"),
    ("ko", "해지"), ("ko", "계약"), ("ko", "계약서"), ("ko", "달"),
    ("ar", "العقد"), ("ar", "عقد"), ("ar", "العَقْد"), ("ar", "انهاء"), ("ar", "مدرسه"), ("ar", "ينتهي"), ("ar", "40"),
    ("hi", "कानून"), ("hi", "क़ानून"), ("hi", "शर्तें"), ("hi", "समाप्ति"), ("hi", "हंसते"),
]  # fmt: skip


@pytest.fixture(scope="module")
def eleven_home(home_with: HomeWith) -> Path:
    return home_with({f"{language}.txt": f"{sentence}\n" for language, sentence in SENTENCES.items()})


@pytest.fixture
def eleven(nemo_docs: NemoDocs, eleven_home: Path, monkeypatch: pytest.MonkeyPatch) -> NemoDocs:
    """A library with a document in each language."""
    monkeypatch.setenv("NEMO_DOCS_HOME", str(eleven_home))
    languages = {event["title"]: event["language"] for event in nemo_docs("list", "--json").events}
    assert languages == {f"{language}.txt": language for language in SENTENCES}
    return nemo_docs


def test_words_are_found_in_every_language_and_marked(eleven: NemoDocs) -> None:
    for language, words in FOUND:
        hits = {hit["title"]: hit for hit in eleven("search", words, "--json").events}
        assert f"{language}.txt" in hits, (language, words)
        hit = hits[f"{language}.txt"]
        assert hit["highlights"], (language, words)
        assert all(hit["start"] <= start < end <= hit["end"] for start, end in hit["highlights"]), (language, words)


def test_a_language_narrows_the_search(eleven: NemoDocs) -> None:
    everywhere = {hit["title"] for hit in eleven("search", "40000", "--json").events}
    assert everywhere == {"en.txt", "de.txt"}
    assert {hit["title"] for hit in eleven("search", "40000", "--language", "de", "--json").events} == {"de.txt"}
    assert eleven("search", "40000", "--language", "fr").code == ExitCode.NOTHING_FOUND
    assert eleven("search", "40000", "--language", "xx").code == ExitCode.USAGE


PAGES = """The notice period is three months. The rent is due on Monday.
\fThe period of notice was never agreed; rent and rent and rent again is what it says.
\fA Notice Periods clause, as they say: the
notice period ends here. Nobody pays the Rent.
"""


@pytest.fixture(scope="module")
def leases_home(home_with: HomeWith) -> Path:
    return home_with({"lease.txt": PAGES, "other.txt": "The rent of the other house is low.\n"})


@pytest.fixture
def leases(nemo_docs: NemoDocs, leases_home: Path, monkeypatch: pytest.MonkeyPatch) -> NemoDocs:
    """One document of three pages and one of one."""
    monkeypatch.setenv("NEMO_DOCS_HOME", str(leases_home))
    return nemo_docs


def places(done: object) -> list[tuple[str, int]]:
    return [(hit["document"], hit["page"]) for hit in done.events]  # type: ignore[attr-defined]


@pytest.mark.parametrize("query", ['"notice period"', "“notice period”", "„notice period“", "«notice period» rent"])
def test_what_stands_in_quotation_marks_is_found_as_it_stands(leases: NemoDocs, query: str) -> None:
    assert set(places(leases("search", query, "--json"))) == {("a", 1), ("a", 3)}
    assert ("a", 2) in places(leases("search", query.translate(dict.fromkeys(map(ord, '"“”„«»'))), "--json"))


def test_a_phrase_that_is_nowhere_finds_nothing(leases: NemoDocs) -> None:
    assert leases("search", '"period notice"').code == ExitCode.NOTHING_FOUND
    assert leases("search", '"notice period" "rent is due"', "--json").events[0]["page"] == 1


def test_phrases_hold_in_languages_without_spaces(eleven: NemoDocs) -> None:
    assert [hit["title"] for hit in eleven("search", "「违约责任」", "--json").events] == ["zh.txt"]
    assert eleven("search", '"约违责任"').code == ExitCode.NOTHING_FOUND


def test_exact_letters_are_found_as_they_stand(leases: NemoDocs) -> None:
    assert places(leases("search", "--exact", "notice period", "--json")) == [("a", 1), ("a", 3)]
    assert places(leases("search", "--exact", "Notice Period", "--json")) == [("a", 3)]
    assert places(leases("search", "--exact", "otice per", "--json")) == [("a", 1), ("a", 3)]
    assert places(leases("search", "--exact", "the notice", "--json")) == [("a", 3)], "a line ends between them"
    assert places(leases("search", "--exact", "%", "--json")) == []
    (hit,) = leases("search", "--exact", "again is", "--json").events
    (page,) = leases("show", "a:2", "--json").events
    assert [page["text"][start:end] for start, end in hit["highlights"]] == ["again is"]
    assert leases("search", "--exact", "Rent.", "--in", "a:1-2").code == ExitCode.NOTHING_FOUND
    assert leases("search", "--exact", "NOTICE").code == ExitCode.NOTHING_FOUND
    assert leases("search", "--exact", " ").code == ExitCode.USAGE


@pytest.mark.parametrize("way", [(), ("--exact",)])
def test_results_are_passages_pages_or_documents(leases: NemoDocs, way: tuple[str, ...]) -> None:
    by_page = places(leases("search", *way, "rent", "--by", "page", "--json"))
    assert sorted(by_page) == [("a", 1), ("a", 2), ("b", 1)] if way else [("a", 1), ("a", 2), ("a", 3), ("b", 1)]
    by_document = leases("search", *way, "rent", "--by", "document", "--json").events
    assert sorted(hit["document"] for hit in by_document) == ["a", "b"]
    assert {hit["by"] for hit in by_document} == {"document"}
    assert len(leases("search", *way, "rent", "--by", "document", "--limit", "1", "--json").events) == 1


def test_pages_and_documents_are_searched_alone(leases: NemoDocs) -> None:
    assert places(leases("search", "notice", "--in", "a:2-3", "--limit", "1", "--json"))[0][1] in (2, 3)
    assert set(places(leases("search", "rent", "--in", "a:2", "--in", "b", "--json"))) == {("a", 2), ("b", 1)}


def test_a_long_passage_is_cut_around_what_matched(nemo_docs: NemoDocs, write: Write) -> None:
    filling = "and so the long day of the old man went on without any end in sight " * 10
    nemo_docs("add", write("long.txt", f"{filling}the zebra arrived {filling}.\n"))
    shown = nemo_docs("search", "zebra").out.splitlines()[1]
    assert "zebra" in shown
    assert len(shown) < 450
    (hit,) = nemo_docs("search", "zebra", "--json").events
    (page,) = nemo_docs("show", "a:1", "--json").events
    assert page["text"][hit["start"] : hit["end"]] == hit["text"]
    assert [page["text"][start:end] for start, end in hit["highlights"]] == ["zebra"]


def test_a_passage_never_acts_upon_the_terminal(nemo_docs: NemoDocs, write: Write) -> None:
    nemo_docs("add", write("evil.txt", "The zebra \u202edrawkcab runs over the wide and open plain today.\n"))
    done = nemo_docs("search", "zebra", "--json")
    assert done.code == ExitCode.DONE
    assert "\u202e" not in nemo_docs("search", "zebra").out

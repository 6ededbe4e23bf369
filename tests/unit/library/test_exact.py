"""Exact search by the index finds what looking through every text finds, no more and no less."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nemo_docs.library.clean import clean
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import PageStatus
from nemo_docs.library.store import Library
from nemo_docs.library.versions import NewPage

LETTERS = {
    "en": "the cat cats concatenate publication publications 40 000 1234 40\u00a0000 e-mail help@example.org a*b [x]",
    "fr": "la publication résiliation l’élève communication cat ca é 12\u202f000 000 œuvre (chat) indiquer chatière",
    "de": "Straße Kündigungsfrist Frist Fristen über überlegen 40.000 000 straße Haftpflicht ß",
    "ar": "العقد عقد العَقْدُ مدرسة المدرسة ٤٠ ٤٠٠٠ والعقد للعقد",
    "hi": "क़ानून कानून शर्तें अनुबंध समाप्ति हँसते हंसते",
    "zh": "违约责任 合同 应当承担 的 GDP数据 ＧＤＰ 责任的 约定",
    "ja": "契約の解除 ﾃﾞｰﾀ かﾞき かきﾞ データ カﾞ カ き GPU",
    "ko": "계약서의 계약 가ﾣ 가 각 해지 달",
}
"""What texts are put together of, by language."""


def texts(language: str, draw: random.Random) -> list[str]:
    """Two pages: words with spaces, and a stretch that no space and no full stop ends, which passages cut anywhere."""
    words = LETTERS[language].split(" ")
    lines = [" ".join(draw.choices(words, k=draw.randint(3, 12))) + "." for _ in range(8)]
    return ["\n".join(lines), "".join(draw.choices(words, k=400)), "".join(draw.choices(words[0], k=900))]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibraryReader]:
    """A library of eight scripts and languages; every page is there in two languages' analyses."""
    path = tmp_path_factory.mktemp("exact") / "library.db"
    draw = random.Random(5)
    with Library(path) as library:
        for name in LETTERS:
            for language in (name, "und"):
                pages = texts(name, draw)
                version = library.start_version(path=f"/{name}{language}", title=name, sha256=f"{pages}", pages=3)
                for number, text in enumerate(pages, 1):
                    page = NewPage(number, "text", PageStatus.OK, language=language, raw=text, text=clean(text))
                    library.add_page(version, page)
                library.finish(version)
    with LibraryReader(path) as reader:
        yield reader


def looked_through(reader: LibraryReader, letters: str) -> list[tuple[str, int, float]]:
    """Document, passage and how often the letters begin in it, from the texts alone."""
    pattern = re.compile(r"\s+".join(map(re.escape, letters.split())))
    found = []
    for document in reader.documents():
        text_of = {page.number: page.text for page in reader.page_texts(document)}
        for passage in reader.passages(document):
            begins = [match.start() for match in pattern.finditer(text_of[passage.page])]
            if count := sum(passage.start <= begin < passage.end for begin in begins):
                found.append((document.handle, passage.ordinal, float(count)))
    return found


def by_index(reader: LibraryReader, letters: str) -> list[tuple[str, int, float]]:
    """The same as the product finds it."""
    hits = reader.search(letters, exact=True, limit=100_000)
    return [(hit.document, hit.passage, hit.score) for hit in hits]


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_stretch_of_a_page_is_found_wherever_it_stands(mixed: LibraryReader, data: st.DataObject) -> None:
    document = data.draw(st.sampled_from(mixed.documents()))
    text = data.draw(st.sampled_from(mixed.page_texts(document))).text
    start = data.draw(st.integers(0, len(text) - 1))
    letters = text[start : start + data.draw(st.integers(1, 30))]
    letters = data.draw(st.sampled_from([letters, letters.replace("\n", " "), letters.replace("\u00a0", " ")]))
    if letters.strip():
        expected = looked_through(mixed, letters)
        assert by_index(mixed, letters) == expected
        assert expected or letters != text[start : start + len(letters)]


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("あかﾞさ", "あか"), ("가나다ﾣ", "나다"), ("sum of 40\u00a0000 euro", "of 40 000 euro"),
        ("sum of 40 000 euro", "of 40 000 euro"), ("[x] a*b c?d", "a*b"), ("axb", "a*b"), ("[x]", "[x"),
        ("publications", "catio"), (" notices ", " notice "), ("the notice\nperiod ends", "the notice period"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["en", "ja", "und"])
def test_what_the_analysis_changes_is_found_as_it_stands(
    library: Library, text: str, letters: str, language: str
) -> None:
    version = library.start_version(path="/a", title="a", sha256="a", pages=1)
    library.add_page(version, NewPage(1, "text", PageStatus.OK, language=language, raw=text, text=clean(text)))
    library.finish(version)
    with LibraryReader(library.path) as reader:
        assert by_index(reader, letters) == looked_through(reader, letters)


def test_two_characters_are_found_where_a_passage_ends_between_them(library_path: Path) -> None:
    draw = random.Random(1)
    text = "".join(chr(draw.randrange(0x4E00, 0x9F00)) for _ in range(2_000))
    with Library(library_path) as library:
        version = library.start_version(path="/a", title="a", sha256="a", pages=1)
        library.add_page(version, NewPage(1, "text", PageStatus.OK, language="zh", raw=text, text=clean(text)))
        library.finish(version)
    with LibraryReader(library_path) as reader:
        ends = [passage.end for passage in reader.passages("a")][:-1]
        text = reader.page_text("a", 1).text
        assert len(ends) > 3
        for end in ends:
            assert by_index(reader, text[end - 1 : end + 1]) == looked_through(reader, text[end - 1 : end + 1]) != []

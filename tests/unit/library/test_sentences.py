from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.library.passages import estimated_tokens, passage_spans
from nemo_docs.library.samples import samples_folder
from nemo_docs.library.sentences import sentence_spans

LAID_OUT = st.one_of(
    st.text(), st.lists(st.sampled_from(["Word ", "is. ", "\n", "\n\n", "第一。", "A", "a ", "?"])).map("".join)
)


def sentences(text: str, language: str | None = "en") -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text, language)]


@given(LAID_OUT, st.sampled_from([None, "en", "de", "zh", "hi", "und"]))
def test_sentences_cover_all_but_white_space_in_order(text: str, language: str | None) -> None:
    spans = sentence_spans(text, language)
    end = 0
    for start, stop in spans:
        assert end <= start < stop
        assert not text[end:start].strip()
        assert text[start:stop] == text[start:stop].strip()
        assert "\n\n" not in text[start:stop]
        end = stop
    assert not text[end:].strip()


@given(LAID_OUT)
def test_passages_cover_all_but_white_space_in_order(text: str) -> None:
    end = 0
    for start, stop in passage_spans(text):
        assert end <= start < stop
        assert not text[end:start].strip()
        end = stop
    assert not text[end:].strip()


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Dr. Smith came. He\nleft at 5 p.m. sharp.", ["Dr. Smith came.", "He\nleft at 5 p.m. sharp."]),
        ("de", "Am 3. Mai kam er z. B. an. Dann ging er.", ["Am 3. Mai kam er z. B. an.", "Dann ging er."]),
        ("zh", "他来了。她走了！", ["他来了。", "她走了！"]),
        ("ja", "これは文です。次の文。", ["これは文です。", "次の文。"]),
        ("hi", "यह एक है। वह दो है।", ["यह एक है।", "वह दो है।"]),
        ("ar", "هذا أول. هذا ثانٍ؟ نعم", ["هذا أول.", "هذا ثانٍ؟", "نعم"]),
        ("ko", "안녕하세요. 반갑습니다.", ["안녕하세요.", "반갑습니다."]),
    ],
)
def test_sentences_of_each_language(language: str, text: str, expected: list[str]) -> None:
    assert sentences(text, language) == expected


def test_sentences_set_headings_apart() -> None:
    text = "Article 1\nAll human beings are born free and equal in dignity and rights. They are\nendowed with reason."
    assert sentences(text) == [
        "Article 1",
        "All human beings are born free and equal in dignity and rights.",
        "They are\nendowed with reason.",
    ]


def test_sentences_do_not_take_a_wrapped_line_for_a_heading() -> None:
    text = (
        "Dieses Skript wurde im Wintersemester geschrieben von\nMartin Thoma und anderen, die hier nicht stehen.\nEnde."
    )
    assert sentences(text, "de")[0] == text.split("\n")[0] + "\n" + text.split("\n")[1]


def test_sentences_end_at_a_blank_line() -> None:
    assert sentences("No full stop here\n\nnor here") == ["No full stop here", "nor here"]


@pytest.mark.parametrize("language", ["en", "de", "zh", "ja", "ko", "ar", "hi"])
def test_passages_are_of_a_readable_size(language: str) -> None:
    text = (samples_folder() / f"udhr.{language}.txt").read_text(encoding="utf-8")
    sizes = [estimated_tokens(text[start:end]) for start, end in passage_spans(text, language)]
    assert max(sizes) <= 250
    assert 60 <= sum(sizes) / len(sizes) <= 150


@pytest.mark.parametrize(
    "text", ["word " * 2000, "中" * 5000, "(1) " * 3000, "12.5 7 -3\n" * 900, "x" * 9000, "— " * 4000]
)
def test_passages_are_bounded_whatever_the_text(text: str) -> None:
    assert max(estimated_tokens(text[start:end]) for start, end in passage_spans(text)) <= 300


def test_sentences_set_a_heading_before_a_list_apart() -> None:
    text = "Dies ist ein ganzer Satz, der die Zeile füllt.\nBeispiel 2\n1) Sei X eine Menge mit der Topologie T darauf."
    assert "Beispiel 2" in sentences(text, "de")


def test_passages_join_fragments() -> None:
    long = "This sentence is long enough to be a passage of its own, which is what is wanted here. " * 6
    spans = passage_spans(f"{long.strip()}\n\nPage 7")
    assert text_of(f"{long.strip()}\n\nPage 7", spans)[-1].endswith("Page 7")
    assert len(text_of(f"{long.strip()}\n\nPage 7", spans)[-1]) > 20


def text_of(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [text[start:end] for start, end in spans]


def test_sentences_set_every_item_of_a_list_apart() -> None:
    text = "Gesucht ist:\n1) eine Abbildung, die\nstetig ist,\n(b) ein Knoten\n• ein Weg\nam Morgen des\n3. Mai 1999."
    assert [text[start:end] for start, end in sentence_spans(text, "de")] == [
        "Gesucht ist:",
        "1) eine Abbildung, die\nstetig ist,",
        "(b) ein Knoten",
        "• ein Weg\nam Morgen des\n3. Mai 1999.",
    ]

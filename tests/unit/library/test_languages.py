from __future__ import annotations

import pytest

from nemo_docs.library.languages import detect, detect_question
from nemo_docs.library.samples import samples_folder
from nemo_docs.settings import LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_detect_knows_each_sample_and_each_of_its_long_paragraphs(language: str) -> None:
    text = (samples_folder() / f"udhr.{language}.txt").read_text(encoding="utf-8")
    assert detect(text) == language
    paragraphs = [line for line in text.splitlines() if len(line) > 100]
    right = sum(detect(paragraph) == language for paragraph in paragraphs)
    assert right >= 0.95 * len(paragraphs)


@pytest.mark.parametrize(
    "text", ["", "1234 5678", "ok", "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren."]
)
def test_detect_names_no_language_without_reason(text: str) -> None:
    assert detect(text) == "und"


def test_detect_knows_japanese_beside_latin() -> None:
    assert detect("GPUの速度を測る方法について") == "ja"


def test_detect_knows_chinese_beside_latin_and_numbers() -> None:
    assert detect("2018年显卡价格上涨：RTX 2080 售价为9999元") == "zh"


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("शिक्षा का अधिकार किसे है?", "hi"),
        ("谁有权受教育？", "zh"),
        ("誰有權受教育?", "zh"),
        ("教育を受ける権利は誰にありますか？", "ja"),
        ("من له الحق في التعليم؟", "ar"),
        ("Qui a droit à l'éducation ?", "fr"),
        ("Why?", "und"),
    ],
)
def test_the_script_decides_where_a_question_is_too_short(question: str, language: str) -> None:
    assert detect_question(question) == language

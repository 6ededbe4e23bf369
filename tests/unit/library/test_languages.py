from __future__ import annotations

import pytest

from nemo_docs.library.languages import detect
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

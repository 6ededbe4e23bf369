from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nemo_docs.library.analysis import index_terms, terms, tokens


@pytest.mark.parametrize(
    ("language", "indexed", "query"),
    [
        ("en", "the houses", "house"),
        ("fr", "La résiliation du contrat", "resiliation"),
        ("de", "Die Straße", "STRASSE"),
        ("de", "Kündigungen", "kündigung"),
        ("es", "las acciones", "accion"),
        ("it", "le città", "citta"),
        ("pt", "a educação", "educacao"),
        ("ar", "العَقْدُ", "العقد"),
        ("ar", "إنهاء", "انهاء"),
        ("ar", "مدرســة", "مدرسه"),
        ("ar", "كتاب\ufe70ا", "كتابا"),
        ("hi", "क़लम", "कलम"),
        ("hi", "हँसना", "हंसना"),
        ("zh", "违约责任", "责任"),
        ("zh", "违约责任", "责"),
        ("ja", "解除条件", "条"),
        ("ja", "ﾃﾞｰﾀ", "データ"),
        ("ko", "계약서의", "계약"),
        ("und", "ＡＢＣ", "abc"),
    ],
)
def test_terms_of_a_query_are_among_those_indexed(language: str, indexed: str, query: str) -> None:
    asked = terms(query, language)
    assert asked
    assert set(asked) <= set(index_terms(indexed, language))


def test_terms_keep_hindi_words_whole() -> None:
    assert len(terms("समाप्ति की शर्तें", None)) == 3


def test_terms_of_a_long_run_are_bigrams_alone() -> None:
    assert terms("违约责任", "zh") == ["违约", "约责", "责任"]


def test_terms_of_mixed_text_follow_each_script() -> None:
    assert terms("GDP增长7%", "zh") == ["gdp", "增长", "7"]


@given(st.text(), st.sampled_from([None, "en", "de", "ar", "hi", "zh", "xx"]))
@example("\ufe70", None)
@example("\ufdfa", "ar")
@example("\u037a", None)
def test_tokens_lie_in_the_text_and_have_no_syntax(text: str, language: str | None) -> None:
    for token in tokens(text, language, indexing=True):
        assert 0 <= token.start < token.end <= len(text)
        assert token.term
        assert '"' not in token.term
        assert not any(c.isspace() or c == "\0" for c in token.term)

"""Which of the eleven languages a reading by OCR is in: by script, and in Latin script by function words.

The library's own detection (languages.py) unpacks its model to a temporary file, which a reader must not write, and
takes half a second; here a page of text with misread letters has to be told among six languages only.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import cache

from stop_words import get_stop_words  # type: ignore[import-untyped]

_FEW_LETTERS = 40
_SCRIPTS = {"CJK": "zh", "HANGUL": "ko", "ARABIC": "ar", "DEVANAGARI": "hi", "HIRAGANA": "ja", "KATAKANA": "ja"}
_LATIN = ("en", "fr", "de", "es", "it", "pt")
_LEAST_SHARE = 0.15
"""Of the words that are function words of the language; prose has 0.35 to 0.55, lists of names less than this."""


def language_of(text: str) -> str:
    """The ISO 639-1 code of a text's language; empty where it has too few letters, or is in none of ours."""
    letters = [character for character in text if character.isalpha()]
    if len(letters) < _FEW_LETTERS:
        return ""
    scripts = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in letters)
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana > 0.1 * (kana + scripts["CJK"]) and kana + scripts["CJK"] > 0.5 * len(letters):
        return "ja"
    script, count = scripts.most_common(1)[0]
    if script in _SCRIPTS and count > 0.5 * len(letters):
        return _SCRIPTS[script]
    words = Counter(word.strip(".,;:!?()\"'“”„»«").casefold() for word in text.split())
    shares = {language: sum(words[word] for word in _words(language)) for language in _LATIN}
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] > _LEAST_SHARE * words.total() else ""


@cache
def _words(language: str) -> frozenset[str]:
    return frozenset(get_stop_words(language))

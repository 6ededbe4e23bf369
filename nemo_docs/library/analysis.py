"""From text to index terms: one analyser for what is indexed and what is asked.

SQLite's own tokenizers find nearly nothing in Chinese and Japanese (recall at 1 of 0.10 to 0.16 with unicode61, 0.83 to
0.96 this way), so terms are made here and the index is given a string of them:

- NFKC and casefold; Latin accents are folded after stemming, which needs them; the index also holds what an accented
  word gives when it is asked for without its accents;
- runs of Han, Kana and Hangul become overlapping bigrams; the index also holds their single characters, so that a query
  of one character finds them, while a longer query is asked in bigrams alone;
- Arabic loses vowel signs and tatweel, its alef, ya and ta marbuta are unified; Hindi loses nukta, chandrabindu becomes
  anusvara;
- Snowball stems the eight languages that it knows of our eleven.

The trade-off: German compounds are not taken apart, as no small and well-kept splitter exists.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

_STEMMERS = {
    "ar": "arabic",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fr": "french",
    "hi": "hindi",
    "it": "italian",
    "pt": "portuguese",
}
_CJK = (
    "\u1100-\u11ff\u3005-\u3007\u3031-\u3035\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"
    "\U00020000-\U0003ffff"
)
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0900-\u0963\u0966-\u096f\u0971-\u0dff\u0e31-\u0e3a"
    "\u0e47-\u0e4e\u1dc0-\u1dff\u200c\u200d\u3099\u309a"
)
"""Marks belong to their word; Python's \\w leaves them out."""
_TOKEN = re.compile(rf"(?P<cjk>[{_CJK}]+)|(?:(?![{_CJK}_])[\w{_MARKS}])+")
_ARABIC_MARKS = re.compile("[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]")
_FOLDS = str.maketrans(
    {
        "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه",
        "\u093c": None, "\u0901": "\u0902", "\u200c": None, "\u200d": None,
    }
)  # fmt: skip
_LONGEST_WORD = 64
"""Characters of a word that count; what is longer is no word (a key, a picture in base64)."""


@dataclass(frozen=True, slots=True)
class Token:
    """One index term and the stretch of text that it came from."""

    term: str
    start: int
    end: int


def terms(text: str, language: str | None = None) -> list[str]:
    """The terms to ask the index for, in order, with repetitions.

    Args:
        text: A query, or any text.
        language: ISO 639-1 code of the text that was indexed; decides the stemmer.
    """
    return [token.term for token in tokens(text, language)]


def index_terms(text: str, language: str | None = None) -> list[str]:
    """The terms to index a passage under: `terms`, and the other ways in which the same words may be asked for."""
    return [token.term for token in tokens(text, language, indexing=True)]


def tokens(text: str, language: str | None = None, *, indexing: bool = False) -> Iterator[Token]:
    """Terms with their places in `text`.

    Args:
        text: Any text.
        language: ISO 639-1 code; decides the stemmer.
        indexing: Whether to give single characters of Han, Kana and Hangul, and words without their accents, too.
    """
    algorithm = _STEMMERS.get(language or "", "")
    for match in _TOKEN.finditer(text):
        if match["cjk"]:
            yield from _grams(match[0], match.start(), indexing)
            continue
        word = match[0][:_LONGEST_WORD]
        term = _term(word, algorithm)
        if term:
            yield Token(term, match.start(), match.end())
        if indexing and not word.isascii():
            plain = _term(_without_accents(word), algorithm)
            if plain and plain != term:
                yield Token(plain, match.start(), match.end())


def _grams(run: str, start: int, singles: bool) -> Iterator[Token]:
    normal = unicodedata.normalize("NFKC", run)
    if len(normal) == len(run):
        places = [(start + i, start + i + 1) for i in range(len(run))]
    else:  # half-width Kana, Hangul in parts: the run as a whole stands for each of its characters
        places = [(start, start + len(run))] * len(normal)
    for i, (first, last) in enumerate(places):
        if singles or len(places) == 1:
            yield Token(normal[i], first, last)
        if i + 1 < len(places):
            yield Token(normal[i : i + 2], first, places[i + 1][1])


@lru_cache(maxsize=65536)
def _term(word: str, algorithm: str) -> str:
    normal = unicodedata.normalize("NFKC", word).casefold()
    normal = _ARABIC_MARKS.sub("", normal).translate(_FOLDS)
    if algorithm:
        normal = _stemmer(algorithm).stemWord(normal)
    return _without_accents(normal)


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    parts = unicodedata.normalize("NFD", word)
    folded = "".join(c for c in parts if not "\u0300" <= c <= "\u036f")
    return unicodedata.normalize("NFC", folded)


@cache
def _stemmer(algorithm: str):  # type: ignore[no-untyped-def]  # snowballstemmer has no types
    import snowballstemmer  # type: ignore[import-untyped]

    return snowballstemmer.stemmer(algorithm)

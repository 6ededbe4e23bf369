"""From text to index terms: one analyser for what is indexed and what is asked.

SQLite's own tokenizers find nearly nothing in Chinese and Japanese (recall at 1 of 0.10 to 0.16 with unicode61, 0.83 to
0.96 this way), so terms are made here and the index is given a string of them:

- NFKC and casefold, digits of every script alike; Latin accents are folded after stemming, which needs them;
- runs of Han, Kana and Hangul become overlapping bigrams;
- Arabic loses vowel signs and tatweel, its alef, ya and ta marbuta are unified; Hindi loses nukta, chandrabindu becomes
  anusvara;
- a number is one term however its thousands are set apart: 40,000, 40.000, 40 000 with a space that does not break;
- Snowball stems the eight languages that it knows of our eleven.

Beside its terms a passage has `alternates`, other ways in which its words may be asked for: single characters of Han,
Kana and Hangul; an accented word typed without its accents, in German with ae, oe and ue; a hyphenated word written in
one; and the ends of a long German word, so that the parts of a compound are found. No small and well-kept splitter of
compounds exists, so every end is kept that could be a word: `haftpflichtversicher` gives `pflichtversicher`,
`versicher` and others, and a query for `pflicht` asks for what begins with it (see PART).
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
_TOKEN = re.compile(
    rf"(?P<cjk>[{_CJK}]+)|(?P<number>(?<![\w.,])\d{{1,3}}(?:[.,'\u2019\u066c\u00a0\u202f]\d{{3}})+(?!\w))"
    rf"|(?:(?![{_CJK}_])[\w{_MARKS}])+"
)
_NO_DIGIT = re.compile(r"\D")
_HYPHENS = "-\u2010\u2011"
_ARABIC_MARKS = re.compile("[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]")
_ARABIC_ARTICLE = re.compile("^(?:[وف]?[بك]?ال|[وف]?لل)(?=\\w{3})")
"""The article with what grows onto it; Snowball takes a noun's ending for another one behind it than without it."""
_FOLDS = str.maketrans(
    {
        "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه",
        "\u093c": None, "\u0901": "\u0902", "\u200c": None, "\u200d": None,
    }
)  # fmt: skip
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
"""Letters that people type otherwise, and that Unicode does not take apart."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
PART = "\ue000"
"""Opens a term that is the end of a long word: a character for private use, which no text's terms hold."""
PARTED = frozenset({"de"})
"""Languages that write compounds in one word."""
_LONG_WORD, _SHORTEST_START, SHORTEST_PART = 9, 3, 4
"""Characters of a word's stem whose ends are kept, of what stands before an end, and of an end."""
_VOWEL = re.compile("[aeiouy]")
_ONSET = re.compile(
    "(?:sch[lmnrw]?|s[pt]r?|[bcfgkp][lr]|pf[lr]?|[dt]r|[gk]n|zw|qu|[cpt]h|[bcdfghjklmnprstvwxz])?[aeiouy]"
)
"""How a German word begins."""
_LONGEST_WORD = 64
"""Characters of a word that count; what is longer is no word (a key, a picture in base64)."""


@dataclass(frozen=True, slots=True)
class Token:
    """One index term and the stretch of text that it came from."""

    term: str
    start: int
    end: int
    is_alternate: bool = False
    """Whether it is another way to ask for a word that has given its term already."""


def terms(text: str, language: str | None = None) -> list[str]:
    """The terms of a text, in order, with repetitions: of a query, and of a passage.

    Args:
        text: Any text.
        language: ISO 639-1 code of the text that is or was indexed; decides the stemmer.
    """
    return [token.term for token in tokens(text, language)]


def alternates(text: str, language: str | None = None) -> list[str]:
    """What else a passage is indexed under; no repetitions of what stands in one place twice."""
    return [token.term for token in tokens(text, language, indexing=True) if token.is_alternate]


def index_terms(text: str, language: str | None = None) -> list[str]:
    """All that a passage is indexed under: `terms`, then `alternates`."""
    return terms(text, language) + alternates(text, language)


def tokens(text: str, language: str | None = None, *, indexing: bool = False) -> Iterator[Token]:
    """Terms with their places in `text`.

    Args:
        text: Any text.
        language: ISO 639-1 code; decides the stemmer.
        indexing: Whether to give alternates, too.
    """
    algorithm = _STEMMERS.get(language or "", "")
    before = (0, 0, "")  # start, end and spelling of the last word, to join a hyphenated one
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        if match["cjk"]:
            yield from _grams(match[0], start, indexing)
            continue
        word = match[0][:_LONGEST_WORD]
        if match["number"]:
            word = _NO_DIGIT.sub("", word)
        term = _term(word, algorithm)
        if term:
            yield Token(term, start, end)
        if not indexing:
            continue
        for other in _otherwise(word, term, algorithm, language in PARTED):
            yield Token(other, start, end, is_alternate=True)
        if start == before[1] + 1 and text[before[1]] in _HYPHENS:
            joined = _term((before[2] + word)[:_LONGEST_WORD], algorithm)
            if joined and before[2].isalpha() and word.isalpha():
                yield Token(joined, before[0], end, is_alternate=True)
        before = (start, end, word)


@lru_cache(maxsize=65536)
def _otherwise(word: str, term: str, algorithm: str, is_parted: bool) -> tuple[str, ...]:
    """Other terms that one word is found by."""
    found = []
    if not word.isascii():
        found.append(_term(_without_accents(word), algorithm))
        if is_parted:
            found.append(_term(unicodedata.normalize("NFC", word).casefold().translate(_UMLAUTS), algorithm))
    others = [other for other in dict.fromkeys(found) if other and other != term]
    if is_parted and len(term) >= _LONG_WORD and term.isalpha():
        others += [PART + term[at:] for at in _parts(term)]
    return tuple(others)


def _parts(term: str) -> Iterator[int]:
    """Where a part of a long word may begin: behind a vowel, as words begin, and not between two vowels."""
    first = _VOWEL.search(term)
    if first is not None:
        for at in range(max(_SHORTEST_START, first.end()), len(term) - SHORTEST_PART + 1):
            if _ONSET.match(term, at) and not (_VOWEL.match(term, at - 1) and _VOWEL.match(term, at)):
                yield at


def _grams(run: str, start: int, singles: bool) -> Iterator[Token]:
    normal = unicodedata.normalize("NFKC", run)
    if len(normal) == len(run):
        places = [(start + i, start + i + 1) for i in range(len(run))]
    else:  # half-width Kana, Hangul in parts: the run as a whole stands for each of its characters
        places = [(start, start + len(run))] * len(normal)
    for i, (first, last) in enumerate(places):
        if singles or len(places) == 1:
            yield Token(normal[i], first, last, is_alternate=len(places) > 1)
        if i + 1 < len(places):
            yield Token(normal[i : i + 2], first, places[i + 1][1])


@lru_cache(maxsize=65536)
def _term(word: str, algorithm: str) -> str:
    normal = "".join(unicodedata.normalize("NFKC", word).casefold().split())  # it sets marks that stand alone on spaces
    if not normal.isascii() and any(map(str.isdecimal, normal)):
        normal = "".join(str(unicodedata.decimal(c, c)) for c in normal)
    normal = _ARABIC_MARKS.sub("", normal).translate(_FOLDS)
    if algorithm == "arabic":
        normal = _stemmer(algorithm).stemWord(_ARABIC_ARTICLE.sub("", normal))
        normal = normal.removesuffix("ه") if len(normal) > 3 else normal  # was ta marbuta, or is typed for it
    elif algorithm:
        normal = _stemmer(algorithm).stemWord(normal)
    return _without_accents(normal)


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    parts = unicodedata.normalize("NFD", word)
    folded = "".join(c for c in parts if not "\u0300" <= c <= "\u036f").translate(_LETTERS)
    return unicodedata.normalize("NFC", folded)


@cache
def _stemmer(algorithm: str):  # type: ignore[no-untyped-def]  # PyStemmer has no types
    import Stemmer  # type: ignore[import-not-found]

    return Stemmer.Stemmer(algorithm)

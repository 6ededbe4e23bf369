"""How much of a text is hardly text: characters and words that no language has.

A PDF may show letters without saying which they are; what an extractor then gives looks like text and is not. The score
is a share of characters, told by rules that need no dictionary: characters that nobody writes (controls, NUL, private
use, replacement, unassigned), words that mix scripts as no language does, and words in an Indic script that are spelled
as none can be: a sign without its letter, two vowel signs on one letter.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

SUSPICIOUS = 0.01
"""From this share on a second opinion is asked for."""
HARDLY_TEXT = 0.05
"""From this share on a page is flagged."""
_WHITE = frozenset("\t\n\v\f\r")
_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f\u0900-\u0dff\u064b-\u065f\u0670\u200c\u200d])*")
_INDIC = re.compile("[\u0900-\u0dff]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LETTER = re.compile(r"[^\W\d_]")
_DEVANAGARI_STRAY = re.compile(
    "(?<![\u0900-\u097f\u200c\u200d])[\u093a-\u094d\u0900-\u0903\u0955-\u0957\u0962\u0963]"  # a sign without a letter
    "|[\u093e-\u094c][\u093e-\u094d]"  # two vowel signs, or a virama behind one
    "|\u094d[\u093e-\u094c]"  # a vowel sign on a killed vowel
    "|[\u0901-\u0903][\u093c-\u094d]"  # a vowel sign behind what closes a syllable
)
_LOST = re.compile("(?<![\u0900-\u0903\u093a-\u094d\0])\0+[\u0900-\u097f]|[\u0904-\u0939]\0")
"""A glyph without a letter that no cluster before it accounts for."""
_ACCOUNTED = re.compile("(?<=[\u0900-\u0903\u093a-\u094d])\0+")
"""Further glyphs of a cluster whose whole text the first one has said."""
_TOGETHER = frozenset(
    ("LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC")
)
"""Scripts that East Asian words mix."""
_ANYWHERE = frozenset(("COMBINING", "MODIFIER", "MATHEMATICAL", "MICRO", "OHM", "KELVIN", "ANGSTROM", "SUPERSCRIPT"))


def share_right_to_left(text: str) -> float:
    """Which share of the letters is written from right to left."""
    return len(_RIGHT_TO_LEFT.findall(text)) / max(1, letters(text))


def share_indic(text: str) -> float:
    """Which share of the letters, signs included, is in a script of India."""
    return len(_INDIC.findall(text)) / max(1, letters(text))


def letters(text: str) -> int:
    """How many letters there are."""
    return len(_LETTER.findall(text))


def garble(text: str) -> float:
    """The share of a raw text's characters, white space aside, that no language has there; from 0 to 1."""
    seen = sum(not character.isspace() for character in text)
    if not seen:
        return 0.0
    bad = sum(map(_is_bad, _ACCOUNTED.sub("", text)))
    bad += sum(len(word) for word in _WORD.findall(text) if not word.isascii() and _mixes(word))
    if _INDIC.search(text):
        bad += 3 * (len(_DEVANAGARI_STRAY.findall(text)) + len(_LOST.findall(text)))
    return min(1.0, bad / seen)


@lru_cache(maxsize=8192)
def _is_bad(character: str) -> bool:
    if character in _WHITE:
        return False
    return character in "\ufffd\ufffe\uffff" or unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs")


def _mixes(word: str) -> bool:
    """Whether a word has letters of scripts that no language writes in one word."""
    scripts = {_script(c) for c in word if c.isalpha()} - {""}
    if len(scripts) < 2 or scripts <= _TOGETHER:
        return False
    # Latin words take case endings in other scripts, as in "PDFها"; plain letters only, and at one end
    foreign = [c for c in word if _script(c) == "LATIN"]
    return len(scripts) > 2 or any(c > "\u024f" or c >= "\u0100" for c in foreign)


@lru_cache(maxsize=8192)
def _script(character: str) -> str:
    name = unicodedata.name(character, "").partition(" ")[0].partition("-")[0]
    return "" if name in _ANYWHERE else name

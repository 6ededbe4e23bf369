"""Finding words in a page's text, whatever their case, accents and line breaks.

The text is folded character by character, so that every place found in the folded text has its place in the page. What
is folded away (accents, Arabic vowel signs) need not be typed, and may be.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate

_IGNORED = re.compile("[\u0300-\u036f\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u093c\u00ad\u200c\u200d]")
_SAME = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه"})


class _Folds(dict[int, str]):
    """What each character is compared as, found when it is first met."""

    def __missing__(self, code: int) -> str:
        plain = unicodedata.normalize("NFKD", chr(code).translate(_SAME)).casefold()
        folded = unicodedata.normalize("NFC", _IGNORED.sub("", plain))
        self[code] = folded
        return folded


_FOLDS = _Folds()


class Finder:
    """Words to be found, in their order, with any white space between them.

    Args:
        words: As typed.
    """

    def __init__(self, words: str) -> None:
        folded = [word for each in words.split() if (word := each.translate(_FOLDS))]
        self._pattern = re.compile(r"\s+".join(map(re.escape, folded))) if folded else None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where they stand in a text, as character offsets, end exclusive."""
        if self._pattern is None:
            return
        folded = text.translate(_FOLDS)
        found = [match.span() for match in self._pattern.finditer(folded)]
        if not found or text.isascii():  # each character is folded into one
            yield from found
            return
        ends = list(accumulate(len(_FOLDS[ord(character)]) for character in text))
        at = 0
        for start, end in found:
            while ends[at] <= start:
                at += 1
            first = at
            while ends[at] < end:
                at += 1
            last = at + 1
            while last < len(text) and ends[last] == ends[at] and _IGNORED.match(text[last]):
                last += 1  # marks belong to the letter before them
            yield first, last

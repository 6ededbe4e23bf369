"""Brackets of text that is written from right to left, as they are spelled.

A bracket in such text is drawn as its mirror image, and a PDF holds the image; PDFium puts the words of a line in their
order and leaves brackets as drawn: `)so(`. Those that stand among letters from right to left are turned, if more of
them match then. Beside words from left to right nothing tells to which side they belong: there they stay.

Source: Unicode Standard Annex #9, L4 (mirroring).
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise

_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("<", ">"), ("«", "»"), ("‹", "›"))
_MIRRORED = {each: other for pair in _PAIRS for each, other in (pair, pair[::-1])}
_LEFTWARDS = frozenset(("R", "AL"))
_STRONG = _LEFTWARDS | {"L"}


def turned(text: str) -> str:
    """A text of the same length, its brackets turned where that makes more of them match.

    Args:
        text: Of a page.
    """
    if not any("\u0590" <= character <= "\u08ff" or "\ufb1d" <= character <= "\ufefc" for character in text):
        return text
    mended = "".join(_turned_line(line) for line in text.splitlines(keepends=True))
    return mended if _matching(mended) > _matching(text) else text


def _turned_line(line: str) -> str:
    places = [at for at, character in enumerate(line) if character in _MIRRORED]
    if not places:
        return line
    strong = [(at, kind) for at, c in enumerate(line) if (kind := unicodedata.bidirectional(c)) in _STRONG]
    leftwards = sum(kind in _LEFTWARDS for _, kind in strong)
    edge = "R" if 2 * leftwards > len(strong) else "L"
    characters = list(line)
    around = [(-1, edge), *strong, (len(line), edge)]
    for (start, before), (end, after) in pairwise(around):
        if before in _LEFTWARDS and after in _LEFTWARDS:
            for at in range(start + 1, end):
                characters[at] = _MIRRORED.get(characters[at], characters[at])
    return "".join(characters)


def _matching(text: str) -> int:
    """How many brackets are closed by the next one of their kind."""
    count = 0
    for pair in _PAIRS:
        kind = [character for character in text if character in pair]
        count += sum(following == pair for following in pairwise(kind))
    return count

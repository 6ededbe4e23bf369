"""From what an extractor or a file says to the page text, with a map back.

The page text is the one string that is indexed, packed, shown and quoted, so it is repaired here, once:

- control characters, terminal escape sequences, surrogates, bidi overrides, tags and other invisible characters go;
  U+200C and U+200D stay between letters of scripts that join (Persian, Hindi), where they change the spelling;
- every kind of line break becomes a line feed, every kind of space a space; trailing spaces go, runs of blank lines
  become one blank line, the page's ends are trimmed;
- Latin ligatures (U+FB00 to U+FB06) are spelled out;
- a word broken at a line's end is joined. Hyphen, line break, lower-case letter: the hyphen was the printer's and
  goes, unless the page spells the compound with a hyphen elsewhere (`deutsch-französisch`). Upper-case letter: the
  hyphen is the writer's (`Schwarz-Weiß`), only the line break goes. A hyphen before anything else stays as it is.

Where the order of words was mended, the raw text stays as the extractor gave it and is read in stretches.

Cleaning is idempotent, and every character of the result knows the raw character that it came from. The trade-off: a
glyph without a Unicode value (a TeX minus that arrives as NUL) is dropped, not guessed; the ledger counts the losses
and the raw output is kept.
"""

from __future__ import annotations

import json
import re
import unicodedata
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_JOINERS = "\u200c\u200d"
_SOFT_HYPHEN = "\u00ad"
_VISIBLE_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")
"""Format characters of Arabic and Syriac that print a sign."""
_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufff0\ufffe\uffff")
_CONTEXTUAL = frozenset(_JOINERS) | frozenset(map(chr, range(0xE0100, 0xE01F0)))
"""Kept only where they change what is seen; elsewhere they can carry hidden text."""
_JOINING_SCRIPTS = (("\u0600", "\u08ff"), ("\u0900", "\u0dff"), ("\ufb50", "\ufdff"), ("\ufe70", "\ufefc"))
_BREAKS = frozenset("\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029")
_ESCAPES = re.compile(
    r"\x1b\[(?:[0-9;:?]+[ -/]*[@-~]|[mHJK])"  # CSI with parameters, and the commonest without
    r"|\x1b[\]P^_X][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)"  # OSC and other strings, only when they are closed
)
"""Whole escape sequences. A lone ESC is only a glyph of a damaged font: what follows it is text and stays."""
_LINE_END_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u2010]\n(?=[^\W\d_])")
_WORD_BEFORE = re.compile(r"[^\W\d_]+$")
_WORD_AFTER = re.compile(r"[^\W\d_]+")
_COMPOUND = re.compile(r"(?<![^\W\d_])[^\W\d_]{1,64}-[^\W\d_]{1,64}")
_LONGEST_WORD = 64


@dataclass(frozen=True, slots=True)
class OffsetMap:
    """A map from offsets in the page text to offsets in the raw text; it ascends as long as no order was mended.

    Attributes:
        runs: Pairs (page text offset, raw offset); from one pair to the next both advance together.
    """

    runs: tuple[tuple[int, int], ...]

    def raw_offset(self, offset: int) -> int:
        """The raw character that character `offset` of the page text came from."""
        if not self.runs:
            return 0
        at, raw = self.runs[max(0, bisect_right(self.runs, offset, key=lambda run: run[0]) - 1)]
        return raw + offset - at

    def pack(self) -> bytes:
        """The map as compressed bytes, as it is stored."""
        return zlib.compress(json.dumps(self.runs, separators=(",", ":")).encode())

    @classmethod
    def unpack(cls, packed: bytes) -> OffsetMap:
        """The map that `pack` gave."""
        return cls(tuple((int(at), int(raw)) for at, raw in json.loads(zlib.decompress(packed))))


@dataclass(frozen=True, slots=True)
class CleanText:
    """A page text, where it came from, and what was left out.

    Attributes:
        text: The page text.
        offsets: The map back to the raw text.
        dropped: How many raw characters were left out because they cannot be shown (white space is not counted).
    """

    text: str
    offsets: OffsetMap
    dropped: int


_Marked = list[tuple[str, int]]
"""Characters, each with the raw offset that it came from."""


def clean(raw: str, hidden: Iterable[tuple[int, int]] = (), order: Sequence[tuple[int, int]] = ()) -> CleanText:
    """Repair one page of raw text. Linear in its length, idempotent on its result.

    Args:
        raw: What the extractor says.
        hidden: Stretches (start, end) of it that cannot be seen on the page; only their white space is kept.
        order: Stretches of it in the order in which they are to be read; together they are all of it. Where one does
            not end its line, it is ended. Empty: as it stands.
    """
    unseen = {at for start, end in hidden for at in range(start, end) if not raw[at : at + 1].isspace()}
    visible, dropped = _visible(raw, unseen)
    if order:
        visible = _reordered(visible, order)
    joined = _join_words(_lines(_soft_hyphens(visible) if _SOFT_HYPHEN in raw else visible))
    return CleanText("".join(character for character, _ in joined), _runs([at for _, at in joined]), dropped)


def clean_line(raw: str, limit: int = 200) -> str:
    """Text from outside (a file name, a message) as one harmless line of at most `limit` characters."""
    line = " ".join(clean(raw).text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _visible(raw: str, unseen: Container[int]) -> tuple[_Marked, int]:
    """What can be shown, in one alphabet of breaks and spaces; and the number of characters dropped."""
    kept: _Marked = []
    dropped = 0
    escape_end = 0
    for at, character in enumerate(raw):
        if at < escape_end or at in unseen:
            dropped += 1
        elif character == "\x1b":
            escape = _ESCAPES.match(raw, at)
            escape_end = escape.end() if escape else at + 1
            dropped += 1
        elif " " <= character <= "~":
            kept.append((character, at))
        elif character in _BREAKS:
            if not (character == "\n" and at and raw[at - 1] == "\r"):
                kept.append(("\n", at))
        elif character in _LIGATURES:
            kept.extend((part, at) for part in _LIGATURES[character])
        elif character == "\t" or unicodedata.category(character) == "Zs":
            kept.append((" ", at))
        elif character in _JOINERS or character == _SOFT_HYPHEN or not _is_invisible(character):
            kept.append((character, at))
        else:
            dropped += 1
    if _CONTEXTUAL.isdisjoint(raw):
        return kept, dropped
    meaningful = [mark for i, mark in enumerate(kept) if mark[0] not in _CONTEXTUAL or _is_at_home(kept, i)]
    return meaningful, dropped + len(kept) - len(meaningful)


def _reordered(marked: _Marked, order: Sequence[tuple[int, int]]) -> _Marked:
    places = [at for _, at in marked]
    result: _Marked = []
    for start, end in order:
        stretch = marked[bisect_left(places, start) : bisect_left(places, end)]
        while stretch and stretch[-1][0] in " \n":
            stretch.pop()
        if stretch:
            result += [*stretch, ("\n", stretch[-1][1])]
    return result


def _is_invisible(character: str) -> bool:
    if character in _VISIBLE_FORMATS:
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs") or character in _INVISIBLE_LETTERS


def _is_at_home(marked: _Marked, i: int) -> bool:
    """Whether a joiner stands between letters that join, or a variation selector on an ideograph."""
    before = marked[i - 1][0] if i else ""
    if marked[i][0] not in _JOINERS:
        return before >= "\u2e80" and unicodedata.category(before) == "Lo"
    after = marked[i + 1][0] if i + 1 < len(marked) else ""
    return _joins(before) and _joins(after)


def _joins(character: str) -> bool:
    return any(first <= character <= last for first, last in _JOINING_SCRIPTS) and character.isprintable()


def _soft_hyphens(marked: _Marked) -> _Marked:
    """A soft hyphen is seen only at a line's end: there it becomes a hyphen, elsewhere it goes."""
    result: _Marked = []
    ends_line = True
    for character, at in reversed(marked):
        if character != _SOFT_HYPHEN:
            result.append((character, at))
            ends_line = character == "\n" or (ends_line and character == " ")
        elif ends_line and result:
            result.append(("-", at))
            ends_line = False
    result.reverse()
    return result


def _lines(marked: _Marked) -> _Marked:
    """Without trailing spaces, without more than one blank line in a row, trimmed at both ends."""
    result: _Marked = []
    for character, at in marked:
        if character == "\n":
            while result and result[-1][0] == " ":
                result.pop()
            if not result or (len(result) > 1 and result[-1][0] == result[-2][0] == "\n"):
                continue
        result.append((character, at))
    while result and result[-1][0] in " \n":
        result.pop()
    first = next((i for i, (character, _) in enumerate(result) if character not in " \n"), 0)
    return result[first:]


def _join_words(marked: _Marked) -> _Marked:
    text = "".join(character for character, _ in marked)
    compounds = frozenset(_COMPOUND.findall(text.casefold()))
    gone: set[int] = set()
    for hyphen in _LINE_END_HYPHEN.finditer(text):
        at, following = hyphen.start(), text[hyphen.end()]
        if following.islower():
            before = _WORD_BEFORE.search(text, max(0, at - _LONGEST_WORD), at)
            after = _WORD_AFTER.match(text, hyphen.end(), hyphen.end() + _LONGEST_WORD)
            compound = f"{before[0] if before else ''}-{after[0] if after else ''}".casefold()
            gone.update((at + 1,) if compound in compounds else (at, at + 1))
        elif following.isupper():
            gone.add(at + 1)
    return [mark for i, mark in enumerate(marked) if i not in gone] if gone else marked


def _runs(offsets: list[int]) -> OffsetMap:
    return OffsetMap(tuple((i, raw) for i, raw in enumerate(offsets) if i == 0 or raw != offsets[i - 1] + 1))

"""Sentence boundaries as offsets.

sentencex (Wikimedia's rules for abbreviations and full stops in all our languages) does the language; the layout of a
page is ours: a blank line always ends a sentence, a single line break never does by itself, a heading on a line of its
own is a sentence of its own even though no full stop ends it, and so is every item of a list.
"""

from __future__ import annotations

import re

_PARAGRAPH = re.compile(r"[^\n](?:[^\n]|\n(?![^\S\n]*\n))*")
_ENUMERATOR = re.compile(r"[(\[]?\w{1,3}[.)\]]\s")
_TERMINAL = tuple(".!?:;,…。！？：；，、؟؛،।॥-\u2010")
_ITEM = re.compile(r"[^\S\n]*(?:[•▪■◦●‣*–—-]|\(?(?:\d{1,3}|[^\W\d_]|[ivx]{1,4})\))[^\S\n]")
"""What opens an item of a list: a bullet, `1)`, `(a)`; not `1.`, which may be a date that a line break cut."""
_HEADING_CHARACTERS = 70
_HEADING_SHARE = 0.7
"""A heading's line is at most this share of the longest line on the page: else it is a wrapped line of a paragraph."""


def sentence_spans(text: str, language: str | None = None) -> list[tuple[int, int]]:
    """The sentences of a page text.

    Args:
        text: A page text or a part of one.
        language: ISO 639-1 code; None or "und" takes English rules.

    Returns:
        Spans (start, end), end exclusive, in order, disjoint, trimmed of white space, none empty. Every character
        that is not white space lies in exactly one.
    """
    widest = max((len(line) for line in text.split("\n")), default=0)
    spans: list[tuple[int, int]] = []
    for paragraph in _PARAGRAPH.finditer(text):
        for start, end in _blocks(text, paragraph.start(), paragraph.end(), widest):
            spans.extend(_split(text, start, end, language))
    return spans


def _blocks(text: str, start: int, end: int, widest: int) -> list[tuple[int, int]]:
    """A paragraph, with the heading lines that open it or stand between its sentences set apart."""
    blocks: list[tuple[int, int]] = []
    block = start
    can_open = True
    while (newline := text.find("\n", start, end)) >= 0:
        line = text[start:newline].strip()
        following = text[newline + 1 : min(end, newline + 100)].lstrip()
        if can_open and _is_heading(line, following, widest):
            if block < start:
                blocks.append((block, start))
            blocks.append((start, newline))
            block = newline + 1
        elif _ITEM.match(text, newline + 1, end):
            blocks.append((block, newline))
            block = newline + 1
            can_open = True
        else:
            can_open = line.endswith(_TERMINAL[:3] + tuple("…。！？؟।॥"))
        start = newline + 1
    return [*blocks, (block, end)]


def _is_heading(line: str, following: str, widest: int) -> bool:
    if not line or not following or line.endswith(_TERMINAL) or line[0].islower():
        return False
    opens = following.lstrip("\"'“„«»‘([（「『〈")[:1]
    return (
        len(line) <= min(_HEADING_CHARACTERS, _HEADING_SHARE * widest)
        and any(character.isalnum() for character in line)
        and ((opens.isalpha() and not opens.islower()) or _ENUMERATOR.match(following) is not None)
    )


def _split(text: str, start: int, end: int, language: str | None) -> list[tuple[int, int]]:
    import sentencex  # type: ignore[import-untyped]

    block = text[start:end].replace("\n", " ")
    spans = []
    for found in sentencex.get_sentence_boundaries(language if language and language != "und" else "en", block):
        first, last = int(found["start_index"]), int(found["end_index"])
        sentence = block[first:last]
        first += len(sentence) - len(sentence.lstrip())
        last -= len(sentence) - len(sentence.rstrip())
        if first < last:
            spans.append((start + first, start + last))
    return spans

"""A page's passages: what search returns and the reading plan ranks.

A passage is a paragraph or a run of sentences on one page, about 120 tokens: long enough to answer a question, short
enough to be read at a glance. Tokens are estimated from characters by script, because the library knows no tokenizer;
the estimate only has to put boundaries at sensible places.
"""

from __future__ import annotations

import re

from nemo_docs.library.sentences import sentence_spans

_TARGET_TOKENS = 120
_PARAGRAPH_TOKENS = 60
"""From here on a paragraph's end closes the passage."""
_FRAGMENT_LETTERS = 20
_DENSE = re.compile("[\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff]")
LONGEST_UNCUT = 40
"""Characters between white space that always stand in one passage, as far as no sentence ends in them."""
_WORD = re.compile(rf"\S{{1,{LONGEST_UNCUT}}}")
"""A stretch that is never cut; Chinese and Japanese, written without spaces, are cut at every 40 characters at most."""
_MIDDLING = re.compile("[\u0590-\u0dff]")

Span = tuple[int, int]
"""Start and end as character offsets, end exclusive."""


def estimated_tokens(text: str) -> float:
    """About how many tokens a text has: one for 4 characters, 2.5 in Arabic and Hindi, 1.3 in Chinese and its kin."""
    dense = len(_DENSE.findall(text))
    middling = len(_MIDDLING.findall(text))
    return dense / 1.3 + middling / 2.5 + (len(text) - dense - middling) / 4


def passage_spans(text: str, language: str | None = None) -> list[Span]:
    """The passages of a page text, in order and disjoint; every character that is not white space lies in one.

    Args:
        text: A page text.
        language: ISO 639-1 code, for the sentence rules.
    """
    pieces = [piece for sentence in sentence_spans(text, language) for piece in _pieces(text, sentence)]
    return _with_fragments_joined(text, _runs(text, pieces))


def _runs(text: str, pieces: list[Span]) -> list[Span]:
    runs: list[Span] = []
    size = 0.0
    for start, end in pieces:
        more = estimated_tokens(text[start:end])
        is_new_paragraph = bool(runs) and "\n\n" in text[runs[-1][1] : start]
        is_full = size + more / 2 > _TARGET_TOKENS or (is_new_paragraph and size >= _PARAGRAPH_TOKENS)
        if runs and not is_full:
            runs[-1] = (runs[-1][0], end)
            size += more
        else:
            runs.append((start, end))
            size = more
    return runs


def _pieces(text: str, sentence: Span) -> list[Span]:
    """A sentence, or the parts of one that is far too long (a table, a list without full stops)."""
    start, end = sentence
    if estimated_tokens(text[start:end]) <= 2 * _TARGET_TOKENS:
        return [sentence]
    pieces: list[Span] = []
    first, last = start, start  # of the piece that grows word by word
    for word in _WORD.finditer(text, start, end):
        if last > first and estimated_tokens(text[first : word.end()]) > _TARGET_TOKENS:
            pieces.append((first, last))
            first = word.start()
        last = word.end()
    return [*pieces, (first, last)]


def _with_fragments_joined(text: str, runs: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in runs:
        has_fragment = bool(joined) and (is_fragment(text, joined[-1]) or is_fragment(text, (start, end)))
        if has_fragment and estimated_tokens(text[joined[-1][0] : end]) <= 2 * _TARGET_TOKENS:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def is_fragment(text: str, span: Span) -> bool:
    """Whether a stretch holds too few letters to say anything: a page number, a caption."""
    letters = 0
    for character in text[span[0] : span[1]]:
        if character.isalnum():
            letters += _weight(character)
            if letters >= _FRAGMENT_LETTERS:
                return False
    return True


def _weight(character: str) -> int:
    """An ideograph or a syllable says as much as three letters."""
    return 3 if _DENSE.match(character) else 1

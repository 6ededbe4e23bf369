"""Which quotes stand behind a sentence of the answer, and marks that only the program can write.

The model never writes a citation mark: every token that would put a digit behind a `[` is banned, byte by byte. The
program sets the marks itself, behind sentences that share their words with a quote. What a sentence claims is not
judged here: its verdict is `unchecked`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nemo_docs.engine.protocol import Bans
from nemo_docs.library.analysis import terms
from nemo_docs.library.sentences import sentence_spans
from nemo_docs.model.tokenizers.base import Tokenizer

SHARED_WORDS = 0.5
"""A quote is cited when it holds at least this share of a sentence's words, rare ones counted more."""
MOST_MARKS = 3
"""Marks behind one sentence at most."""

_BANS: dict[str, Bans] = {}  # by the tokenizer's fingerprint: looking at every token takes a while


def mark_bans(tokenizer: Tokenizer) -> Bans:
    """The tokens that free text may not hold, so that no citation mark is the model's own."""
    if tokenizer.fingerprint not in _BANS:
        _BANS[tokenizer.fingerprint] = _mark_bans(tokenizer)
    return _BANS[tokenizer.fingerprint]


def _mark_bans(tokenizer: Tokenizer) -> Bans:
    always, openers, after = [], [], []
    for token in range(tokenizer.vocab_size):
        text = tokenizer.token_bytes(token).decode("utf-8", errors="replace")
        if any(text[i] == "[" and _may_become_digit(text[i + 1]) for i in range(len(text) - 1)):
            always.append(token)
        if text.endswith("["):
            openers.append(token)
        if not text or _may_become_digit(text[0]):  # a control token has no text: a digit could follow behind it
            after.append(token)
    return Bans(tuple(always), tuple(openers), tuple(after))


def _may_become_digit(character: str) -> bool:
    """Whether it is one, or (U+FFFD) a part of a character that the next token may make one."""
    return character.isdigit() or character.isnumeric() or character == "\ufffd"


class Citer:
    """Finds the quotes that share their words with a sentence.

    Args:
        quotes: The quotes' texts, in the order of their markers.
        language: Of the answer, ISO 639-1.
    """

    def __init__(self, quotes: Sequence[str], language: str) -> None:
        self._language = language
        self._terms = [frozenset(terms(quote, language)) for quote in quotes]
        self._frequency = Counter(term for held in self._terms for term in held)

    def cited(self, sentence: str) -> tuple[int, ...]:
        """Markers (from 1) of the quotes behind a sentence, best first."""
        wanted = set(terms(sentence, self._language))
        total = sum(map(self._weight, wanted))
        if not total:
            return ()
        shares = [sum(self._weight(term) for term in wanted & held) / total for held in self._terms]
        best = sorted((n for n, share in enumerate(shares) if share >= SHARED_WORDS), key=lambda n: -shares[n])
        return tuple(n + 1 for n in best[:MOST_MARKS])

    def _weight(self, term: str) -> float:
        """Longer words say more than short ones, those of few quotes more than those of all."""
        return min(len(term), 8) / (1 + self._frequency[term])


class SentenceFeed:
    """Cuts a stream of text into what may be shown at once and sentences that are over.

    A sentence is over when the first letter of the next one has come; white space is held back until then, so that a
    mark can still stand directly behind the sentence. Letters are looked at one by one: how the stream was cut into
    pieces changes nothing, and what was shown never has to be taken back.
    """

    def __init__(self, language: str) -> None:
        self._language = language
        self._open = ""  # the sentence that is being written, all of it
        self._shown = 0  # how much of it was given out

    def add(self, text: str) -> list[tuple[str, str | None]]:
        """Take more text.

        Returns:
            Pairs of text to show and, when it completes a sentence, that sentence.
        """
        out: list[tuple[str, str | None]] = []
        for character in text:
            end = len(self._open.rstrip())
            if not character.isspace() and self._ends_at(end, character):
                out.append((self._open[self._shown : end], self._open[:end].strip()))
                self._open, self._shown = self._open[end:], 0
            self._open += character
        certain = len(self._open.rstrip())
        if certain > self._shown:
            out.append((self._open[self._shown : certain], None))
            self._shown = certain
        return out

    def finish(self) -> list[tuple[str, str | None]]:
        """The rest, which ends the last sentence; white space behind it is dropped."""
        rest = self._open.rstrip()
        sentence = rest.strip()
        return [(rest[self._shown :], sentence)] if sentence else []

    def _ends_at(self, end: int, following: str) -> bool:
        """Whether the open sentence is over before `following`: at a line's end, or where the language says so."""
        if end == 0:
            return False
        if "\n" in self._open[end:]:
            return True
        if self._open[end - 1].isalnum():
            return False
        return any(last == end for _, last in sentence_spans(self._open + following, self._language))

"""No citation mark is the model's own, and sentences do not depend on how the text arrives."""

from __future__ import annotations

import itertools
import random
import re

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from nemo_docs.answering.citing import MOST_MARKS, Citer, SentenceFeed, mark_bans
from nemo_docs.engine.sampling import BanMask
from nemo_docs.model.tokenizers.base import Tokenizer
from tests.properties import examples
from tests.tiny import CPU
from tests.unit.answering.documents import languages, page_texts

DIGITS = "19٣४１²½Ⅳ三"
MARK = re.compile(r"\[(.)", re.DOTALL)


def interesting(tokenizer: Tokenizer) -> list[int]:
    """Tokens that could make a mark: with a bracket, with a digit of any script, a part of a character, or no text."""
    parts = {byte for digit in DIGITS for byte in digit.encode()}
    found = []
    for token in range(tokenizer.vocab_size):
        data = tokenizer.token_bytes(token)
        text = data.decode("utf-8", errors="replace")
        if len(data) <= 3 and (not data or "[" in text or set(data) & parts or text[0].isnumeric()):
            found.append(token)
    return found


def test_no_allowed_sequence_puts_a_digit_behind_a_bracket(tokenizer: Tokenizer) -> None:
    bans, tokens, choice = mark_bans(tokenizer), interesting(tokenizer), random.Random(0)
    always, openers, after = set(bans.always), set(bans.openers), set(bans.after_opener)
    written, previous = b"", -1
    for _ in range(200_000):
        wanted = choice.choice(bans.openers if choice.random() < 0.4 else tokens)
        if wanted not in always and not (previous in openers and wanted in after):  # as engine/sampling.py does
            written += tokenizer.token_bytes(wanted)
            previous = wanted
    text = written.decode("utf-8", errors="replace")
    assert text.count("[") > 10_000
    assert [found[1] for found in MARK.finditer(text) if found[1].isnumeric()] == []


def test_brackets_and_digits_are_free_elsewhere(tokenizer: Tokenizer) -> None:
    mask, previous = BanMask(mark_bans(tokenizer), CPU), None
    for token in tokenizer.encode("In 1984 [the year] x[i] was 2, and (3)."):
        assert mask.apply(torch.zeros(tokenizer.vocab_size), previous)[token] == 0.0
        previous = token


@pytest.mark.parametrize("digit", DIGITS)
def test_a_mark_cannot_be_spelled_with_any_digit(tokenizer: Tokenizer, digit: str) -> None:
    mask, logits, previous = BanMask(mark_bans(tokenizer), CPU), torch.zeros(tokenizer.vocab_size), None
    for token in tokenizer.encode(f"see [{digit}]"):
        if mask.apply(logits, previous)[token] == float("-inf"):
            return
        previous = token
    pytest.fail(f"[{digit}] can be written")


def fed(text: str, language: str, cuts: list[int]) -> tuple[str, list[str]]:
    feed, bounds = SentenceFeed(language), sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    out = [pair for low, high in itertools.pairwise(bounds) for pair in feed.add(text[low:high])]
    out += feed.finish()
    return "".join(shown for shown, _ in out), [sentence for _, sentence in out if sentence is not None]


@examples(150)
@given(text=page_texts, language=languages, cuts=st.lists(st.integers(0, 999), max_size=9))
@example(text="One (two. Three) four. Five", language="en", cuts=[*range(30)])
@example(text="First one.\nSecond one. Third", language="en", cuts=[])
def test_how_the_text_arrives_changes_nothing(text: str, language: str, cuts: list[int]) -> None:
    shown, sentences = fed(text, language, cuts)
    assert shown == text.rstrip()
    assert (shown, sentences) == fed(text, language, [])
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in sentences)


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("en", ["He met Dr. Smith at 3.30 p.m. on Monday.", "She left.", "Why?"]),
        ("de", ["Das gilt z. B. für Mieter.", "Der Rest folgt."]),
        ("fr", ["Il est tard.", "Mme Dupont part."]),
        ("hi", ["यह पहला वाक्य है।", "यह दूसरा है।"]),
        ("ar", ["هذا أول.", "هل هذا ثان؟"]),
    ],
)
def test_sentences_are_those_of_the_language(language: str, sentences: list[str]) -> None:
    assert fed(" ".join(sentences), language, [*range(200)])[1] == sentences


def test_sentences_need_no_space_between_them() -> None:
    assert fed("これは一つ目です。これは二つ目です。", "ja", [3, 9])[1] == ["これは一つ目です。", "これは二つ目です。"]


def test_nothing_stands_between_a_sentence_and_its_mark() -> None:
    feed = SentenceFeed("en")
    assert feed.add("One is over. ") == [("One is over.", None)]
    assert feed.add("T") == [("", "One is over."), (" T", None)]
    assert feed.finish() == [("", "T")]


def test_a_quote_is_cited_for_its_words() -> None:
    citer = Citer(["The tenant pays the fee.", "Dogs are allowed in the garden."], "en")
    assert citer.cited("The tenant pays it, the fee.") == (1,)
    assert citer.cited("A dog is allowed.") == (2,)
    assert citer.cited("The moon is made of cheese.") == ()
    assert citer.cited("…!") == ()
    assert len(Citer(["The tenant pays."] * 9, "en").cited("The tenant pays.")) == MOST_MARKS

"""Whatever is copied, the quote is a verbatim sentence of its pages."""

from __future__ import annotations

import random

from hypothesis import example, given
from hypothesis import strategies as st

from nemo_docs.answering.evidence import QUOTE_TOKENS, Evidence, Quote
from nemo_docs.answering.ranking import Candidate
from nemo_docs.answering.source import Source
from nemo_docs.answering.windows import packed
from nemo_docs.engine.copying import CopyState
from nemo_docs.model.tokenizers.base import Tokenizer
from tests.properties import examples
from tests.unit.answering.documents import source_of, sources


def evidences(all_sources: list[Source], tokenizer: Tokenizer, limit: int) -> list[Evidence]:
    """What may be quoted from each window; every sentence may, the first ones best."""
    windows = packed(all_sources, tokenizer, limit)
    candidates = [
        Candidate(segment, index, words=-float(index))
        for window in windows
        for segment in window.segments
        for index, _ in enumerate(segment.sentences)
    ]
    return [Evidence(window, candidates) for window in windows]


def copied(evidence: Evidence, choice: random.Random) -> tuple[Quote, str]:
    """Copy with a model that chooses at random among what may follow."""
    state = CopyState(evidence.copy())
    while (reason := state.ended()) is None:
        for token in state.certain() or (choice.choice(sorted(state.allowed())),):
            state.take(token)
    return evidence.quote(*state.place()), reason


@examples(60)
@given(first=sources("a"), second=sources("b"), limit=st.sampled_from([40, 200, 10_000]), seed=st.integers(0, 2**32))
@example(first=source_of("だ。「はい」と言った。", language="ja"), second=source_of("x"), limit=200, seed=1)
@example(first=source_of("Rest. It is.[x]", "Goes on. "), second=source_of("x"), limit=200, seed=0)
def test_every_quote_is_a_verbatim_sentence(
    tokenizer: Tokenizer, first: Source, second: Source, limit: int, seed: int
) -> None:
    choice = random.Random(seed)
    for evidence in evidences([first, second], tokenizer, limit):
        for _ in range(min(len(evidence), 4)):
            quote, reason = copied(evidence, choice)
            assert quote.spans
            texts = [quote.source.by_number[span.page].text[span.start : span.end] for span in quote.spans]
            assert quote.text == "\n".join(texts)
            assert all(text and text == text.strip() for text in texts)
            assert all(span.text_sha256 == quote.source.by_number[span.page].sha256 for span in quote.spans)
            pages = [span.page for span in quote.spans]
            assert pages == sorted(set(pages))
            whole = [sentence.spans for sentence in evidence.sentences]
            if reason == "end":
                assert quote.spans in whole, "not more than the sentence, not less"
            else:
                assert any(quote.spans[0].start == spans[0].start for spans in whole)


def quotes_of(source: Source, tokenizer: Tokenizer) -> set[str]:
    (evidence,) = evidences([source], tokenizer, 10**6)
    return {copied(evidence, random.Random(seed))[0].text for seed in range(40)}


def test_a_sentence_that_shares_a_token_with_its_neighbour_is_quoted_whole(tokenizer: Tokenizer) -> None:
    assert quotes_of(source_of("それだ。「はい」と言った。", language="ja"), tokenizer) == {
        "それだ。",
        "「はい」と言った。",
    }


def test_a_sentence_across_a_page_break_is_two_spans_without_the_mark(tokenizer: Tokenizer) -> None:
    source = source_of("It was late. The fee is paid by", "the tenant. Nothing else is due.")
    assert quotes_of(source, tokenizer) == {
        "It was late.",
        "The fee is paid by\nthe tenant.",
        "Nothing else is due.",
    }


def test_no_sentence_goes_on_across_a_page_that_was_not_asked_for(tokenizer: Tokenizer) -> None:
    whole = source_of("The fee is paid by", "the tenant, or", "nobody at all.")
    parts = Source("a", "t", "en", (whole.pages[0], whole.pages[2]), pages_total=2)
    assert quotes_of(parts, tokenizer) == {"The fee is paid by", "nobody at all."}


def test_text_that_repeats_is_quoted_where_it_was_copied(tokenizer: Tokenizer) -> None:
    source = source_of("The same words. One.", "The same words. Two.")
    (evidence,) = evidences([source], tokenizer, 10**6)
    places = {
        (quote.spans[0].page, quote.text) for quote in (copied(evidence, random.Random(seed))[0] for seed in range(60))
    }
    assert {text for _, text in places} == {"The same words.", "One.", "Two."}
    assert (1, "The same words.") in places, "of two equal places the one that weighs more"


def test_a_quote_ends_at_the_longest_that_is_allowed(tokenizer: Tokenizer) -> None:
    source = source_of("word " * 3 * QUOTE_TOKENS)
    (evidence,) = evidences([source], tokenizer, 10**6)
    quote, reason = copied(evidence, random.Random(0))
    assert reason == "length"
    assert source.pages[0].text.startswith(quote.text)


def test_surroundings_are_verbatim(tokenizer: Tokenizer) -> None:
    source = source_of("It was late. The fee is due. Nothing else.")
    (evidence,) = evidences([source], tokenizer, 10**6)
    for seed in range(8):
        quote, _ = copied(evidence, random.Random(seed))
        assert quote.text in quote.with_surroundings(7) in source.pages[0].text


def test_a_sentence_that_is_cut_between_windows_is_quoted_in_its_parts(tokenizer: Tokenizer) -> None:
    text = "one two three four five six seven eight nine ten " * 4
    parts = [copied(evidence, random.Random(0))[0] for evidence in evidences([source_of(text)], tokenizer, 20)]
    assert len(parts) > 1
    assert " ".join(part.text for part in parts) == text.strip()

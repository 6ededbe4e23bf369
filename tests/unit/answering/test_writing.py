"""The text of an answer with the program's marks, and claims that point into it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.answering.events import Answer, AnswerEvent, Citation, Claim, Coverage, Text, Warn
from nemo_docs.answering.evidence import Quote
from nemo_docs.answering.sentences import Stretch, sentences_of
from nemo_docs.answering.transcript import Transcript
from nemo_docs.answering.writing import Writing
from nemo_docs.backends.base import Piece
from nemo_docs.engine.protocol import Finished, StepEnded
from tests.unit.answering.documents import page_texts, source_of

SOURCE = source_of("The tenant pays the fee. Dogs are allowed in the garden.")
(PAGE,) = SOURCE.pages
SENTENCES = sentences_of([Stretch(PAGE, 0, len(PAGE.text))], "en")


def written(*pieces: str, reason: str = "stop") -> tuple[Answer, list[AnswerEvent]]:
    """What becomes of a model's text, with a quote of each sentence of the source at hand."""
    transcript = Transcript()
    for marker, sentence in enumerate(SENTENCES, start=1):
        quote = Quote(SOURCE, sentence.spans)
        transcript.add_quote(quote, Citation(marker, "a", "title", "", quote.text, quote.spans))
    writing = Writing(transcript, "en")
    done = Finished("done", tokens_cached=0, tokens_prefilled=9, tokens_generated=20, prefill_s=1.0, generate_s=2.0)
    events = [
        event
        for each in (*(Piece(0, piece) for piece in pieces), StepEnded(0, reason), done)
        for event in writing.follow(each)
    ]
    events += writing.close()
    return transcript.answer("?", "en", "model", Coverage(1, 1, 0, 1, 0, 9, 9, 1, 1)), events


def test_marks_stand_directly_behind_their_sentences() -> None:
    answer, _ = written(" The tenant pays", " this fee.  Dogs are", " allowed. Cheese is", " yellow. \n")
    assert answer.text == "The tenant pays this fee. [1]  Dogs are allowed. [2] Cheese is yellow."
    assert [answer.text[claim.start : claim.end] for claim in answer.claims] == [
        "The tenant pays this fee.",
        "Dogs are allowed.",
        "Cheese is yellow.",
    ]
    assert [claim.citations for claim in answer.claims] == [(1,), (2,), ()]
    assert {claim.verdict for claim in answer.claims} == {"unchecked"}
    assert (answer.finish, answer.timing.tokens_per_s) == ("stop", 10.0)


@given(pieces=st.lists(page_texts | st.sampled_from(["The tenant pays the fee. ", "Dogs are allowed.\n"]), max_size=6))
def test_events_add_up_to_the_answer(pieces: list[str]) -> None:
    answer, events = written(*pieces)
    assert "".join(event.text for event in events if isinstance(event, Text)) == answer.text
    assert tuple(event for event in events if isinstance(event, Claim)) == answer.claims
    at = 0
    for claim in answer.claims:
        assert at <= claim.start < claim.end <= len(answer.text)
        sentence = answer.text[claim.start : claim.end]
        assert sentence == sentence.strip()
        marks = "".join(f" [{marker}]" for marker in claim.citations)
        assert answer.text[claim.end :].startswith(marks)
        at = claim.end + len(marks)


def test_a_model_that_goes_in_circles_is_stopped() -> None:
    answer, events = written("So it is. " * 9, "Never shown.")
    assert answer.finish == "repetition"
    assert answer.text == "So it is. So it is. So it is."
    assert len(answer.claims) == 3
    assert sum(isinstance(event, Warn) for event in events) == 1


@pytest.mark.parametrize(("reason", "warnings"), [("stop", 0), ("length", 1)])
def test_an_answer_that_was_cut_says_so(reason: str, warnings: int) -> None:
    answer, events = written("It goes on and", reason=reason)
    assert answer.finish == reason
    assert sum(isinstance(event, Warn) for event in events) == warnings


def test_no_text_is_an_empty_answer() -> None:
    answer, events = written("  \n")
    assert (answer.text, answer.claims, events) == ("", (), [])

"""A prompt's special ids are the template's own, whatever titles, pages, questions and quotes spell."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mistral_common.protocol.instruct.messages import UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

from nemo_docs.answering.prompt import LANGUAGE_RULES, NOT_SAID, Prompts
from nemo_docs.answering.windows import windows_of
from nemo_docs.library.clean import clean
from nemo_docs.library.samples import samples_folder
from nemo_docs.model.template import Part, Template, template_for
from nemo_docs.model.tokenizers.base import Tokenizer
from nemo_docs.settings import LANGUAGES
from tests.properties import examples
from tests.unit.answering.documents import HOSTILE, source_of

hostile = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=6), min_size=1, max_size=5).map(" ".join)


@pytest.fixture(scope="session")
def template(tokenizer: Tokenizer, tekken: Tokenizer) -> Template:
    return template_for("v3-tekken" if tokenizer is tekken else "chatml", tokenizer)


def special(parts: Sequence[Part]) -> list[int]:
    return [part for part in parts if isinstance(part, int)]


@examples(40)
@given(title=hostile, page=hostile, question=hostile, quote=hostile, language=st.sampled_from(sorted(LANGUAGE_RULES)))
def test_only_the_template_gives_special_ids(
    tokenizer: Tokenizer, template: Template, title: str, page: str, question: str, quote: str, language: str
) -> None:
    prompts = Prompts(template, tokenizer)

    def control(*segments: Sequence[int]) -> list[int]:
        return [token for segment in segments for token in segment if not tokenizer.token_bytes(token)]

    (window,) = windows_of(source_of(f"x{page}", title=title), tokenizer, 10**6)
    opening, close = special((*template.begin, *template.user_open)), special(template.user_close)
    turn = [*special(template.assistant_close), *special(template.user_open), *close]
    quoting, answering = (
        prompts.quotes_wanted(window, question),
        prompts.answer_wanted(window, question, [quote], language),
    )
    assert control(*prompts.window(window, quoting)) == opening + close
    assert control(*prompts.window(window, answering)) == opening + close + turn
    assert control(*prompts.over_quotes([quote, page], question, language)) == opening + close
    assert control(prompts.likelihood_branch(page, prompts.plain(question))) == close
    assert control(prompts.plain(question)) == []


def test_nothing_before_the_question_depends_on_it(tokenizer: Tokenizer, template: Template) -> None:
    prompts = Prompts(template, tokenizer)
    (window,) = windows_of(source_of("A page.", "Another."), tokenizer, 10**6)
    one, other = (prompts.window(window, prompts.quotes_wanted(window, asked)) for asked in ("Who?", "/ Why not?"))
    assert one[:-1] == other[:-1]
    assert one[-1] != other[-1]
    behind = prompts.answer_wanted(window, "Who?", ["A page."], "en")
    assert behind[: len(one[-1])] == one[-1], "the answer's turn goes on where the quoting turn ended"


def test_a_prompt_over_quotes_is_one_segment_so_that_it_takes_no_windows_place(
    tokenizer: Tokenizer, template: Template
) -> None:
    assert len(Prompts(template, tokenizer).over_quotes(["One.", "Two."], "Who?", "en")) == 1


def test_every_language_has_its_rule_and_its_refusal() -> None:
    assert (
        sorted(LANGUAGE_RULES)
        == sorted(NOT_SAID)
        == sorted(["en", "fr", "de", "es", "it", "pt", "zh", "ja", "ko", "ar", "hi"])
    )
    assert len(set(LANGUAGE_RULES.values())) == len(set(NOT_SAID.values())) == 11


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_prompt_of_segments_has_the_ids_that_mistral_gives_its_text(tekken: Tokenizer, language: str) -> None:
    text = (samples_folder() / f"udhr.{language}.txt").read_text(encoding="utf-8")
    pages = [clean(text[at : at + 2000]).text.strip() for at in range(0, len(text), 2000)]
    (window,) = windows_of(source_of(*pages, title="udhr", language=language), tekken, 10**6)
    prompts = Prompts(template_for("v3-tekken", tekken), tekken)
    ids = [token for part in prompts.window(window, prompts.quotes_wanted(window, "Who?")) for token in part]
    request = ChatCompletionRequest(messages=[UserMessage(content=tekken.decode(ids))])
    assert ids == MistralTokenizer.v3(is_tekken=True).encode_chat_completion(request).tokens

"""The prompt, laid out for reuse: what never changes first, the document next, everything that can change last.

Titles, the question and the answer's language stand after the text, so nothing before them moves from question to
question. Scaffolding in English would pull answers towards English; the rule for the answer's language is therefore
said once, last, in that language. The system role is not used: mistral-common moves it into the last user turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from nemo_docs.answering.source import Source
from nemo_docs.answering.windows import GAP, Window
from nemo_docs.engine.protocol import Text
from nemo_docs.model.template import Part, Template, encode_parts
from nemo_docs.model.tokenizers.base import Tokenizer

PREAMBLE = f"Text:{GAP}"
ANSWER_WISH = f"Answer the question from the text in one or two sentences.{GAP}Text: "

SCAFFOLDING = ("\nQuestion:", "\nText:", "\n>")
"""A model that writes these behind its answer has begun to write the next prompt."""

LANGUAGE_RULES = {
    "en": "Answer in English.",
    "fr": "Réponds en français.",
    "de": "Antworte auf Deutsch.",
    "es": "Responde en español.",
    "it": "Rispondi in italiano.",
    "pt": "Responda em português.",
    "zh": "请用中文回答。",
    "ja": "日本語で答えてください。",
    "ko": "한국어로 답하세요.",
    "ar": "أجب بالعربية.",
    "hi": "हिन्दी में उत्तर दें।",
}
NOT_SAID = {
    "en": "The text does not say.",
    "fr": "Le texte ne le dit pas.",
    "de": "Der Text sagt dazu nichts.",
    "es": "El texto no lo dice.",
    "it": "Il testo non lo dice.",
    "pt": "O texto não o diz.",
    "zh": "文中没有提到。",
    "ja": "本文には書かれていません。",
    "ko": "본문에는 나와 있지 않습니다.",
    "ar": "النص لا يذكر ذلك.",
    "hi": "पाठ में यह नहीं बताया गया है।",
}


class Prompts:
    """Builds the segments and the fixed tokens of a model's prompts.

    Args:
        template: The model's prompt format.
        tokenizer: Its tokenizer.
    """

    def __init__(self, template: Template, tokenizer: Tokenizer) -> None:
        self._template, self._tokenizer = template, tokenizer
        self.preamble = self._ids(*template.begin, *template.user_open, PREAMBLE)
        """Before every window."""
        self.quote_open = self._ids(">")
        """Begins a quote."""
        self.quote_close = self._ids("\n")
        """Ends a quote."""
        self.quotes_end = self._ids(*template.assistant_close, "\n")[:1]
        """Begins what stands behind the last quote."""

    def window(self, window: Window, question: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Segments of a prompt: the preamble, each document, the question."""
        return (self.preamble, *(segment.ids for segment in window.segments), tuple(question))

    def texts(self, window: Window) -> tuple[Text | None, ...]:
        """Whose text each segment of `window` is, up to the question, so that it can be stored and removed."""
        known = self._tokenizer.fingerprint
        return (None, *(_text_of(segment.source, known) for segment in window.segments))

    def quotes_wanted(self, window: Window, question: str) -> tuple[int, ...]:
        """The question behind a window, up to where the model speaks: it is to quote first."""
        titles = "\n".join(segment.source.title for segment in window.segments)
        text = f"{titles}\n\n{question}\n\nQuote the sentences that answer the question, word for word."
        return self._ids(text, *self._template.user_close)

    def answer_wanted(self, window: Window, question: str, quotes: Sequence[str], language: str) -> tuple[int, ...]:
        """The question behind a window with the quotes that were given, and the wish for the answer."""
        turn = self._template
        given = "".join(f">{quote}\n" for quote in quotes)
        wish = f"{question}\n\n{LANGUAGE_RULES[language]}"
        asked = self.quotes_wanted(window, question)
        return (*asked, *self._ids(given, *turn.assistant_close, *turn.user_open, wish, *turn.user_close))

    def over_quotes(self, contexts: Sequence[str], question: str, language: str) -> tuple[tuple[int, ...], ...]:
        """A prompt that holds quotes instead of windows: one segment, as no other question can use any of it."""
        turn = self._template
        text, asked = GAP.join((*contexts, "")), f"Question: {question}\n{LANGUAGE_RULES[language]}"
        return (self._ids(*turn.begin, *turn.user_open, ANSWER_WISH, text, asked, *turn.user_close),)

    def not_said(self, language: str) -> tuple[int, ...]:
        """What stands in place of quotes when the text does not say."""
        return self._ids(NOT_SAID[language])

    def likelihood_opening(self) -> tuple[int, ...]:
        """Before a passage whose question is to be guessed."""
        return self._ids(*self._template.begin, *self._template.user_open, "Passage: ")

    def likelihood_branch(self, passage: str, question: Sequence[int]) -> tuple[int, ...]:
        """A passage, the wish for a question, and the question.

        Source: the prompt of arXiv:2204.07496 (unsupervised passage re-ranking).
        """
        wish = "\nPlease write a question based on this passage."
        return (*self._ids(passage), *self._ids(wish, *self._template.user_close), *question)

    def plain(self, text: str) -> tuple[int, ...]:
        """Ids of text alone."""
        return self._ids(text)

    def _ids(self, *parts: Part) -> tuple[int, ...]:
        return tuple(encode_parts(self._tokenizer, parts))


def _text_of(source: Source, tokenizer: str) -> Text | None:
    """Of nobody where it is not known what to call it."""
    return Text(source.sha256, sum(source.page_tokens.get(tokenizer, ()))) if source.sha256 else None

"""The answer itself: free text of the model, cut into sentences, each with the marks that the program sets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from nemo_docs.answering.citing import Citer, SentenceFeed
from nemo_docs.answering.events import AnswerEvent, Claim, Text, Warn
from nemo_docs.answering.transcript import Transcript
from nemo_docs.backends.base import BackendEvent, Piece
from nemo_docs.engine.protocol import Finished, StepEnded

REPEATS = 2
"""A sentence that comes again this often shows that the model is going in circles."""
_LOOP = re.compile(r"(.{3,80}?)\1{4}\Z", re.DOTALL)
"""Within a sentence, a stretch that comes five times in a row does."""
_LOOP_CHARACTERS = 400


class Writing:
    """Turns pieces of free text into text with marks, and claims.

    Args:
        transcript: Holds the quotes, and takes the text.
        language: Of the answer, ISO 639-1.
    """

    def __init__(self, transcript: Transcript, language: str) -> None:
        self._transcript = transcript
        self._citer = Citer([quote.text for quote in transcript.quotes], language)
        self._feed = SentenceFeed(language)
        self._seen: Counter[str] = Counter()
        self._sentence_start: int | None = None
        self.is_circling = False
        """Whether the model repeats itself and should be stopped."""

    def follow(self, event: BackendEvent) -> Iterator[AnswerEvent]:
        """What an event of the engine means to a reader; nothing for most."""
        match event:
            case Piece():
                for text, sentence in self._feed.add(event.text):
                    yield from self._show(text, sentence)
                if not self.is_circling and _LOOP.search(self._transcript.text[-_LOOP_CHARACTERS:]):
                    yield from self._stop()
            case StepEnded(reason="length"):
                self._transcript.finish = "length"
            case Finished():
                self._transcript.add_run(event, reading=False)

    def close(self) -> Iterator[AnswerEvent]:
        """The end of the answer."""
        for text, sentence in self._feed.finish():
            yield from self._show(text, sentence)
        if self._transcript.finish == "length":
            yield Warn("The answer was cut at the longest that was allowed; --answer-tokens allows more.")

    def _show(self, text: str, sentence: str | None) -> Iterator[AnswerEvent]:
        if self.is_circling:
            return
        if not self._transcript.text:
            text = text.lstrip()
        if text:
            if self._sentence_start is None:
                self._sentence_start = len(self._transcript.text) + len(text) - len(text.lstrip())
            self._transcript.add_text(text)
            yield Text(text)
        if sentence is not None:
            yield from self._claim(sentence)

    def _claim(self, sentence: str) -> Iterator[AnswerEvent]:
        """Mark and report the sentence that just ended."""
        start, end = self._sentence_start or 0, len(self._transcript.text)
        self._sentence_start = None
        cited = self._citer.cited(sentence)
        claim = Claim(start, end, verdict="unchecked", citations=cited, reasons=())
        self._transcript.claims.append(claim)
        if cited:
            marks = "".join(f" [{marker}]" for marker in cited)
            self._transcript.add_text(marks)
            yield Text(marks)
        yield claim
        self._seen[sentence.casefold()] += 1
        if self._seen[sentence.casefold()] > REPEATS:
            yield from self._stop()

    def _stop(self) -> Iterator[AnswerEvent]:
        self.is_circling = True
        self._transcript.finish = "repetition"
        yield Warn("The model began to repeat itself and was stopped.")

"""Ask: quote, then answer.

Windows are read one after the other and quoted from, several at once where that is quick. The answer is then written
over the quotes: behind the window if one holds all that was asked about, else over the quotes with their surroundings.
A small model answers over the quotes alone: with a whole window before it, it repeats what it read. Everything that
happens is yielded as an event; the last one is `Answer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from nemo_docs.answering.citing import mark_bans
from nemo_docs.answering.events import AnswerEvent, Plan, Progress, Text, Warn
from nemo_docs.answering.evidence import QUOTE_TOKENS, Evidence
from nemo_docs.answering.prompt import LANGUAGE_RULES, NOT_SAID, SCAFFOLDING, Prompts
from nemo_docs.answering.quoting import Quoting, in_order, quoting_steps
from nemo_docs.answering.ranking import Candidate, by_likelihood, by_words, doubt
from nemo_docs.answering.reading import coverage, cut, note, order, window_limit
from nemo_docs.answering.source import Source
from nemo_docs.answering.transcript import Transcript
from nemo_docs.answering.windows import Window
from nemo_docs.answering.writing import Writing
from nemo_docs.backends.base import Backend, Cancelled, never
from nemo_docs.backends.stopping import StopStrings
from nemo_docs.engine.protocol import Free, Request, Sampling
from nemo_docs.errors import ContextExceeded
from nemo_docs.library.languages import detect_question
from nemo_docs.library.records import PassageScore

QUOTES_OF_ONE_WINDOW = 3
QUOTES_OF_THE_BEST_WINDOW = 2
MOST_QUOTES = 6
"""Over all windows."""
MARKS_TOKENS = 32
"""What stands around quotes, at most."""
READ_AT_ONCE_S = 4.0
"""Quotes do not wait longer than this for other windows to be read."""
SURROUNDINGS = 300
"""Characters on either side of a quote that an answer over several windows sees."""


GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Options:
    """How a question is to be answered."""

    window: int | None = None
    """Tokens in a window; None for the size that the model reads well."""
    budget_s: float = 60.0
    """Seconds of reading that the question may cost."""
    answer_tokens: int = 512
    """The longest answer."""
    language: str = "auto"
    """ISO 639-1 code of the answer's language; `auto` is the question's."""
    sampling: Sampling = GREEDY
    """How the answer is drawn; quotes never are."""


DEFAULTS = Options()


def ask(
    question: str,
    sources: Sequence[Source],
    passages: Mapping[str, Sequence[PassageScore]],
    backend: Backend,
    options: Options = DEFAULTS,
    cancelled: Cancelled = never,
) -> Iterator[AnswerEvent]:
    """Answer a question about documents.

    Args:
        question: In any of the eleven languages.
        sources: The documents; at least one page of text among them.
        passages: For each by its handle, the passages that a search for the question found.
        backend: Who answers.
        options: How.
        cancelled: Asked often; once it says True the answer ends as it is.

    Raises:
        ContextExceeded: If the question does not fit beside a window; nothing was read.
    """
    asking = _Asking(question, sources, backend, options, cancelled)
    limit = window_limit(backend, options.window, options.answer_tokens)
    windows = cut(sources, backend, limit, pack=options.window is not None)
    asking.require_room(windows)
    candidates = by_words(windows, passages, question)
    yield asking.plan(windows, order(windows, candidates), limit)
    if backend.languages and asking.language not in backend.languages:
        yield Warn(f"{backend.name} was not made for {asking.language}: trust the quotes, not its own words.")
    yield Progress("loading")
    backend.ready(cancelled)
    transcript = Transcript()
    yield Progress("searching")
    candidates = by_likelihood(candidates, question, backend, asking.prompts, cancelled)
    yield from asking.quote(order(windows, candidates), candidates, transcript)
    yield from asking.write(windows, transcript)
    yield transcript.answer(question, asking.language, backend.name, coverage(sources, windows, transcript.read))


class _Asking:
    """One question: what does not change while it is answered."""

    def __init__(
        self, question: str, sources: Sequence[Source], backend: Backend, options: Options, cancelled: Cancelled
    ) -> None:
        self._question, self._sources, self._backend = question, sources, backend
        self._options, self._cancelled = options, cancelled
        self.prompts = Prompts(backend.template, backend.tokenizer)
        self.language = answer_language(question, options.language)

    def require_room(self, windows: Sequence[Window]) -> None:
        """Check that the question fits beside every window, before anything is read.

        Raises:
            ContextExceeded: If it does not.
        """
        prompts, has = self.prompts, self._backend.window_tokens
        largest = max(windows, key=lambda window: window.tokens)
        beside, behind = prompts.quotes_wanted(largest, self._question), QUOTES_OF_ONE_WINDOW * QUOTE_TOKENS
        if self._answers_behind(windows):
            beside = prompts.answer_wanted(largest, self._question, (), self.language)
            behind += self._options.answer_tokens
        needed = sum(map(len, prompts.window(largest, beside))) + behind + MARKS_TOKENS
        over = sum(map(len, prompts.over_quotes((), self._question, self.language)))
        needed = max(needed, over + MOST_QUOTES * QUOTE_TOKENS + self._options.answer_tokens + MARKS_TOKENS)
        if needed > has:
            raise ContextExceeded(
                f"The question is {needed - has:,} tokens too long to stand beside a window of {largest.tokens:,}.",
                hint="Shorten the question, or choose a smaller window with --window.",
            )

    def plan(self, windows: Sequence[Window], chosen: Sequence[Window], limit: int) -> Plan:
        """What will be read."""
        speed = self._backend.reading_speed
        cached = sum(map(self._cached, chosen))
        tokens = sum(window.tokens for window in chosen) - cached
        return Plan(
            question=self._question,
            documents=len(self._sources),
            pages=sum(source.pages_total for source in self._sources),
            tokens=sum(window.tokens for window in windows),
            windows=tuple(note(window) for window in chosen),
            window_tokens=limit,
            tokens_cached=cached,
            budget_s=self._options.budget_s,
            seconds=round(tokens / speed, 1) if speed else None,
            model=self._backend.name,
        )

    def quote(
        self, chosen: Sequence[Window], candidates: Sequence[Candidate], transcript: Transcript
    ) -> Iterator[AnswerEvent]:
        """Read windows, as many as the budget allows, and quote from each.

        The best one comes first and alone, so that its quotes are soon there; the others are quoted from together
        where they need not be read, or are read quickly.
        """
        begun = 0
        while begun < len(chosen):
            count = self._at_once(chosen[begun:], transcript) if begun else 1
            if not count:
                done = f"{begun} of {len(chosen)} windows"
                yield Warn(f"The budget of {self._options.budget_s:g} s allowed {done}; --budget allows more.")
                return
            quotes = MOST_QUOTES - len(transcript.quotes)
            if not quotes:
                return
            some = chosen[begun : begun + min(count, quotes)]
            yield from self._quote_from(some, begun, len(chosen), candidates, transcript)
            begun += len(some)
            if self._cancelled():
                transcript.finish = "cancelled"
                return

    def _quote_from(
        self,
        some: Sequence[Window],
        before: int,
        of: int,
        candidates: Sequence[Candidate],
        transcript: Transcript,
    ) -> Iterator[AnswerEvent]:
        """Quote from some windows together; so many came before them, of so many in all."""
        refusal, doubted = self.prompts.not_said(self.language), doubt(candidates, self._question)
        requests, quotings = [], []
        for number, window in enumerate(some, start=before + 1):
            quotes = min(_quotes_of(number, of), MOST_QUOTES - len(transcript.quotes))
            evidence = Evidence(window, candidates)
            steps = quoting_steps(evidence, self.prompts, quotes, refusal, doubted)
            asked = self.prompts.quotes_wanted(window, self._question)
            texts = self.prompts.texts(window)
            requests.append(Request(self.prompts.window(window, asked), tuple(steps), texts=texts))
            quotings.append(Quoting(evidence, transcript, number, of))
        yield from in_order(self._backend.run_together(requests, self._cancelled), quotings)
        transcript.read += [window for window, quoting in zip(some, quotings, strict=True) if quoting.is_read]

    def write(self, windows: Sequence[Window], transcript: Transcript) -> Iterator[AnswerEvent]:
        """Write the answer over the quotes: behind the window if there is only one, else with their surroundings."""
        if transcript.finish == "cancelled":
            return
        if not transcript.quotes:
            transcript.finish = "none"
            transcript.add_text(NOT_SAID[self.language])
            yield Text(NOT_SAID[self.language])
            return
        segments = self._answer_prompt(windows, transcript)
        stops, bans = self._backend.template.stops, mark_bans(self._backend.tokenizer)
        writing = Writing(transcript, self.language)
        request = Request(segments, (Free(self._options.answer_tokens, stops, bans),), self._options.sampling)
        stop = StopStrings(SCAFFOLDING)
        for event in self._backend.run(request, lambda: writing.is_circling or stop.is_met or self._cancelled()):
            for kept in stop.follow(event):
                yield from writing.follow(kept)
        if stop.is_met and transcript.finish == "cancelled":  # by us, behind the answer's end
            transcript.finish = "stop"
        yield from writing.close()

    def _answer_prompt(self, windows: Sequence[Window], transcript: Transcript) -> tuple[tuple[int, ...], ...]:
        quotes = [" ".join(quote.text.split()) for quote in transcript.quotes]
        if self._backend.answers_from_quotes:
            return self.prompts.over_quotes(quotes, self._question, self.language)
        if self._answers_behind(windows):
            asked = self.prompts.answer_wanted(windows[0], self._question, quotes, self.language)
            return self.prompts.window(windows[0], asked)
        wider = [quote.with_surroundings(SURROUNDINGS) for quote in transcript.quotes]
        return self.prompts.over_quotes(wider, self._question, self.language)

    def _answers_behind(self, windows: Sequence[Window]) -> bool:
        """Whether the answer is written behind the window, not over the quotes."""
        return len(windows) == 1 and not self._backend.answers_from_quotes

    def _at_once(self, windows: Sequence[Window], transcript: Transcript) -> int:
        """How many of the next windows are read before they are quoted from together; none if the budget is spent.

        What reading takes is told by the speed of the last one.
        """
        speed, left_s = self._backend.reading_speed, self._options.budget_s - transcript.elapsed_s
        unread = 0
        for count, window in enumerate(windows):
            unread += window.tokens - self._cached(window)
            if speed is None:
                if count and unread:
                    return count
            elif unread / speed > (min(left_s, READ_AT_ONCE_S) if count else left_s):
                return count
        return len(windows)

    def _cached(self, window: Window) -> int:
        """How many tokens of a window the backend has read already."""
        preamble = self.prompts.preamble
        held = self._backend.tokens_cached(chain([preamble], (segment.ids for segment in window.segments)))
        return max(0, held - len(preamble))


def _quotes_of(number: int, windows: int) -> int:
    """How many quotes the window of that number may give, among so many."""
    if windows == 1:
        return QUOTES_OF_ONE_WINDOW
    return QUOTES_OF_THE_BEST_WINDOW if number == 1 else 1


def answer_language(question: str, wanted: str) -> str:
    """The language to answer in: the one asked for, else the question's, else English."""
    found = detect_question(question) if wanted == "auto" else wanted
    return found if found in LANGUAGE_RULES else "en"

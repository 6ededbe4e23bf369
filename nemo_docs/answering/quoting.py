"""The steps that make a model quote from a window, and what they yield."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nemo_docs.answering.events import AnswerEvent, Citation, Progress, QuoteClose, QuoteOpen, QuoteText
from nemo_docs.answering.evidence import Evidence, Quote
from nemo_docs.answering.prompt import Prompts
from nemo_docs.answering.transcript import Transcript
from nemo_docs.backends.base import BackendEvent
from nemo_docs.engine.protocol import (
    Choose,
    Finished,
    Force,
    Option,
    Prefilled,
    Restored,
    Step,
    StepEnded,
    Token,
    Unsaved,
)

ANOTHER_QUOTE_SCALE = 1.0
"""How many units of weight a further sentence may lie behind the best for one nat of doubt."""
WORTH_QUOTING = 0.5
"""A further sentence is not worth a quote when it weighs less than this share of the best one."""
DOUBT_WEIGHT = 4.0
"""What a nat of the ranking's doubt counts beside the model's own choice between a quote and none."""


def quoting_steps(
    evidence: Evidence, prompts: Prompts, quotes: int, refusal: tuple[int, ...], doubt: float
) -> list[Step]:
    """Steps that write one quote or say that there is none, then more as long as the model wants and they are good.

    Args:
        evidence: What may be quoted.
        prompts: The model's fixed tokens.
        quotes: At most this many.
        refusal: What is written in place of quotes when the text does not answer.
        doubt: How sure the ranking is of that, in nats.
    """
    copy = evidence.copy()
    count = min(quotes, sum(evidence.share(rank) >= WORTH_QUOTING for rank in range(len(evidence))))
    if not count:
        return []
    end = 3 * count - 1  # behind the last step
    steps: list[Step] = [
        Choose((Option(prompts.quote_open), Option(refusal, log_weight=DOUBT_WEIGHT * doubt, goto=end))),
        copy,
    ]
    for rank in range(1, count):
        another = Option(prompts.quote_open, log_weight=-evidence.behind(rank) / ANOTHER_QUOTE_SCALE)
        enough = Option(prompts.quotes_end, goto=end)
        steps += [Force(prompts.quote_close), Choose((another, enough)), copy]
    return steps


def in_order(events: Iterable[tuple[int, BackendEvent]], quotings: Sequence[Quoting]) -> Iterator[AnswerEvent]:
    """What several windows that are quoted from at once mean to a reader: one window's quotes after the other's.

    Progress is told as it comes; what else happens to a window, when the windows before it are over.

    Args:
        events: Each with the index of its window.
        quotings: One for each window.
    """
    held: list[list[BackendEvent]] = [[] for _ in quotings]
    turn = 0
    for index, event in events:
        if isinstance(event, Prefilled | Restored | Unsaved):
            yield from quotings[index].follow(event)
            continue
        held[index].append(event)
        while turn < len(quotings) and held[turn]:
            told = held[turn].pop(0)
            yield from quotings[turn].follow(told)
            turn += isinstance(told, Finished)


class Quoting:
    """Turns the engine's events into quotes, numbered on through a transcript.

    Args:
        evidence: What the steps quote from.
        transcript: Where the quotes are kept.
        window: Which window this is, from 1.
        windows: How many will be read.
    """

    def __init__(self, evidence: Evidence, transcript: Transcript, window: int, windows: int) -> None:
        self._evidence, self._transcript = evidence, transcript
        self._window, self._windows = window, windows
        self.is_read = False
        """Whether the window was read, and quoted from, to the end."""

    def follow(self, event: BackendEvent) -> Iterator[AnswerEvent]:
        """What an event of the engine means to a reader; nothing for most."""
        match event:
            case Prefilled():
                yield Progress(
                    "reading",
                    window=self._window,
                    windows=self._windows,
                    tokens=event.done,
                    tokens_total=event.of,
                    tokens_cached=event.cached,
                    seconds_left=event.seconds_left,
                )
            case Token():  # only copies write tokens here
                self._transcript.begin_quote()
            case StepEnded(start=int(start), end=int(end)):
                yield from self._quoted(self._evidence.quote(start, end))
            case Restored():
                self._transcript.add_restored(event)
            case Unsaved():
                yield from self._transcript.warn_once(event.reason)
            case Finished():
                self._transcript.add_run(event, reading=True)
                self.is_read = event.reason == "done"

    def _quoted(self, quote: Quote) -> Iterator[AnswerEvent]:
        if not quote.spans:
            return
        marker = len(self._transcript.quotes) + 1
        first = quote.spans[0]
        source = quote.source
        citation = Citation(
            marker=marker,
            document=source.handle,
            title=source.title,
            passage=source.passage_at(first.page, first.start),
            text=quote.text,
            spans=quote.spans,
        )
        self._transcript.add_quote(quote, citation)
        yield QuoteOpen(marker, source.handle, source.title, first.page)
        yield QuoteText(marker, quote.text)
        yield QuoteClose(citation)

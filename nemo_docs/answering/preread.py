"""Reading documents before anything is asked."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from nemo_docs.answering.events import Progress, Warn
from nemo_docs.answering.prompt import Prompts
from nemo_docs.answering.reading import cut, window_limit
from nemo_docs.answering.source import Source
from nemo_docs.answering.windows import Window
from nemo_docs.backends.base import Backend, Cancelled, never
from nemo_docs.engine.protocol import Finished, Prefilled, Request, Unsaved


def preread(
    sources: Sequence[Source],
    backend: Backend,
    window: int | None = None,
    cancelled: Cancelled = never,
    *,
    answer_tokens: int = 0,
) -> Iterator[Progress | Warn]:
    """Read every window of some documents.

    Args:
        sources: The documents.
        backend: Who reads.
        window: Tokens in a window; None for the size that the model reads well.
        cancelled: Asked often from the first `reading` on; once it says True the reading ends.
        answer_tokens: The longest answer of the questions to come: what it leaves free, windows may take.
    """
    yield Progress("planning")
    limit = window_limit(backend, window, answer_tokens)
    windows = cut(sources, backend, limit, pack=window is not None)
    yield Progress("loading")
    backend.ready(cancelled)
    for number in range(1, len(windows) + 1):
        yield from read_window(windows, number, backend, cancelled)
        if cancelled():
            return


def read_window(
    windows: Sequence[Window], number: int, backend: Backend, cancelled: Cancelled
) -> Generator[Progress | Warn, None, Finished | None]:
    """Read one of some windows; one of which every token is cached takes no request.

    Args:
        windows: All of them.
        number: Which, from 1.
        backend: Who reads.
        cancelled: Asked often; once it says True the reading ends, and what was read is kept.

    Returns:
        What it took; None if all of it was cached.
    """
    prompts = Prompts(backend.template, backend.tokenizer)
    *text, _ = segments = prompts.window(windows[number - 1], prompts.quote_open)
    whole = sum(map(len, segments))
    if backend.tokens_cached(text) >= whole - len(segments[-1]):
        yield Progress("reading", number, len(windows), tokens=whole, tokens_total=whole, tokens_cached=whole)
        return None
    for event in backend.run(Request(segments, texts=prompts.texts(windows[number - 1])), cancelled):
        if isinstance(event, Prefilled):
            yield Progress(
                "reading",
                window=number,
                windows=len(windows),
                tokens=event.done,
                tokens_total=event.of,
                tokens_cached=event.cached,
                seconds_left=event.seconds_left,
            )
        elif isinstance(event, Unsaved):
            yield Warn(event.reason)
        elif isinstance(event, Finished):
            return event
    raise AssertionError("the last event of a request is Finished")

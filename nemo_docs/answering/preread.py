"""Reading documents before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nemo_docs.answering.events import Progress, Warn
from nemo_docs.answering.prompt import Prompts
from nemo_docs.answering.reading import cut, window_limit
from nemo_docs.answering.source import Source
from nemo_docs.backends.base import Backend, Cancelled, never
from nemo_docs.engine.protocol import Prefilled, Request, Unsaved


def preread(
    sources: Sequence[Source], backend: Backend, window: int | None = None, cancelled: Cancelled = never
) -> Iterator[Progress | Warn]:
    """Read every window of some documents.

    Args:
        sources: The documents.
        backend: Who reads.
        window: Tokens in a window; None for the size that the model reads well.
        cancelled: Asked often from the first `reading` on; once it says True the reading ends.
    """
    yield Progress("planning")
    limit = window_limit(backend, window, answer_tokens=0)
    windows = cut(sources, backend, limit, pack=window is not None)
    prompts = Prompts(backend.template, backend.tokenizer)
    told: set[str] = set()
    yield Progress("loading")
    backend.ready(cancelled)
    for number, each in enumerate(windows, start=1):
        request = Request(prompts.window(each, prompts.quote_open), texts=prompts.texts(each))
        for event in backend.run(request, cancelled):
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
            elif isinstance(event, Unsaved) and event.reason not in told:
                told.add(event.reason)
                yield Warn(event.reason)
        if cancelled():
            return

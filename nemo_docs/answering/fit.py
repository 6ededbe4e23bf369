"""What a question about some documents would cost, before it is asked: tokens, windows, what is read, time, memory.

Counting thousands of pages takes seconds, so the fit comes in steps: each says what is known so far, the last one is
whole. Tokens are counted once and kept with their source; what is cached is the engine's own count.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nemo_docs.answering.prompt import Prompts
from nemo_docs.answering.reading import cut, window_limit
from nemo_docs.answering.source import Source
from nemo_docs.answering.windows import Window, count_pages
from nemo_docs.backends.base import Backend, Cancelled, never

REPORT_S = 0.1
"""Seconds between two steps, at the least."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the model needs, and what there is for it; all in bytes."""

    weights_bytes: int
    """And all else that does not depend on what is read."""
    token_bytes: int
    """What one token of a window takes in the cache."""
    free_bytes: int
    """Where the model is or would be, before it is there."""
    where: str = ""
    """The device, `cuda:0`."""
    way: str = ""
    """In which numbers."""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of one document is read."""

    document: str
    """The document's handle."""
    tokens: int
    tokens_cached: int


@dataclass(frozen=True, slots=True)
class Fit:
    """What is known of the cost of a question."""

    documents: int
    """Those that hold any text."""
    documents_without_text: int
    pages: int
    """Of documents with text; pages without text included."""
    pages_counted: int
    """Pages with text whose tokens are known."""
    tokens: int
    """Of the pages counted."""
    window_tokens: int
    """The largest that a window may be."""
    windows: int
    """0 until all pages are counted."""
    windows_cached: int
    """Of them, those that need not be read at all."""
    tokens_cached: int
    seconds: float | None
    """Expected for reading what is not cached; None before the first measurement on this machine."""
    windows_in_budget: int
    """How many windows the budget reads beside the cached ones; 0 where the speed is not known."""
    budget_s: float
    memory_bytes: int
    """The model and the largest of the windows; 0 where the model's size is not known."""
    memory_free_bytes: int
    """On the device, before the model is there."""
    model: str
    is_whole: bool
    """Whether this is the last step: everything is counted."""
    shares: tuple[Share, ...] = ()
    """One for each document, in the last step."""
    documents_half_read: int = 0
    """Asked about, and not counted, because pages may still come."""
    memory_where: str = ""
    """The device, `cuda:0`; empty where it is not known."""
    memory_way: str = ""
    """In which numbers the model is, or would be."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def fit(
    sources: Sequence[Source],
    backend: Backend,
    *,
    window: int | None,
    answer_tokens: int,
    budget_s: float,
    memory: Memory | None = None,
    documents_without_text: int = 0,
    cancelled: Cancelled = never,
) -> Iterator[Fit]:
    """Say step by step what a question about these documents would cost.

    Args:
        sources: The documents.
        backend: Who would read them.
        window: Tokens in a window; None for the size that the model reads well.
        answer_tokens: The longest answer.
        budget_s: Seconds of reading that one question may cost.
        memory: What the model takes, if known.
        documents_without_text: How many documents were asked about and are not among the sources.
        cancelled: Asked often; once it says True nothing more comes.

    Raises:
        ContextExceeded: If the settings leave no room for a document.
    """
    limit = window_limit(backend, window, answer_tokens)
    ledger = _Ledger(sources, backend, limit, budget_s, memory, documents_without_text)
    reported = time.monotonic()
    for source in sources:
        before = ledger.tokens
        for tokens in count_pages(source, backend.tokenizer):
            ledger.tokens = before + tokens
            if cancelled():
                return
            if time.monotonic() - reported >= REPORT_S:
                reported = time.monotonic()
                yield ledger.fit(is_whole=False)
        ledger.tokens = before + sum(source.page_tokens[backend.tokenizer.fingerprint])
    ledger.windows = cut(sources, backend, limit, pack=window is not None)
    for each in ledger.windows:
        if cancelled():
            return
        ledger.look_up(each)
        if time.monotonic() - reported >= REPORT_S:
            reported = time.monotonic()
            yield ledger.fit(is_whole=False)
    yield ledger.fit(is_whole=True)


class _Ledger:
    """What has been counted."""

    def __init__(
        self,
        sources: Sequence[Source],
        backend: Backend,
        limit: int,
        budget_s: float,
        memory: Memory | None,
        documents_without_text: int,
    ) -> None:
        self._sources, self._backend, self._limit = sources, backend, limit
        self._budget_s, self._memory, self._without_text = budget_s, memory, documents_without_text
        self._preamble = Prompts(backend.template, backend.tokenizer).preamble
        self._speed = backend.reading_speed
        self.tokens = 0
        self.windows: list[Window] = []
        self._cached: dict[str, int] = dict.fromkeys((source.handle for source in sources), 0)
        self._left: list[int] = []  # tokens to be read of each window that was looked up

    def look_up(self, window: Window) -> None:
        """Ask how much of a window is cached."""
        preamble = len(self._preamble)

        def prompt() -> Iterator[Sequence[int]]:  # text becomes ids only where something is cached at all
            yield self._preamble
            for segment in window.segments:
                yield segment.ids

        cached = left = max(0, self._backend.tokens_cached(prompt()) - preamble)
        cached = min(cached, window.tokens)
        for segment in window.segments:
            own = min(left, segment.tokens)
            self._cached[segment.source.handle] += own
            left -= own
        self._left.append(window.tokens - cached)

    def fit(self, *, is_whole: bool) -> Fit:
        fingerprint = self._backend.tokenizer.fingerprint
        cached = sum(self._cached.values())
        unread = sorted(left for left in self._left if left)
        largest = max((window.tokens for window in self.windows), default=min(self.tokens, self._limit))
        memory = self._memory
        return Fit(
            documents=len(self._sources),
            documents_without_text=self._without_text,
            pages=sum(source.pages_total for source in self._sources),
            pages_counted=sum(len(source.page_tokens.get(fingerprint, ())) for source in self._sources),
            tokens=self.tokens,
            window_tokens=self._limit,
            windows=len(self.windows),
            windows_cached=len(self._left) - len(unread),
            tokens_cached=cached,
            seconds=round((self.tokens - cached) / self._speed, 1) if self._speed else None,
            windows_in_budget=self._in_budget(unread),
            budget_s=self._budget_s,
            memory_bytes=memory.weights_bytes + largest * memory.token_bytes if memory else 0,
            memory_free_bytes=memory.free_bytes if memory else 0,
            model=self._backend.name,
            is_whole=is_whole,
            shares=self._shares(fingerprint) if is_whole else (),
            memory_where=memory.where if memory else "",
            memory_way=memory.way if memory else "",
        )

    def _in_budget(self, unread: Sequence[int]) -> int:
        """How many windows of middling length the budget reads; one is always read."""
        if not self._speed or not unread:
            return 0
        middling = sum(unread) / len(unread)
        return max(1, min(len(unread), int(self._budget_s * self._speed / middling)))

    def _shares(self, fingerprint: str) -> tuple[Share, ...]:
        return tuple(
            Share(source.handle, sum(source.page_tokens[fingerprint]), self._cached[source.handle])
            for source in self._sources
        )

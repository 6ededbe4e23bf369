"""The engine inside the process that asks: for tests, benchmarks, and who wants no process beside his own.

Threads may share it: a request waits until the one before it is over. Only the engine's own process lets them take
turns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nemo_docs.engine.loading import Cancelled, OnLayer
from nemo_docs.engine.protocol import BatchRequest, EngineEvent, Finished, Request, ScoreRequest

if TYPE_CHECKING:
    from nemo_docs.engine.engine import Engine
    from nemo_docs.engine.memory_plan import MemoryPlan


_WAKE_EVERY_S = 0.05
"""How often a wish to cancel is looked for while another thread's request runs."""


class _NotWanted(Exception):
    """Raised between two layers to stop loading; never leaves this module."""


class InProcessEngine:
    """Loads its engine when it is first needed.

    Args:
        load: Builds the engine; is handed what to tell of layers.
        on_layer: Told of progress while it is built.
    """

    def __init__(self, load: Callable[[OnLayer], Engine], on_layer: OnLayer = lambda done, of: None) -> None:
        self._load, self._on_layer = load, on_layer
        self._engine: Engine | None = None
        self._busy = threading.Lock()

    @property
    def loaded(self) -> Engine | None:
        """The engine, once it is loaded."""
        return self._engine

    def load(self, cancelled: Cancelled) -> None:
        """Load the model, unless it is; returns early, without it, when cancelled."""
        with self._alone(cancelled) as is_mine:
            if is_mine:
                self._load_once(cancelled)

    def run(self, request: Request | ScoreRequest | BatchRequest, cancelled: Cancelled) -> Iterator[EngineEvent]:
        """Answer one request; the last event is `Finished`."""
        with self._alone(cancelled) as is_mine:
            if is_mine:
                self._load_once(cancelled)
            if not is_mine or self._engine is None:
                yield Finished("cancelled", 0, 0, 0, 0.0, 0.0)
                return
            yield from self._engine.run(request, cancelled)

    @contextmanager
    def _alone(self, cancelled: Cancelled) -> Iterator[bool]:
        """Keep other threads out while the block runs; False if that was no longer wanted before it was our turn."""
        while not (is_mine := self._busy.acquire(timeout=_WAKE_EVERY_S)) and not cancelled():
            pass
        try:
            yield is_mine
        finally:
            if is_mine:
                self._busy.release()

    def _load_once(self, cancelled: Cancelled) -> None:
        if self._engine is not None:
            return

        def on_layer(done: int, of: int) -> None:
            if cancelled():
                raise _NotWanted
            self._on_layer(done, of)

        try:
            self._engine = self._load(on_layer)
        except _NotWanted:
            return

    def holds_anything(self) -> bool:
        """Whether any prompt at all could be found in a cache."""
        return self._engine is not None and self._engine.holds_anything()

    def cached(self, segments: Sequence[Sequence[int]]) -> int:
        """How many leading tokens of a prompt that begins with these segments would not be computed again."""
        return 0 if self._engine is None else self._engine.cached(segments)

    def forget(self, labels: Set[str]) -> None:
        """Let go of everything in memory that holds one of these texts, at once, whatever request is under way."""
        if self._engine is not None:
            self._engine.forget(labels)

    def plan(self) -> MemoryPlan | None:
        """What memory the loaded model takes; None before it is loaded."""
        return None if self._engine is None else self._engine.plan

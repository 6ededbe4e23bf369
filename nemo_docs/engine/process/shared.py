"""The shared engine as a face sees it: the same three methods as the one in its own process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from nemo_docs import errors
from nemo_docs.engine.loading import Cancelled, OnLayer
from nemo_docs.engine.memory_plan import MemoryPlan
from nemo_docs.engine.process.link import Gone, Link, Talk
from nemo_docs.engine.process.wire import (
    Ask,
    Cancel,
    Done,
    Forget,
    Found,
    Happened,
    Layers,
    Load,
    Look,
    Refused,
    Run,
    Status,
)
from nemo_docs.engine.protocol import BatchRequest, EngineEvent, Finished, OfOne, Request, ScoreRequest
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.errors import NemoDocsError

_WAKE_EVERY_S = 0.03
"""How often a wish to cancel is looked for while nothing comes."""


class SharedEngine:
    """One model in the engine's process.

    Args:
        spec: Which model.
        link: The way to the process.
        on_layer: Told of progress while the model is loaded.
    """

    def __init__(self, spec: ModelSpec, link: Link, on_layer: OnLayer = lambda done, of: None) -> None:
        self._spec, self._link, self._on_layer = spec, link, on_layer

    def load(self, cancelled: Cancelled) -> None:
        """Load the model, unless it is; returns early when cancelled.

        Raises:
            ModelError: If it cannot be loaded.
            EngineStopped: If there is no engine to load it.
        """
        if not cancelled():
            for _ in self._carried_out(Load(self._spec), cancelled):
                pass

    def run(self, request: Request | ScoreRequest | BatchRequest, cancelled: Cancelled) -> Iterator[EngineEvent]:
        """Answer one request; the last event is `Finished`.

        Raises:
            EngineStopped: If the engine ends before it has finished.
        """
        if cancelled():
            yield Finished("cancelled", 0, 0, 0, 0.0, 0.0)
            return
        yield from self._carried_out(Run(self._spec, request), cancelled)

    def holds_anything(self) -> bool:
        """Whether any prompt at all could be found in a cache; starts nothing."""
        return self.cached(()) > 0

    def cached(self, segments: Sequence[Sequence[int]]) -> int:
        """How many leading tokens of a prompt that begins with these segments would not be computed again.

        Nothing is started for it, and an engine that goes meanwhile holds nothing. No segments at all ask whether
        anything is cached.
        """
        look = Look(self._spec, tuple(map(tuple, segments)))
        try:
            with self._link.talk_if_running() as talk:
                if talk is None:
                    return 0
                talk.send(look)
                found: Found = talk.receive(Found)
                return found.tokens
        except Gone:
            return 0

    def forget(self, labels: Set[str]) -> None:
        """Let go of everything in memory that holds one of these texts, and save nothing more of it. Starts nothing."""
        forget(self._link, labels)

    def plan(self) -> MemoryPlan | None:
        """What memory the loaded model takes; None where no engine has loaded it. Starts nothing."""
        try:
            with self._link.talk_if_running() as talk:
                if talk is None:
                    return None
                talk.send(Ask())
                status: Status = talk.receive(Status)
        except Gone:
            return None
        return status.plan if status.model is not None and status.model.serves(self._spec) else None

    def _carried_out(self, message: Load | Run, cancelled: Cancelled) -> Iterator[EngineEvent]:
        """The events of a request. A connection whose engine had gone since the last request is replaced."""
        while True:
            try:
                with self._link.talk() as talk:
                    yield from self._events(talk, message, cancelled)
                return
            except _Stale:
                continue

    def _events(self, talk: Talk, message: Load | Run, cancelled: Cancelled) -> Iterator[EngineEvent]:
        has_spoken = is_cancelled = False
        try:
            talk.send(message)
            while True:
                if not is_cancelled and cancelled():
                    talk.send(Cancel())
                    is_cancelled = True
                if not talk.has_news(_WAKE_EVERY_S):
                    continue
                news: Layers | Happened | Done | Refused = talk.receive(Layers | Happened | Done | Refused)
                has_spoken = True
                match news:
                    case Layers():
                        self._on_layer(news.done, news.of)
                    case Happened(event=event):
                        if not is_cancelled or _ends(event):  # what else came after the wish is not wanted
                            yield event
                    case Refused():
                        raise _named(news)
                    case Done():
                        return
        except Gone:
            if talk.is_used and not has_spoken:
                raise _Stale from None
            raise self._link.stopped(talk) from None


def forget(link: Link, labels: Set[str]) -> None:
    """Make a running engine let go of what holds one of these texts; where none runs there is nothing to do."""
    link.end_other_code()
    try:
        with link.talk_if_running() as talk:
            if talk is not None:
                talk.send(Forget(tuple(sorted(labels))))
                talk.receive(Done)
    except Gone:
        return


def _ends(event: EngineEvent) -> bool:
    """Whether a request, or one of a batch, is over."""
    return isinstance(event.event if isinstance(event, OfOne) else event, Finished)


class _Stale(Exception):
    """The engine had gone before this request reached it."""


def _named(refused: Refused) -> NemoDocsError:
    """The error that the engine met."""
    kind = getattr(errors, refused.error, NemoDocsError)
    known = isinstance(kind, type) and issubclass(kind, NemoDocsError)
    return (kind if known else NemoDocsError)(refused.message, hint=refused.hint)

"""Our own engine, in this process or in the one that all share.

Loading is put off until the first request: a plan of what will be read needs the tokenizer only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set

from nemo_docs.backends.base import BackendEvent, Cancelled, Piece, never
from nemo_docs.backends.detokenise import Detokeniser
from nemo_docs.backends.speed import Speed
from nemo_docs.engine.loading import TokenEngine, expected_plan
from nemo_docs.engine.memory_plan import MemoryPlan
from nemo_docs.engine.protocol import (
    BatchRequest,
    EngineEvent,
    Finished,
    Free,
    OfOne,
    Request,
    Scored,
    ScoreRequest,
    StepEnded,
    Token,
)
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.engine.stored import StoredPrompts
from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.template import Template
from nemo_docs.model.tokenizers.base import Tokenizer

MEASURABLE_TOKENS = 256
"""Fewer tokens than this say nothing about the speed of reading."""


class LocalBackend:
    """The engine, with text on top.

    Args:
        files: The model.
        engine: What computes.
        speed: Where the speed of reading is remembered, or None.
        spec: What the engine was asked for, if it is to be said what memory that would take.
    """

    def __init__(
        self, files: ModelFiles, engine: TokenEngine, speed: Speed | None = None, spec: ModelSpec | None = None
    ) -> None:
        self._files, self._engine, self._speed, self._spec = files, engine, speed, spec
        self._stored: StoredPrompts | None = None
        """What is looked at while no engine runs, once there is anything."""

    @property
    def name(self) -> str:
        """What the user calls the model, and the adapter over it."""
        adapter = self._files.adapter
        return f"{self._files.name} with {adapter.path}" if adapter else self._files.name

    @property
    def tokenizer(self) -> Tokenizer:
        """Text to ids and back."""
        return self._files.tokenizer

    @property
    def template(self) -> Template:
        """The model's prompt format."""
        return self._files.template

    @property
    def window_tokens(self) -> int:
        """The most tokens that a prompt and its answer may have together."""
        return self._files.window_tokens

    @property
    def effective_window_tokens(self) -> int:
        """The most tokens that the model reads well."""
        return self._files.effective_window_tokens

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of the languages that the model was made for; empty if that is not known."""
        return self._files.entry.languages if self._files.entry else ()

    @property
    def answers_from_quotes(self) -> bool:
        """Whether the model answers better from its quotes alone than with the whole window before it."""
        return self._files.entry is not None and self._files.entry.answers_from_quotes

    @property
    def reading_speed(self) -> float | None:
        """Tokens a second that were measured when reading on this machine; None before the first."""
        return self._speed.last if self._speed else None

    @property
    def memory_plan(self) -> MemoryPlan | None:
        """What memory the model takes for what, or most likely would before it is loaded; None if that is not known."""
        return self._engine.plan() or (expected_plan(self._files, self._spec) if self._spec else None)

    def tokens_cached(self, segments: Iterable[Sequence[int]]) -> int:
        """How many leading tokens of a prompt that begins with these segments need not be read again.

        Args:
            segments: Looked at only where something is cached at all.
        """
        if self._engine.holds_anything():
            return self._engine.cached([*segments])
        if self._stored is None and self._spec:
            found = StoredPrompts(self._spec)
            self._stored = found if found.holds_anything() else None
        return self._stored.tokens([*segments]) if self._stored and self._stored.holds_anything() else 0

    def forget(self, labels: Set[str]) -> None:
        """Let go of everything in memory that holds one of these texts; loads nothing."""
        self._engine.forget(labels)

    def ready(self, cancelled: Cancelled = never) -> None:
        """Load the model; a second time does nothing. Returns early when cancelled."""
        self._engine.load(cancelled)

    def run(self, request: Request, cancelled: Cancelled = never) -> Iterator[BackendEvent]:
        """Answer a request; the tokens of free text come as pieces, those of copies as they are."""
        reading = _Reading(request, self.tokenizer)
        for event in self._engine.run(request, cancelled):
            yield from reading.follow(event)
            self._remember(event)

    def run_together(
        self, requests: Sequence[Request], cancelled: Cancelled = never
    ) -> Iterator[tuple[int, BackendEvent]]:
        """Answer independent requests at once; events are those of `run`, each with the index of its request."""
        readings = [_Reading(request, self.tokenizer) for request in requests]
        for event in self._engine.run(BatchRequest(tuple(requests)), cancelled):
            if isinstance(event, OfOne):
                for shown in readings[event.index].follow(event.event):
                    yield event.index, shown
                self._remember(event.event)

    def score(self, request: ScoreRequest, cancelled: Cancelled = never) -> tuple[float, ...] | None:
        """Mean log-probability a token of each branch; None when cancelled."""
        for event in self._engine.run(request, cancelled):
            if isinstance(event, Scored):
                return event.values
        return None

    def _remember(self, event: EngineEvent) -> None:
        if not isinstance(event, Finished) or event.tokens_prefilled < MEASURABLE_TOKENS or event.reason != "done":
            return
        if self._speed:
            self._speed.measured(event.tokens_prefilled / event.prefill_s)


class _Reading:
    """Puts text in the place of the tokens that a request writes freely."""

    def __init__(self, request: Request, tokenizer: Tokenizer) -> None:
        self._text = Detokeniser(tokenizer)
        self._free = {index for index, step in enumerate(request.steps) if isinstance(step, Free)}

    def follow(self, event: EngineEvent) -> Iterator[BackendEvent]:
        if isinstance(event, Token) and event.step in self._free:
            if piece := self._text.add(event.id):
                yield Piece(event.step, piece)
            return
        if isinstance(event, StepEnded) and event.step in self._free and (rest := self._text.finish()):
            yield Piece(event.step, rest)
        yield event

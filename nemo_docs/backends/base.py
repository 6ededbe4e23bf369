"""What answering asks of whoever generates text.

A backend takes the engine's plain requests and adds one thing: text. It knows nothing of documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from nemo_docs.engine.protocol import EngineEvent, Request, ScoreRequest
from nemo_docs.model.template import Template
from nemo_docs.model.tokenizers.base import Tokenizer

Cancelled = Callable[[], bool]
"""Says True once the caller no longer wants the answer."""


def never() -> bool:
    """Nobody cancels."""
    return False


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that free generation added."""

    step: int
    """Index of its step."""
    text: str
    """Whole characters only."""


BackendEvent = EngineEvent | Piece


class Backend(Protocol):
    """A model that can be asked."""

    @property
    def name(self) -> str:
        """What the user calls the model."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Text to ids and back."""

    @property
    def template(self) -> Template:
        """The model's prompt format."""

    @property
    def window_tokens(self) -> int:
        """The most tokens that a prompt and its answer may have together."""

    @property
    def effective_window_tokens(self) -> int:
        """The most tokens that the model reads well."""

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of the languages that the model was made for; empty if that is not known."""

    @property
    def answers_from_quotes(self) -> bool:
        """Whether the model answers better from its quotes alone than with the whole window before it."""

    @property
    def reading_speed(self) -> float | None:
        """Tokens a second that were measured when reading on this machine; None before the first."""

    def tokens_cached(self, segments: Iterable[Sequence[int]]) -> int:
        """How many leading tokens of a prompt that begins with these segments need not be read again.

        Args:
            segments: Looked at only where something is cached at all.
        """

    def ready(self, cancelled: Cancelled = never) -> None:
        """Load what generating needs; a second time does nothing. Returns early when cancelled.

        Raises:
            ModelError: If the model cannot be loaded.
        """

    def run(self, request: Request, cancelled: Cancelled = never) -> Iterator[BackendEvent]:
        """Answer a request; the tokens of free text come as pieces, those of copies as they are."""

    def run_together(
        self, requests: Sequence[Request], cancelled: Cancelled = never
    ) -> Iterator[tuple[int, BackendEvent]]:
        """Answer independent requests at once, as far as that is possible: each event with the index of its request."""

    def score(self, request: ScoreRequest, cancelled: Cancelled = never) -> tuple[float, ...] | None:
        """Mean log-probability a token of each branch; None when cancelled."""

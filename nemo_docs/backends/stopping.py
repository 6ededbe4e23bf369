"""Stop strings: where free text ends, in characters.

A stop string may be spread over several tokens, so text that could be the beginning of one is held back until it is
decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nemo_docs.backends.base import BackendEvent, Piece
from nemo_docs.engine.protocol import StepEnded


class StopStrings:
    """Passes events on until free text holds one of some strings.

    Args:
        strings: None of them empty.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        self._held = ""
        self.is_met = False
        """Whether a string was found; from then on no text is passed on."""

    def follow(self, event: BackendEvent) -> Iterator[BackendEvent]:
        """The events that become of one."""
        if isinstance(event, Piece):
            yield from self._text(event)
            return
        if isinstance(event, StepEnded) and self._held:
            yield Piece(event.step, self._held)
            self._held = ""
        yield event

    def _text(self, piece: Piece) -> Iterator[Piece]:
        if self.is_met:
            return
        text = self._held + piece.text
        places = [place for string in self._strings if (place := text.find(string)) >= 0]
        self.is_met = bool(places)
        safe = min(places) if places else len(text) - self._undecided(text)
        self._held = "" if self.is_met else text[safe:]
        if safe:
            yield Piece(piece.step, text[:safe])

    def _undecided(self, text: str) -> int:
        """How many of the last characters may begin a string."""
        longest = min(len(text), max(map(len, self._strings)) - 1)
        return next((n for n in range(longest, 0, -1) if any(s.startswith(text[-n:]) for s in self._strings)), 0)

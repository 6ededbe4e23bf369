"""What an answer is made of, gathered while it is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter

from nemo_docs.answering.events import Answer, Citation, Claim, Coverage, Timing, Warn
from nemo_docs.answering.evidence import Quote
from nemo_docs.answering.windows import Window
from nemo_docs.engine.protocol import Finished, Restored


@dataclass
class Transcript:
    """Grows with every event of an answer. Times count from when the model was ready."""

    quotes: list[Quote] = field(default_factory=list)
    """In the order of their markers."""
    citations: list[Citation] = field(default_factory=list)
    """The same, as shown."""
    read: list[Window] = field(default_factory=list)
    """Windows read to the end."""
    text: str = ""
    """The answer so far, marks included."""
    claims: list[Claim] = field(default_factory=list)
    """Its sentences."""
    finish: str = "stop"
    """Why it ended."""

    _began: float = field(default_factory=perf_counter)
    _cached: int = 0
    _prefilled: int = 0
    _restored: int = 0
    _restore_s: float = 0.0
    _recomputed: int = 0
    _told: set[str] = field(default_factory=set)
    _drafted: int = 0
    _accepted: int = 0
    _first_quote_s: float | None = None
    _first_answer_s: float | None = None
    _writing_speed: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds so far."""
        return perf_counter() - self._began

    def begin_quote(self) -> None:
        """A token of a quote came."""
        if self._first_quote_s is None:
            self._first_quote_s = self.elapsed_s

    def add_quote(self, quote: Quote, citation: Citation) -> None:
        """A quote was closed."""
        self.begin_quote()
        self.quotes.append(quote)
        self.citations.append(citation)

    def add_text(self, text: str) -> None:
        """The answer grew."""
        if self._first_answer_s is None:
            self._first_answer_s = self.elapsed_s
        self.text += text

    def add_run(self, finished: Finished, *, reading: bool) -> None:
        """A request of the engine ended; what it took from the cache counts only where a window was to be read."""
        self._cached += finished.tokens_cached if reading else 0
        self._restored += finished.tokens_restored if reading else 0
        self._restore_s += finished.restore_s
        self._prefilled += finished.tokens_prefilled
        self._drafted += finished.tokens_drafted
        self._accepted += finished.tokens_accepted
        if not reading and finished.generate_s > 0:
            self._writing_speed = finished.tokens_generated / finished.generate_s
        if finished.reason == "cancelled" and self.finish != "repetition":
            self.finish = "cancelled"

    def add_restored(self, restored: Restored) -> None:
        """Tokens were found on the disk."""
        self._recomputed += restored.tokens if restored.computes else 0

    def warn_once(self, message: str) -> Iterator[Warn]:
        """A warning, unless it was given before."""
        if message not in self._told:
            self._told.add(message)
            yield Warn(message)

    def answer(self, question: str, language: str, model: str, coverage: Coverage) -> Answer:
        """The whole answer."""
        return Answer(
            question=question,
            text=self.text,
            finish=self.finish,
            claims=tuple(self.claims),
            citations=tuple(self.citations),
            coverage=coverage,
            timing=Timing(
                tokens_cached=self._cached,
                tokens_prefilled=self._prefilled,
                first_quote_s=_rounded(self._first_quote_s),
                first_answer_s=_rounded(self._first_answer_s),
                total_s=round(self.elapsed_s, 3),
                tokens_per_s=None if self._writing_speed is None else round(self._writing_speed, 1),
                tokens_drafted=self._drafted,
                tokens_accepted=self._accepted,
                tokens_restored=self._restored,
                restore_s=round(self._restore_s, 3),
                tokens_recomputed=self._recomputed,
            ),
            model=model,
            language=language,
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)

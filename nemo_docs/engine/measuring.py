"""What a machine makes of a model: reading a prompt, finding it read, and writing, each beside the least it could take.

Everything goes through the engine as any request does, so what is told is what a user gets. Three figures for each
length of prompt: `prefill`, until the first token of a prompt that was never seen; `decode`, one more token behind it;
`warm`, until the first token of a question about a document that was read. The least that each can take follows from
the model alone: its operations at the rate of a large matrix product, or its bytes at the speed of memory, whichever is
longer.

Prompts are random tokens. They cost what text costs, and none is found in the cache of another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch

from nemo_docs.engine.ceilings import Ceilings
from nemo_docs.engine.engine import Engine
from nemo_docs.engine.protocol import Free, Prefilled, Request, Token
from nemo_docs.engine.work import reading_work

QUESTION_TOKENS = 32
"""The end of each prompt, which is computed cold and warm."""
WRITTEN_TOKENS = 33
"""Behind a prompt, at most; the time between them is that of decode."""
SHORTEST_TOKENS = 2 * QUESTION_TOKENS
"""A shorter prompt would say nothing of reading."""
DEFAULT_LENGTHS = {"cpu": (512, 2_048, 6_000), "mps": (512, 2_048, 16_384), "cuda": (2_048, 16_384, 131_072)}
"""Tokens of prompts, by the kind of device."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement."""

    what: str
    """`prefill`, `decode` or `warm`."""
    length: int
    """Tokens of the prompt."""
    tokens: int
    """Tokens computed in the time: those of the prompt that were not cached, or the one written."""
    seconds: float
    """Until the first token, or for one token: the median."""
    floor_s: float
    """The least that it could take on this machine."""
    bound: str
    """What that follows from: `operations` or `bytes`."""
    memory_bytes: int
    """The most memory taken at this length so far: on a GPU by tensors, else by the process."""
    cold_s: float | None = None
    """Of `warm`: the seconds of `prefill` at the same length."""

    @property
    def tokens_per_s(self) -> float:
        """Tokens computed a second."""
        return self.tokens / self.seconds

    @property
    def floor_share(self) -> float:
        """The floor as a share of the time; 1 cannot be passed."""
        return self.floor_s / self.seconds


@dataclass(frozen=True, slots=True)
class Skipped:
    """A measurement that was not made."""

    what: str
    """`prefill` stands for all three."""
    length: int
    """Tokens of the prompt."""
    reason: str
    """In one sentence."""


def default_lengths(device: torch.device, window_tokens: int) -> tuple[int, ...]:
    """Lengths to measure on a device, cut to what the window holds beside what is written."""
    longest = longest_prompt(window_tokens)
    return tuple(sorted({min(length, longest) for length in DEFAULT_LENGTHS[device.type]}))


def longest_prompt(window_tokens: int) -> int:
    """Tokens of the longest prompt that can be measured in a window."""
    return window_tokens - WRITTEN_TOKENS


class Measurement:
    """Measures one engine.

    Args:
        engine: With its model loaded.
        ceilings: What the machine does at best.
        seconds: A length that would surely end later than this is passed over, and one that does is broken off.
        cancelled: Asked before every layer and token; once it says True, nothing more comes.
        on_tokens: Told of tokens read and tokens in all while a prompt is read.
    """

    def __init__(
        self,
        engine: Engine,
        ceilings: Ceilings,
        *,
        seconds: float,
        cancelled: Callable[[], bool] = lambda: False,
        on_tokens: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self._engine, self._ceilings, self._seconds = engine, ceilings, seconds
        self._cancelled, self._on_tokens = cancelled, on_tokens
        self._until = perf_counter() + seconds
        self._memory = _Memory(engine.model.device)

    def run(self, lengths: Sequence[int]) -> Iterator[Figure | Skipped]:
        """Measure prompts of these lengths, each at least `SHORTEST_TOKENS`, the shortest first."""
        self._timed(self._prompt(SHORTEST_TOKENS, "warm up"), written=2)  # kernels are chosen and compiled once
        for length in sorted(set(lengths)):
            if perf_counter() + self._floor(0, length)[0] > self._until:
                yield self._out_of_time("prefill", length)
                continue
            self._memory = _Memory(self._engine.model.device)
            document = self._prompt(length - QUESTION_TOKENS, f"document {length}")
            cold = self._timed(document, written=WRITTEN_TOKENS)
            if cold.tokens_s:
                yield self._figure("prefill", length, (cold.cached, length), cold.tokens_s[0])
            if len(cold.tokens_s) > 1:
                yield self._figure("decode", length, (length, length + 1), median(cold.tokens_s[1:]))
            warm = self._timed(document, written=1)
            if self._cancelled():
                return
            if not warm.tokens_s:
                yield self._out_of_time("warm" if cold.tokens_s else "prefill", length)
            elif not warm.cached:
                yield Skipped("warm", length, "What was read was not kept, kv_memory is too small for it.")
            else:
                yield self._figure("warm", length, (warm.cached, length), warm.tokens_s[0], cold.tokens_s[0])

    def _out_of_time(self, what: str, length: int) -> Skipped:
        return Skipped(what, length, f"Of the {self._seconds:,.0f} s for measuring not enough is left.")

    def _timed(self, document: tuple[int, ...], *, written: int) -> _Run:
        """Let the engine read a document and a question, which is always computed, and write."""
        segments = (document, self._prompt(QUESTION_TOKENS, "question"))
        times: list[float] = []
        cached, last = 0, perf_counter()
        for event in self._engine.run(Request(segments, (Free(written, stops=()),), drafting=False), self._is_over):
            self._memory.look()
            if isinstance(event, Prefilled):
                cached = event.cached
                self._on_tokens(event.done, event.of)
            elif isinstance(event, Token):
                now = perf_counter()
                times.append(now - last)
                last = now
        return _Run(cached, times)

    def _figure(
        self, what: str, length: int, computed: tuple[int, int], seconds: float, cold_s: float | None = None
    ) -> Figure:
        """Put the least time beside a time; `computed` are the tokens, from and to."""
        floor_s, bound = self._floor(*computed)
        tokens = computed[1] - computed[0]
        return Figure(what, length, tokens, seconds, floor_s, bound, self._memory.peak_bytes, cold_s)

    def _floor(self, start: int, end: int) -> tuple[float, str]:
        """The least time that computing tokens start..end of a prompt takes, and what bounds it."""
        model = self._engine.model
        n_bytes = model.streamed_bytes + start * model.kv_layout.bytes_per_token
        return self._ceilings.floor(2 * reading_work(model.config, start, end), n_bytes)

    def _prompt(self, tokens: int, seed: str) -> tuple[int, ...]:
        drawn = random.Random(seed)
        return tuple(drawn.choices(range(self._engine.model.config.vocab_size), k=tokens))

    def _is_over(self) -> bool:
        return self._cancelled() or perf_counter() > self._until


@dataclass(frozen=True, slots=True)
class _Run:
    """One request."""

    cached: int
    """Tokens of its prompt that were not computed."""
    tokens_s: list[float]
    """Seconds until each token that it wrote, from the one before it; the first one's from the beginning."""


class _Memory:
    """The most memory taken since this was made."""

    def __init__(self, device: torch.device) -> None:
        import psutil  # type: ignore[import-untyped]

        self._device, self._process, self._most = device, psutil.Process(), 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.look()

    def look(self) -> None:
        """Take note of what is taken now; torch itself does on a GPU of NVIDIA or AMD."""
        if self._device.type == "mps":
            self._most = max(self._most, torch.mps.driver_allocated_memory())
        elif self._device.type == "cpu":
            self._most = max(self._most, self._process.memory_info().rss)

    @property
    def peak_bytes(self) -> int:
        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else self._most

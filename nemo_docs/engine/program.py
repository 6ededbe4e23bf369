"""Running a program over the decoder: forced tokens, copies, choices, free text, one after the other.

Tokens that are already certain are not fed to the model one by one: they wait until a decision needs logits, and then
go through it together. A program only says that it waits; who runs it feeds them, alone or with those of others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nemo_docs.engine.branches import log_likelihoods
from nemo_docs.engine.copying import CopyState
from nemo_docs.engine.protocol import (
    Choose,
    Copy,
    Force,
    Free,
    Sampling,
    Step,
    StepBegan,
    StepEnded,
    Token,
)
from nemo_docs.engine.sampling import BanMask, Sampler
from nemo_docs.kv.cache import KVCache
from nemo_docs.model.transformer import Transformer

ProgramEvent = StepBegan | Token | StepEnded


@dataclass(frozen=True, slots=True)
class Waits:
    """The program goes on once the tokens that wait are fed; never leaves the engine."""


Progress = Generator[ProgramEvent | Waits, None, None]


class Program:
    """The state behind a prompt: a cache, the tokens that wait to be fed, and the steps.

    Args:
        model: Whose cache it is.
        cache: Holds the prompt.
        logits: The prompt's last row, fp32 [V].
        sampling: How free text is drawn.
        between_layers: Raises to cancel.
    """

    def __init__(
        self,
        model: Transformer,
        cache: KVCache,
        logits: Tensor,
        sampling: Sampling,
        between_layers: Callable[[], None],
    ) -> None:
        self._model, self._logits = model, logits
        self.cache = cache
        """What was written and fed, behind the prompt."""
        self._sampler = Sampler(sampling)
        self._between_layers = between_layers
        self.waiting: list[int] = []
        """Written, and not yet fed to the model."""
        self._copied: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)  # source -> its copied stretches
        self._last: int | None = None
        self.generated = 0
        """Tokens generated or copied so far."""

    def run(self, steps: Sequence[Step]) -> Iterator[ProgramEvent]:
        """Carry out the steps in order, with the jumps that choices make, alone."""
        for event in self.advance(steps):
            if isinstance(event, Waits):
                self.feed()
            else:
                yield event

    def feed(self) -> None:
        """Run the tokens that wait through the model."""
        self.fed(self._model.forward(self.waiting, self.cache, between_layers=self._between_layers)[-1])

    def fed(self, logits: Tensor) -> None:
        """The tokens that wait went through the model: count them. Shapes: logits behind the last of them, fp32 [V]."""
        self.cache.commit(self.waiting, ends_chunk=False)
        self.waiting = []
        self._logits = logits

    def advance(self, steps: Sequence[Step]) -> Progress:
        """The same, stopping at `Waits` until `feed` or `fed` was called."""
        index = 0
        while index < len(steps):
            yield StepBegan(index)
            step, following = steps[index], index + 1
            match step:
                case Force():
                    self._write(step.ids)
                    yield StepEnded(index, "forced")
                case Free():
                    yield from self._free(index, step)
                case Copy():
                    yield from self._copy(index, step)
                case Choose():
                    choice = yield from self._choose(step)
                    yield StepEnded(index, "chosen", choice=choice)
                    goto = step.options[choice].goto
                    following = following if goto is None else goto
            index = following

    def _free(self, index: int, step: Free) -> Progress:
        bans = BanMask(step.bans, self._model.device)
        for _ in range(step.max_tokens):
            logits = yield from self._next_logits()
            token = self._sampler.draw(bans.apply(logits, self._last))
            if token in step.stops:
                yield StepEnded(index, "stop")
                return
            self.generated += 1
            self._write((token,))
            yield Token(index, token)
        yield StepEnded(index, "length")

    def _copy(self, index: int, step: Copy) -> Progress:
        starts = tuple(s for s in step.starts if not any(a <= s.position < b for a, b in self._copied[step.source]))
        if not starts:
            yield StepEnded(index, "exhausted")
            return
        state = CopyState(replace(step, starts=starts))
        while (reason := state.ended()) is None:
            tokens = state.certain() or ((yield from self._pick(state.allowed(), step.model_weight)),)
            for token in tokens:
                state.take(token)
                self.generated += 1
                yield Token(index, token, position=state.only_place())
            self._write(tokens)
        start, end = state.place()
        self._copied[step.source].append((start, end))
        yield StepEnded(index, reason, start=start, end=end)

    def _pick(self, allowed: dict[int, float], model_weight: float) -> Generator[Waits, None, int]:
        """The token that is best by its weight and the model together."""
        if len(allowed) == 1:
            return next(iter(allowed))
        log_probabilities = (yield from self._next_logits()).log_softmax(-1)
        tokens = list(allowed)
        scores = log_probabilities[torch.tensor(tokens, device=self._model.device)] * model_weight
        weights = torch.tensor([allowed[token] for token in tokens], device=self._model.device)
        return tokens[self._sampler.draw(scores + weights)]

    def _choose(self, step: Choose) -> Generator[Waits, None, int]:
        """Index of the option with the best sum of weight and mean log-probability; its tokens are written."""
        first = (yield from self._next_logits()).log_softmax(-1)
        scores = [option.log_weight + self._mean_likelihood(first, option.ids) for option in step.options]
        best = max(range(len(scores)), key=lambda n: scores[n])
        self._write(step.options[best].ids)
        return best

    def _mean_likelihood(self, first: Tensor, ids: tuple[int, ...]) -> float:
        """Mean log-probability a token of what may be written next. Shapes: first [V], log-probabilities."""
        total, rest = float(first[ids[0]]), len(ids) - 1
        if rest:
            total += rest * log_likelihoods(self._model, self.cache, [ids], rest, self._between_layers)[0]
        return total / len(ids)

    def _write(self, ids: Sequence[int]) -> None:
        self.waiting.extend(ids)
        if ids:
            self._last = ids[-1]

    def _next_logits(self) -> Generator[Waits, None, Tensor]:
        """Logits behind everything written. Shapes: fp32 [V]."""
        if self.waiting:
            yield Waits()
        return self._logits

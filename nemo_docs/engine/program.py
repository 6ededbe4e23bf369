"""Running a program over the decoder: forced tokens, copies, choices, free text, one after the other.

Tokens that are already certain are not fed to the model one by one: they wait until a decision needs logits, and then
go through it together. Where a decision needs a pass, tokens that are only guessed go through it too (`drafting`): what
is then decided as it was guessed needs no pass of its own, the rest is dropped from the cache. A program only says that
it waits; who runs it feeds what waits, alone or with that of others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nemo_docs.engine.branches import log_likelihoods
from nemo_docs.engine.copying import CopyState
from nemo_docs.engine.drafting import WIDTH, Draft, Drafter, Pass
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
        drafting: Whether guessed tokens may be fed.
    """

    def __init__(
        self,
        model: Transformer,
        cache: KVCache,
        logits: Tensor,
        sampling: Sampling,
        between_layers: Callable[[], None],
        *,
        drafting: bool = True,
    ) -> None:
        self._model = model
        self.cache = cache
        """What was written and fed, behind the prompt."""
        self._drafter = Drafter(model.device.type) if drafting else None
        self._draft: Draft | None = None  # goes through the model with what waits
        self._pass = Pass(logits.unsqueeze(0))
        self._sampler = Sampler(sampling)
        self._between_layers = between_layers
        self.waiting: list[int] = []
        """Written, and not yet fed to the model."""
        self._copied: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)  # source -> its copied stretches
        self._last: int | None = None
        self.generated = 0
        """Tokens generated or copied so far."""
        self.drafted = 0
        """Tokens guessed and checked so far."""
        self.accepted = 0
        """Of these, tokens that were then written."""

    def run(self, steps: Sequence[Step]) -> Iterator[ProgramEvent]:
        """Carry out the steps in order, with the jumps that choices make, alone."""
        for event in self.advance(steps):
            if isinstance(event, Waits):
                self.feed()
            else:
                yield event

    @property
    def upcoming(self) -> list[int]:
        """What goes through the model next: the tokens that wait, and those that are guessed."""
        return [*self.waiting, *(self._draft.ids if self._draft else ())]

    def feed(self) -> None:
        """Run what is upcoming through the model."""
        ids = self.upcoming
        rows = slice(len(self.waiting) - 1 - len(ids), None)
        self.fed(self._model.forward(ids, self.cache, rows=rows, between_layers=self._between_layers))

    def fed(self, logits: Tensor) -> None:
        """What was upcoming went through the model: count it.

        Shapes: logits behind the last token that waited and behind each guessed one, fp32 [rows, V].
        """
        self.cache.commit(self.upcoming, ends_chunk=False)
        self.drafted += len(logits) - 1
        self._pass, self._draft, self.waiting = Pass(logits, self._draft), None, []

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
        for left in range(step.max_tokens, 0, -1):
            logits = yield from self._next_logits(left)
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
            tokens = state.certain() or ((yield from self._pick(state, step.model_weight)),)
            for token in tokens:
                state.take(token)
                self.generated += 1
                yield Token(index, token, position=state.only_place())
            self._write(tokens)
        start, end = state.place()
        self._copied[step.source].append((start, end))
        yield StepEnded(index, reason, start=start, end=end)

    def _pick(self, state: CopyState, model_weight: float) -> Generator[Waits, None, int]:
        """The token that is best by its weight and the model together."""
        allowed = state.allowed()
        if len(allowed) == 1:
            return next(iter(allowed))
        log_probabilities = (yield from self._next_logits(state.left, state)).log_softmax(-1)
        tokens = list(allowed)
        scores = log_probabilities[torch.tensor(tokens, device=self._model.device)] * model_weight
        weights = torch.tensor([allowed[token] for token in tokens], device=self._model.device)
        return tokens[self._sampler.draw(scores + weights)]

    def _choose(self, step: Choose) -> Generator[Waits, None, int]:
        """Index of the option with the best sum of weight and mean log-probability; its tokens are written."""
        first = (yield from self._next_logits()).log_softmax(-1)
        self._end_draft()  # the options are written in its place
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
        for token in ids:
            if self._pass.accepts(token):
                self.accepted += 1
            else:
                self._end_draft()
                self.waiting.append(token)
        if ids:
            self._last = ids[-1]
        if self._drafter is not None:
            self._drafter.follow(ids)

    def _next_logits(self, left: int = 0, copying: CopyState | None = None) -> Generator[Waits, None, Tensor]:
        """Logits behind everything written. Shapes: fp32 [V].

        Args:
            left: The most tokens that the step will still write; 0 drafts none.
            copying: The copy that they are of; None for free text.
        """
        if self.waiting:
            self._draft = self._guess(left, copying)
            yield Waits()
        return self._pass.logits()

    def _guess(self, left: int, copying: CopyState | None) -> Draft | None:
        """A draft that fills the pass, where one is at hand and needs no room that the step would not."""
        count = WIDTH - len(self.waiting)
        if self._drafter is None or not 0 < count <= left:
            return None
        if copying is not None:
            return self._drafter.continuation(count, copying)
        return self._drafter.repetition(count, lambda: [*self.cache.ids, *self.waiting])

    def _end_draft(self) -> None:
        """Drop what is drafted and not written."""
        self.cache.truncate(len(self.cache) - self._pass.unwritten)
        self._pass.end()

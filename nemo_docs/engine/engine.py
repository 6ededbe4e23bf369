"""The engine: one model, its recent caches, and the requests it answers.

It knows token ids and numbers only. Every request yields events and ends with `Finished`; a request that is cancelled
ends with it too, keeps the chunks it has read, and leaves nothing half-written, because a cache counts a chunk only
when every layer has written it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from functools import partial

from nemo_docs.engine.exhaustion import is_exhaustion, let_go, ran_out
from nemo_docs.engine.keeper import Keeper
from nemo_docs.engine.lockstep import Ended, in_lockstep
from nemo_docs.engine.memory_plan import MemoryPlan
from nemo_docs.engine.parts import Part, in_one, last_position, leading_part, tokens_in, tokens_needed
from nemo_docs.engine.pool import CachePool
from nemo_docs.engine.program import ProgramEvent
from nemo_docs.engine.protocol import (
    BatchRequest,
    EngineEvent,
    Finished,
    OfOne,
    Prefilled,
    Request,
    Restored,
    ScoreRequest,
    Token,
    Unsaved,
)
from nemo_docs.engine.underway import Cancelled, Underway
from nemo_docs.errors import ContextExceeded, EngineError
from nemo_docs.kv.cache import KVCache
from nemo_docs.model.transformer import Transformer

OneEvent = Prefilled | Restored | Unsaved | ProgramEvent | Finished
"""Of a request in a batch."""


class Engine:
    """Answers requests, one or a batch of them at a time.

    Args:
        model: The weights.
        window_tokens: The most tokens that a prompt and its answer may have together.
        chunk_tokens: How many tokens of a prompt go through the model at once.
        pool_bytes: What the caches of recent sequences may hold together.
        plan: The plan of memory that it was loaded by.
    """

    def __init__(
        self,
        model: Transformer,
        *,
        window_tokens: int,
        chunk_tokens: int,
        pool_bytes: int,
        plan: MemoryPlan | None = None,
    ) -> None:
        self.model, self.plan = model, plan
        self.keeper: Keeper | None = None
        """What outlives it; None keeps nothing."""
        self.window_tokens = window_tokens
        self._chunk_tokens = chunk_tokens
        self._pool = CachePool(model.kv_layout, pool_bytes, self._before_drop)

    def keep(self, keeper: Keeper) -> None:
        """From now on find what was read in a store, and save what is read there."""
        self.keeper = keeper

    def run(
        self, request: Request | ScoreRequest | BatchRequest, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[EngineEvent]:
        """Answer one request, or a batch of them.

        Args:
            request: What to read and what to do behind it.
            cancelled: Asked before every layer and token; once it says True the request ends within one of them.

        Raises:
            ContextExceeded: Prompt and answer do not fit the window; nothing was computed.
            DoesNotFit: Memory ran out in spite of the plan; what was cached is let go, and the next request can run.
        """
        try:
            yield from self._answer(request, cancelled)
            return
        except Exception as error:
            if not is_exhaustion(error):
                raise
            self._pool.clear()
            let_go(error)
        raise ran_out("at work")

    def _answer(
        self, request: Request | ScoreRequest | BatchRequest, cancelled: Callable[[], bool]
    ) -> Iterator[EngineEvent]:
        if isinstance(request, BatchRequest):
            ended: list[Finished] = []
            for index, event in self.run_together(request.requests, lambda _: cancelled()):
                yield OfOne(index, event)
                if isinstance(event, Finished):
                    ended.append(event)
            yield in_all(ended)
            return
        self._require(request)
        under = self._begin(in_one(request), cancelled)
        reason = "done"
        try:
            yield from under.read()
            if isinstance(request, ScoreRequest):
                yield under.scored(request)
            else:
                for event in under.program(request, drafting=request.drafting).run(request.steps):
                    yield event
                    if isinstance(event, Token) and cancelled():
                        raise Cancelled
        except Cancelled:
            reason = "cancelled"
        finally:
            finished = under.end(reason)
        yield finished

    def run_together(
        self, requests: Sequence[Request], cancelled: Callable[[int], bool] = lambda index: False
    ) -> Iterator[tuple[int, OneEvent]]:
        """Answer independent requests, as many at once as memory holds: read each in turn, then write together.

        Args:
            requests: In the order in which they are read.
            cancelled: Asked of each by its index before every layer and token; the others go on.

        Yields:
            What happens to each by its index; for each the last event is `Finished`.

        Raises:
            ContextExceeded: One of them does not fit the window; nothing was computed.
        """
        for request in requests:
            self._require(request)
        waiting = list(enumerate(map(in_one, requests)))
        while waiting:
            count = 1
            while count < len(waiting) and self._pool.has_room(sum(tokens_needed(r) for _, r in waiting[: count + 1])):
                count += 1
            group, waiting = waiting[:count], waiting[count:]
            yield from self._together(group, cancelled)

    def _together(
        self, group: Sequence[tuple[int, Request]], cancelled: Callable[[int], bool]
    ) -> Iterator[tuple[int, OneEvent]]:
        under: dict[int, Underway] = {}
        try:
            # first where most is held, or room for another could be made by losing it
            held = {
                index: self._in_memory(leading_part(request.segments, self._chunk_tokens)) for index, request in group
            }
            for index, request in sorted(group, key=lambda each: -held[each[0]]):
                under[index] = self._begin(request, partial(cancelled, index))
            for index, _ in group:
                try:
                    for progress in under[index].read():
                        yield index, progress
                except Cancelled:
                    yield index, under[index].end("cancelled")
                    del under[index]
            # Several programs share a pass, one token each: a guess would need a pass of its own.
            alone = len(under) == 1
            programs = {
                index: (under[index].program(request, drafting=alone and request.drafting), request.steps)
                for index, request in group
                if index in under
            }
            for index, event in in_lockstep(self.model, programs, cancelled):
                yield index, under.pop(index).end(event.reason) if isinstance(event, Ended) else event
        finally:
            for each in under.values():
                each.end("cancelled")

    def can_begin(self, request: Request | ScoreRequest | BatchRequest) -> bool:
        """Whether memory allows this request beside those that are under way."""
        return self._pool.can_lend(tokens_needed(request))

    @property
    def cached_tokens(self) -> int:
        """Held in the caches of recent prompts."""
        return self._pool.tokens

    def holds_anything(self) -> bool:
        """Whether any prompt at all could be found in a cache, or in the store."""
        return not self._pool.is_empty or (self.keeper is not None and not self.keeper.is_empty)

    def cached(self, segments: Sequence[Sequence[int]]) -> int:
        """How many leading tokens of a prompt that begins with these segments would not be computed again."""
        part = leading_part(segments, self._chunk_tokens)
        return max(self.keeper.held(part) if self.keeper else 0, self._in_memory(part))

    def _in_memory(self, part: Part) -> int:
        return self._pool.shared(part.ids, part.reusable)

    def flush(self) -> None:
        """Wait until what was read is saved."""
        if self.keeper:
            self.keeper.flush()

    def _before_drop(self, cache: KVCache) -> None:
        if self.keeper:
            self.keeper.saver.settle(cache)

    def forget(self, labels: Set[str]) -> None:
        """Let go of everything in memory that holds one of these texts, and save nothing more of it."""
        if self.keeper:
            self.keeper.forget(labels)
        self._pool.forget(labels)

    def _require(self, request: Request | ScoreRequest) -> None:
        self._require_room(request)
        self._require_vocabulary(request)

    def _require_room(self, request: Request | ScoreRequest) -> None:
        needed = last_position(request)
        if needed > self.window_tokens:
            raise ContextExceeded(
                f"The prompt and its answer need {needed:,} tokens, {needed - self.window_tokens:,} more than the "
                f"model's window of {self.window_tokens:,}.",
                hint="Shorten the question, or choose a smaller window with --window.",
            )
        held, most = tokens_needed(request), max(self.window_tokens, self._pool.most_tokens)
        if held > most:
            raise ContextExceeded(
                f"The windows and what stands behind them hold {held:,} tokens together, {held - most:,} more than "
                f"there is memory for.",
                hint="Ask about fewer windows at once, or set kv_memory to more.",
            )

    def _require_vocabulary(self, request: Request | ScoreRequest) -> None:
        """Refuse ids that the model does not have: on a GPU one of them would end the process."""
        if not all(0 <= token < self.model.config.vocab_size for token in tokens_in(request)):
            raise EngineError(
                f"The request holds tokens beyond the model's vocabulary of {self.model.config.vocab_size:,}.",
                hint="The model and its tokenizer do not belong together: fetch the model again.",
            )

    def _begin(self, request: Request | ScoreRequest, cancelled: Callable[[], bool]) -> Underway:
        return Underway(self.model, request, self._pool, self._chunk_tokens, cancelled, self.keeper)


def in_all(ended: Sequence[Finished]) -> Finished:
    """What the requests of a batch took together; cancelled if one of them was."""
    return Finished(
        reason="cancelled" if any(each.reason == "cancelled" for each in ended) else "done",
        tokens_cached=sum(each.tokens_cached for each in ended),
        tokens_prefilled=sum(each.tokens_prefilled for each in ended),
        tokens_generated=sum(each.tokens_generated for each in ended),
        prefill_s=sum(each.prefill_s for each in ended),
        tokens_drafted=sum(each.tokens_drafted for each in ended),
        tokens_accepted=sum(each.tokens_accepted for each in ended),
        generate_s=max((each.generate_s for each in ended), default=0.0),
        tokens_restored=sum(each.tokens_restored for each in ended),
        restore_s=sum(each.restore_s for each in ended),
    )

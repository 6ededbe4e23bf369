"""The engine: one model, its recent caches, and the requests it answers.

It knows token ids and numbers only. Every request yields events and ends with `Finished`; a request that is cancelled
ends with it too, keeps the chunks it has read, and leaves nothing half-written, because a cache counts a chunk only
when every layer has written it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import chain
from time import perf_counter

from torch import Tensor

from nemo_docs.engine.branches import log_likelihoods
from nemo_docs.engine.plan import Chunk, chunk_plan
from nemo_docs.engine.pool import CachePool
from nemo_docs.engine.program import Program
from nemo_docs.engine.protocol import (
    Choose,
    Copy,
    EngineEvent,
    Finished,
    Force,
    Free,
    Prefilled,
    Request,
    Scored,
    ScoreRequest,
    Step,
    Token,
)
from nemo_docs.engine.work import ReadingClock
from nemo_docs.errors import ContextExceeded, EngineError
from nemo_docs.kv.cache import KVCache
from nemo_docs.model.transformer import Transformer


class Cancelled(Exception):
    """Raised between layers when the caller no longer wants the answer; never leaves the engine."""


class Engine:
    """Answers requests, one at a time.

    Args:
        model: The weights.
        window_tokens: The most tokens that a prompt and its answer may have together.
        chunk_tokens: How many tokens of a prompt go through the model at once.
        pool_bytes: What the caches of recent sequences may hold together.
    """

    def __init__(self, model: Transformer, *, window_tokens: int, chunk_tokens: int, pool_bytes: int) -> None:
        self.model = model
        self.window_tokens = window_tokens
        self._chunk_tokens = chunk_tokens
        self._pool = CachePool(model.kv_layout, pool_bytes)

    def run(
        self, request: Request | ScoreRequest, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[EngineEvent]:
        """Answer one request.

        Args:
            request: What to read and what to do behind it.
            cancelled: Asked before every layer and token; once it says True the request ends within one of them.

        Raises:
            ContextExceeded: Prompt and answer do not fit the window; nothing was computed.
        """
        ids = [token for segment in request.segments for token in segment]
        needed = tokens_needed(request)
        self._require_room(needed)
        self._require_vocabulary(request)
        chunks = chunk_plan([len(segment) for segment in request.segments], self._chunk_tokens)
        last_segment = len(ids) - len(request.segments[-1])
        reusable = [chunk.end for chunk in chunks if chunk.end <= last_segment]
        cache = self._pool.take(ids, reusable, capacity=needed)
        cached = len(cache)

        def check() -> None:
            if cancelled():
                raise Cancelled

        began = read = perf_counter()
        program: Program | None = None
        reason = "done"
        try:
            logits = yield from self._prefill(ids, chunks, cache, check)
            read = perf_counter()
            if isinstance(request, ScoreRequest):
                values = log_likelihoods(self.model, cache, request.branches, request.tail, check)
                yield Scored(tuple(values))
            else:
                program = Program(self.model, cache, logits, request.sampling, check, drafting=request.drafting)
                for event in program.run(request.steps):
                    yield event
                    if isinstance(event, Token):
                        check()
        except Cancelled:
            reason = "cancelled"
            read = perf_counter() if read == began else read  # cancelled while reading
        finally:
            prefilled = min(len(cache), len(ids)) - cached
            cache.truncate(min(len(cache), len(ids)))
            self._pool.give(cache, keep=last_segment > 0)  # of a single segment nothing can ever be reused
        yield Finished(
            reason=reason,
            tokens_cached=cached,
            tokens_prefilled=prefilled,
            tokens_generated=program.generated if program else 0,
            prefill_s=read - began,
            generate_s=perf_counter() - read,
            tokens_drafted=program.drafted if program else 0,
            tokens_accepted=program.accepted if program else 0,
        )

    def can_begin(self, request: Request | ScoreRequest) -> bool:
        """Whether memory allows this request beside those that are under way."""
        return self._pool.can_lend(tokens_needed(request))

    @property
    def cached_tokens(self) -> int:
        """Held in the caches of recent prompts."""
        return self._pool.tokens

    def holds_anything(self) -> bool:
        """Whether any prompt at all could be found in a cache."""
        return not self._pool.is_empty

    def cached(self, segments: Sequence[Sequence[int]]) -> int:
        """How many leading tokens of a prompt that begins with these segments would not be computed again."""
        ids = [token for segment in segments for token in segment]
        chunks = chunk_plan([len(segment) for segment in segments], self._chunk_tokens)
        return self._pool.shared(ids, [chunk.end for chunk in chunks])

    def _require_room(self, needed: int) -> None:
        if needed > self.window_tokens:
            raise ContextExceeded(
                f"The prompt and its answer need {needed:,} tokens, {needed - self.window_tokens:,} more than the "
                f"model's window of {self.window_tokens:,}.",
                hint="Shorten the question, or choose a smaller window with --window.",
            )

    def _require_vocabulary(self, request: Request | ScoreRequest) -> None:
        """Refuse ids that the model does not have: on a GPU one of them would end the process."""
        if not all(0 <= token < self.model.config.vocab_size for token in _tokens_in(request)):
            raise EngineError(
                f"The request holds tokens beyond the model's vocabulary of {self.model.config.vocab_size:,}.",
                hint="The model and its tokenizer do not belong together: fetch the model again.",
            )

    def _prefill(
        self, ids: list[int], chunks: list[Chunk], cache: KVCache, check: Callable[[], None]
    ) -> Generator[EngineEvent, None, Tensor]:
        """Read what the cache does not hold, chunk by chunk; returns the last row of logits, fp32 [V]."""
        cached = len(cache)
        clock = ReadingClock(self.model.config, done=cached, of=len(ids))
        yield Prefilled(done=cached, of=len(ids), cached=cached, seconds_left=None)
        logits: Tensor | None = None
        for chunk in chunks:
            if chunk.end <= cached:
                continue
            logits = self.model.forward(ids[chunk.start : chunk.end], cache, between_layers=check)
            cache.commit(ids[chunk.start : chunk.end], ends_chunk=True)
            yield Prefilled(done=chunk.end, of=len(ids), cached=cached, seconds_left=clock.seconds_left(chunk.end))
        assert logits is not None  # the last segment is never taken from the cache
        return logits[-1]


def tokens_needed(request: Request | ScoreRequest) -> int:
    """The most tokens that a request's cache will hold: its prompt and what can be written behind it."""
    return sum(map(len, request.segments)) + _most_tokens_behind(request)


def _tokens_in(request: Request | ScoreRequest) -> Iterator[int]:
    """Every token that a request makes the model read."""
    yield from chain.from_iterable(request.segments)
    if isinstance(request, ScoreRequest):
        yield from chain.from_iterable(request.branches)
        return
    for step in request.steps:
        match step:
            case Force():
                yield from step.ids
            case Copy():
                yield from step.source
            case Choose():
                yield from chain.from_iterable(option.ids for option in step.options)


def _most_tokens_behind(request: Request | ScoreRequest) -> int:
    """The most tokens that can be written behind the prompt."""
    if isinstance(request, ScoreRequest):
        return sum(len(branch) for branch in request.branches)
    return sum(_most_tokens_of(step) for step in request.steps)


def _most_tokens_of(step: Step) -> int:
    match step:
        case Force():
            return len(step.ids)
        case Free() | Copy():
            return step.max_tokens
        case Choose():
            return max(len(option.ids) for option in step.options)

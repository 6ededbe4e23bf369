"""What a request reads into which cache, and how much room that takes: functions of the request alone.

A prompt is one part. Where it stands behind several windows, each window is a part of its own, which any other request
for that window finds again, and the prompt behind them is the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import NamedTuple, TypeVar

from nemo_docs.engine.plan import Chunk, chunk_plan
from nemo_docs.engine.protocol import (
    BatchRequest,
    Choose,
    Copy,
    Force,
    Free,
    Request,
    ScoreRequest,
    Step,
    Text,
    Windows,
)

One = TypeVar("One", bound=Request | ScoreRequest)


class Part(NamedTuple):
    """Tokens that go into one cache."""

    ids: list[int]
    """In order."""
    chunks: list[Chunk]
    """How they are cut."""
    reusable: list[int]
    """Ends of the chunks that may be found in a cache."""
    capacity: int
    """Tokens that the cache will hold at most."""
    is_kept: bool
    """Whether another request could find any of it."""
    seen: int = 0
    """Tokens of other caches that these see."""
    texts: tuple[tuple[int, tuple[Text, ...]], ...] = ()
    """Where each segment ends, up to the last that is anybody's text, with all texts up to there; ascending."""


def in_one(request: One) -> One:
    """The same request as a plain prompt, where what it stands behind is a single window that counts as it is."""
    behind = request.behind
    if behind is None or len(behind.each) > 1 or (behind.each and behind.log_weight):
        return request
    whole = replace(request, segments=(*behind.preamble, *chain(*behind.each), *request.segments), behind=None)
    if isinstance(whole, Request) and any(behind.texts):
        return replace(whole, texts=(*(None for _ in behind.preamble), *chain(*behind.texts)))
    return whole


def parts_of(request: Request | ScoreRequest, chunk_tokens: int) -> list[Part]:
    """The parts of a request, in the order in which they are read; behind the last its program writes."""
    segments = request.segments
    ids = [*chain(*segments)]
    chunks = chunk_plan([len(segment) for segment in segments], chunk_tokens)
    capacity = len(ids) + _most_tokens_behind(request)
    if request.behind is not None:
        preamble = (None,) * len(request.behind.preamble)
        windows = [
            _window_part(whole, chunk_tokens, (*preamble, *own))
            for whole, own in zip_longest(_whole(request.behind), request.behind.texts, fillvalue=())
        ]
        seen = sum(len(part.ids) for part in windows) - (len(windows) - 1) * shared_tokens(request.behind)
        return [*windows, Part(ids, chunks, [], capacity, is_kept=False, seen=seen)]
    last_segment = len(ids) - len(segments[-1])
    reusable = [chunk.end for chunk in chunks if chunk.end <= last_segment]
    texts = _texts_in(segments[:-1], request.texts) if isinstance(request, Request) else ()
    # of a single segment nothing can ever be reused
    return [Part(ids, chunks, reusable, capacity, is_kept=last_segment > 0, texts=texts)]


def leading_part(segments: Sequence[Sequence[int]], chunk_tokens: int) -> Part:
    """The part that a prompt begins with, to look it up: all of it may be somebody's text."""
    ids = [*chain(*segments)]
    chunks = chunk_plan([len(segment) for segment in segments], chunk_tokens)
    return Part(ids, chunks, [chunk.end for chunk in chunks], len(ids), is_kept=True, texts=((len(ids), ()),))


def _window_part(segments: tuple[tuple[int, ...], ...], chunk_tokens: int, texts: tuple[Text | None, ...]) -> Part:
    ids = [*chain(*segments)]
    chunks = chunk_plan([len(segment) for segment in segments], chunk_tokens)
    ends = [chunk.end for chunk in chunks]
    return Part(ids, chunks, ends, len(ids), is_kept=True, texts=_texts_in(segments, texts))


def _texts_in(
    segments: tuple[tuple[int, ...], ...], texts: tuple[Text | None, ...]
) -> tuple[tuple[int, tuple[Text, ...]], ...]:
    """Where each text ends, with all texts up to there: the numbers of a token depend on every one before it."""
    found: list[tuple[int, tuple[Text, ...]]] = []
    so_far: tuple[Text, ...] = ()
    end = last = 0
    for segment, text in zip(segments, texts, strict=False):
        end += len(segment)
        if text is not None:
            so_far = (*so_far, text) if text not in so_far else so_far
            last = end
        found.append((end, so_far))
    return tuple(each for each in found if each[0] <= last)


def shared_tokens(windows: Windows) -> int:
    """How many tokens all the windows begin with."""
    return sum(map(len, windows.preamble))


def tokens_needed(request: Request | ScoreRequest | BatchRequest) -> int:
    """The most tokens that a request's caches will hold together: what it reads, and what can be written behind it.

    Of a batch it is the largest request: the others are taken along as far as there is room.
    """
    if isinstance(request, BatchRequest):
        return max(map(tokens_needed, request.requests), default=0)
    return tokens_behind(request) + sum(map(_length, _whole(request.behind)))


def last_position(request: Request | ScoreRequest) -> int:
    """Behind the last token that a request can write: what must lie within the model's window."""
    return tokens_behind(request) + max(map(_length, _whole(request.behind)), default=0)


def tokens_behind(request: Request | ScoreRequest) -> int:
    """The prompt itself and the most tokens that can be written behind it."""
    return _length(request.segments) + _most_tokens_behind(request)


def tokens_in(request: Request | ScoreRequest) -> Iterator[int]:
    """Every token that a request makes the model read."""
    yield from chain(*request.segments)
    for segments in _whole(request.behind):
        yield from chain(*segments)
    if isinstance(request, ScoreRequest):
        yield from chain(*request.branches)
        return
    for step in request.steps:
        match step:
            case Force():
                yield from step.ids
            case Copy():
                yield from step.source
            case Choose():
                yield from chain.from_iterable(option.ids for option in step.options)


def _whole(windows: Windows | None) -> list[tuple[tuple[int, ...], ...]]:
    """The segments of each window, with the preamble."""
    return [] if windows is None else [(*windows.preamble, *own) for own in windows.each]


def _length(segments: tuple[tuple[int, ...], ...]) -> int:
    return sum(map(len, segments))


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

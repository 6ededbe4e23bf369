"""Attention in few shapes: for an Apple GPU, which compiles every shape anew and keeps what it compiled.

A past is cut into blocks whose lengths are powers of two, the longest first, read where they lie. What is left, less
than a bucket, and the new tokens themselves are copied into a place of their own, filled up with zeros to whole buckets
and masked. So a sequence of any length is attended to in the same handful of shapes, at the price of a copy of one or
two thousand tokens a layer; blocks are merged by their log-sum-exp, exactly. The fill is zeros because memory that was
never written may hold what is no number, which no mask would undo.

PyTorch's own attention is not used: on this device it returns no log-sum-exp, repeats the heads of grouped queries and
holds all scores at once. Products are in the model's dtype, softmax in fp32: scores of a bf16 model are rounded to
bf16, as they are in the form for a CPU.

Dimensions: T new tokens, S tokens of a block, H query heads, K key/value heads, G = H / K, D head size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from nemo_docs.kv.cache import Past
from nemo_docs.model.attention import PLAIN_SCORE_ELEMENTS, Partial, merge
from nemo_docs.model.operations import PlainOperations

BUCKET_TOKENS = 1024
"""The shortest block; what is left of a past is filled up to a multiple of it."""
LONGEST_TOKENS = 16_384
"""The longest block: half of what the first chips sum over correctly, and as many as a packed past comes in."""
SCORE_ELEMENTS = PLAIN_SCORE_ELEMENTS
"""Scores that are held at once, at the most: 256 MiB in fp32."""
PACED_TOKENS = 64
"""A layer of more new tokens is waited for."""


class AppleOperations(PlainOperations):
    """The plain elementwise work, which runs in the same shapes for every token, and attention in few shapes."""

    def attend(self, q: Tensor, past: Sequence[Past], mask: Tensor | None = None) -> Tensor:
        """Shapes: q [H, T, D] -> [H, T, D]."""
        found = attend(q, past, mask)
        if q.device.type == "mps" and q.shape[1] > PACED_TOKENS:
            torch.mps.synchronize()  # so that a cancel between layers acts soon, and scratch memory is let go
        return found


class Block(NamedTuple):
    """Some keys and values, in one of the few lengths."""

    k: Tensor
    """[K, S, D]"""
    v: Tensor
    """[K, S, D]"""
    seen: Tensor | None = None
    """Which new token sees which key, bool [T, S] or [1, S]; None for all of them."""


def attend(q: Tensor, past: Sequence[Past], mask: Tensor | None = None) -> Tensor:
    """Attention of new tokens over their past and themselves, as `nemo_docs.model.attention.attend`.

    Shapes: q [H, T, D]; mask [T, T], bool -> [H, T, D], q's dtype.
    """
    return reduce(merge, _parts(q * q.shape[-1] ** -0.5, past, mask)).out.to(q.dtype)


def _parts(q: Tensor, past: Sequence[Past], mask: Tensor | None) -> Iterator[Partial]:
    """Attention over each block, one after the other. Shapes: q [H, T, D], scaled."""
    tokens, last = q.shape[1], len(past) - 1
    for n, piece in enumerate(past):
        for block in blocks(piece, tokens if n == last else 0, mask):
            out, lse = _over(q, block)
            yield Partial(out, lse + piece.log_weight)


def blocks(piece: Past, own: int, mask: Tensor | None = None) -> Iterator[Block]:
    """A piece of a past in blocks of few lengths; the last one is filled up and holds the new tokens.

    Args:
        piece: Keys and values.
        own: How many of the last ones are the new tokens' own.
        mask: Which new token sees which, True for seen, [T, T]; None for the causal triangle.
    """
    held, start = piece.k.shape[1], 0
    for length in lengths(held - own):
        rows = slice(start, start + length)
        yield Block(piece.k[:, rows], piece.v[:, rows])
        start += length
    if start < held:
        room = -(-(held - start) // BUCKET_TOKENS) * BUCKET_TOKENS
        seen = _seen(held - start - own, own, room, mask, piece.k.device)
        yield Block(_filled_up(piece.k[:, start:], room), _filled_up(piece.v[:, start:], room), seen)


def lengths(tokens: int) -> Iterator[int]:
    """Powers of two that make up a past but for less than a bucket.

    Worked example: 40,000 -> 16,384 16,384 4,096 2,048 1,024, and 64 are left.
    """
    length = LONGEST_TOKENS
    while length >= BUCKET_TOKENS:
        yield from [length] * (tokens // length)
        tokens, length = tokens % length, length // 2


def _filled_up(rows: Tensor, room: int) -> Tensor:
    """Shapes: [K, S, D] -> [K, room, D]."""
    kv_heads, tokens, size = rows.shape
    filled = rows.new_zeros(kv_heads, room, size)
    filled[:, :tokens] = rows
    return filled


def _seen(before: int, own: int, room: int, mask: Tensor | None, device: torch.device) -> Tensor:
    """Who sees whom in a block of some keys of the past, the new tokens, and a fill.

    Shapes: bool [own, room], or [1, room] where every new token sees the same.
    """
    at = torch.arange(room, device=device)
    if not own:
        return (at < before).unsqueeze(0)
    if mask is None:
        return at <= before + torch.arange(own, device=device).unsqueeze(1)
    seen = (at < before).repeat(own, 1)
    seen[:, before : before + own] = mask
    return seen


def _over(q: Tensor, block: Block) -> Partial:
    """Attention over one block, for some of the new tokens at a time. Shapes: q [H, T, D], scaled."""
    heads, tokens, size = q.shape
    kv_heads, keys, _ = block.k.shape
    grouped = q.reshape(kv_heads, heads // kv_heads, tokens, size)  # [K, G, T, D]
    step = max(1, SCORE_ELEMENTS // (heads * keys))
    parts = []
    for start in range(0, tokens, step):
        seen, rows = block.seen, slice(start, start + step)
        if seen is not None and len(seen) > 1:
            seen = seen[rows]
        parts.append(_at_once(grouped[:, :, rows], block.k, block.v, seen))
    out, lse = (torch.cat(each, dim=2) for each in zip(*parts, strict=True))
    return Partial(out.view(heads, tokens, size), lse.view(heads, tokens))


def _at_once(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
    """The query heads of a key/value head are rows of one product; every row sees at least one key.

    Shapes: q [K, G, T, D]; k, v [K, S, D] -> fp32 [K, G, T, D], fp32 [K, G, T].
    """
    kv_heads, group, tokens, size = q.shape
    rows = q.reshape(kv_heads, group * tokens, size)
    scores = torch.bmm(rows, k.transpose(1, 2)).float().view(kv_heads, group, tokens, -1)  # [K, G, T, S]
    if seen is not None:
        scores.masked_fill_(~seen, float("-inf"))
    top = scores.amax(-1, keepdim=True)  # [K, G, T, 1]
    shares = scores.sub_(top).exp_()
    total = shares.sum(-1, keepdim=True)  # [K, G, T, 1]
    out = torch.bmm(shares.to(v.dtype).view(kv_heads, group * tokens, -1), v).view(q.shape)
    return out / total, (top + total.log()).squeeze(-1)

"""Attention in pieces that merge exactly.

A chunk of T new tokens sees all of its past and a triangle of itself. With fused kernels both parts run as separate
calls that also return the log-sum-exp of their scores, and are merged by it: the past needs no mask, so the G query
heads that share a key/value head fold into its rows and the fast kernels apply; and a past may come in several pieces,
each with a weight. Calling SDPA once with `is_causal=True` would be wrong for a chunk after a past: its triangle is
aligned upper-left. In bf16 on a CPU the fused kernel is the slower one, and one plain softmax does it all.

Dimensions: T new tokens, S tokens of a past, H query heads, K key/value heads, G = H / K, D head size.

Source: the merge is that of FlashAttention's split softmax, arXiv:2205.14135, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from nemo_docs.kv.cache import Past

PLAIN_SCORE_ELEMENTS = 1 << 26
"""The plain form works in slices of rows, so that one slice of scores holds at most this many numbers."""
FOLDED_ROWS = 192
"""So many rows of scores over some thousand keys stay in the cache of a processor's core."""


class Partial(NamedTuple):
    """Attention over one piece, normalised within it."""

    out: Tensor
    """[H, T, D]"""
    lse: Tensor
    """Log-sum-exp of the scaled scores, fp32 [H, T]."""


def attend(q: Tensor, past: Sequence[Past], mask: Tensor | None = None) -> Tensor:
    """Attention of new tokens over their past and themselves.

    Args:
        q: Queries, already rotated. [H, T, D]
        past: Pieces that every query sees whole, but for the last T rows of the last piece: they are the new tokens.
            Empty ones are skipped.
        mask: Which new token sees which, True for seen, [T, T]; None for the causal triangle.

    Returns:
        [H, T, D], q's dtype.
    """
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        return in_one_softmax(q, [piece for piece in past if piece.k.shape[1]], mask)
    return reduce(merge, _parts(q, past, mask)).out.to(q.dtype)


def _parts(q: Tensor, past: Sequence[Past], mask: Tensor | None) -> Iterator[Partial]:
    """Attention over each piece, one after the other: a piece that was unpacked is let go before long."""
    tokens, last = q.shape[1], len(past) - 1
    for n, piece in enumerate(past):
        own = tokens if n == last and tokens > 1 else 0  # a single token sees itself, so the last piece whole
        before = piece.k.shape[1] - own
        if before:
            yield over_past(q, Past(piece.k[:, :before], piece.v[:, :before], piece.log_weight))
        if own:
            out, lse = over_own(q, piece.k[:, before:], piece.v[:, before:], mask)
            yield Partial(out, lse + piece.log_weight)


def attend_each(
    q: Tensor, pasts: Sequence[Sequence[Past]], one: Callable[[Tensor, Sequence[Past]], Tensor] = attend
) -> Tensor:
    """Attention of one new token of each of several sequences, in the plain form: one sequence after the other.

    Args:
        q: Queries, already rotated. [H, B, D]
        pasts: The pieces that the token of each sequence sees whole, itself among them.
        one: Attention of one of them: `attend`, or a device's own.

    Returns:
        [H, B, D], q's dtype.
    """
    return torch.cat([one(q[:, b : b + 1], past) for b, past in enumerate(pasts)], dim=1)


def in_one_softmax(q: Tensor, past: Sequence[Past], mask: Tensor | None = None) -> Tensor:
    """The textbook form a head at a time, for bf16 on a CPU; arguments and result are those of `attend`.

    There the library's product of two matrices is an order of magnitude faster than the products inside its fused
    kernel, and a head's scores stay in the processor's cache. The price is scores rounded to bf16, which the logits of
    a bf16 model do not show.
    """
    heads, tokens, size = q.shape
    kv_heads = past[0].k.shape[0]
    # Few tokens (a question) leave room for the query heads that share a key/value head to be rows of one product.
    rows = q.reshape(kv_heads, -1, size) if heads // kv_heads * tokens <= FOLDED_ROWS else q  # [N, R, D]
    rows = rows * size**-0.5
    hidden = None if tokens == 1 else ~_seen(tokens, mask, q.device)  # [T, T]
    out = torch.empty_like(rows)
    for n in range(len(rows)):
        kv = n * kv_heads // len(rows)
        pieces = [_scores(rows[n], piece.k[kv], piece.log_weight) for piece in past]
        scores = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=-1)  # [R, S]
        if hidden is not None:
            scores.view(-1, tokens, scores.shape[-1])[..., -tokens:].masked_fill_(hidden, float("-inf"))
        shares = torch.split(scores.softmax(-1), [piece.k.shape[1] for piece in past], dim=-1)
        torch.mm(shares[0], past[0].v[kv], out=out[n])
        for share, piece in zip(shares[1:], past[1:], strict=True):
            out[n].addmm_(share, piece.v[kv])
    return out.view(heads, tokens, size)


def _scores(rows: Tensor, k: Tensor, log_weight: float) -> Tensor:
    """Shapes: rows [R, D]; k [S, D] -> [R, S]."""
    scores = rows @ k.t()
    return scores.add_(log_weight) if log_weight else scores


def _seen(tokens: int, mask: Tensor | None, device: torch.device) -> Tensor:
    """Which new token sees which: the mask, else the causal triangle. Shapes: [T, T], bool."""
    return torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril() if mask is None else mask


def over_past(q: Tensor, past: Past) -> Partial:
    """Every query sees every key: query heads fold into rows of their key/value head.

    Shapes: q [H, T, D].
    """
    heads, tokens, size = q.shape
    kv_heads = past.k.shape[0]
    folded = q.reshape(kv_heads, heads // kv_heads * tokens, size)  # [K, G*T, D]
    out, lse = _kernel(folded, past.k, past.v, causal=False, mask=None)
    return Partial(out.reshape(heads, tokens, size), lse.reshape(heads, tokens) + past.log_weight)


def over_own(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Partial:
    """New tokens see each other: causally, or as `mask` says.

    Shapes: q [H, T, D]; k, v [K, T, D]; mask [T, T], bool.
    """
    group = q.shape[0] // k.shape[0]
    k, v = k.repeat_interleave(group, dim=0), v.repeat_interleave(group, dim=0)  # [H, T, D]
    return Partial(*_kernel(q, k, v, causal=mask is None, mask=mask))


def merge(a: Partial, b: Partial) -> Partial:
    """Attention over two disjoint pieces from the attention over each.

    Shapes: all [H, T, D] and [H, T].
    """
    share = torch.sigmoid(b.lse - a.lse).unsqueeze(-1)  # [H, T, 1], of b in the whole
    return Partial(torch.lerp(a.out.float(), b.out.float(), share), torch.logaddexp(a.lse, b.lse))


def _kernel(q: Tensor, k: Tensor, v: Tensor, *, causal: bool, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """One fused call that returns its log-sum-exp, or the plain form where the device has none.

    Shapes: q [N, R, D]; k, v [N, S, D] -> [N, R, D], fp32 [N, R].
    """
    if q.device.type == "cpu":
        bias = None if mask is None else torch.zeros(mask.shape, dtype=q.dtype).masked_fill_(~mask, float("-inf"))
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q[None], k[None], v[None], 0.0, causal, attn_mask=None if bias is None else bias[None, None]
        )
        return out[0], lse[0]
    if q.device.type == "cuda" and mask is None and q.dtype in (torch.bfloat16, torch.float16):
        out, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(q[None], k[None], v[None], 0.0, causal)
        return out[0], lse[0]
    return plain(q, k, v, causal=causal, mask=mask)


def plain(q: Tensor, k: Tensor, v: Tensor, *, causal: bool, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """The textbook form, in fp32, a slice of rows at a time: what every device can run and others are compared with.

    Shapes: q [N, R, D]; k, v [N, S, D]; mask [R, S] -> [N, R, D] in q's dtype, fp32 [N, R].
    """
    rows = max(1, PLAIN_SCORE_ELEMENTS // (q.shape[0] * k.shape[1]))
    outs, lses = [], []
    for start in range(0, q.shape[1], rows):
        piece = q[:, start : start + rows].float() * q.shape[-1] ** -0.5  # [N, r, D]
        scores = piece @ k.float().transpose(1, 2)  # [N, r, S]
        seen = mask[start : start + rows] if mask is not None else None
        if causal:
            shape = (piece.shape[1], k.shape[1])
            seen = torch.ones(shape, dtype=torch.bool, device=q.device).tril(start)
        if seen is not None:
            scores = scores.masked_fill(~seen, float("-inf"))
        lse = scores.logsumexp(-1)  # [N, r]
        outs.append(((scores - lse.unsqueeze(-1)).exp() @ v.float()).to(q.dtype))
        lses.append(lse)
    return torch.cat(outs, dim=1), torch.cat(lses, dim=1)

"""Attention in pieces that merge exactly.

A chunk of T new tokens sees all of its past and a triangle of itself. Both parts run as separate calls that also
return the log-sum-exp of their scores, and are merged by it: the past needs no mask, so the G query heads that share a
key/value head fold into its rows and the fast kernels apply; and a past may come in several pieces, each with a
weight. Calling SDPA once with `is_causal=True` would be wrong for a chunk after a past: its triangle is aligned
upper-left.

Dimensions: T new tokens, S tokens of a past, H query heads, K key/value heads, G = H / K, D head size.

Source: the merge is that of FlashAttention's split softmax, arXiv:2205.14135, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

PLAIN_SCORE_ELEMENTS = 1 << 26
"""The plain form works in slices of rows, so that one slice of scores holds at most this many numbers."""


class Past(NamedTuple):
    """Keys and values that every new token may see."""

    k: Tensor
    """[K, S, D]"""
    v: Tensor
    """[K, S, D]"""
    log_weight: float = 0.0
    """Added to the log-sum-exp of this piece: 0 counts it as it is."""


class Partial(NamedTuple):
    """Attention over one piece, normalised within it."""

    out: Tensor
    """[H, T, D]"""
    lse: Tensor
    """Log-sum-exp of the scaled scores, fp32 [H, T]."""


def attend(q: Tensor, past: Sequence[Past], own: tuple[Tensor, Tensor] | None, mask: Tensor | None = None) -> Tensor:
    """Attention of new tokens over their past and themselves.

    Args:
        q: Queries, already rotated. [H, T, D]
        past: Pieces that every query sees whole; empty ones are skipped.
        own: Keys and values of the new tokens, [K, T, D] each, or None when the last piece of `past` holds them (a
            single new token).
        mask: Which new token sees which, True for seen, [T, T]; None for the causal triangle.

    Returns:
        [H, T, D], q's dtype.
    """
    parts = [over_past(q, piece) for piece in past if piece.k.shape[1]]
    if own is not None:
        parts.append(over_own(q, *own, mask))
    merged = parts[0]
    for part in parts[1:]:
        merged = merge(merged, part)
    return merged.out.to(q.dtype)


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

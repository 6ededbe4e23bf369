# mypy: disable-error-code="no-untyped-def"
"""Attention of a chunk of a prompt on an NVIDIA GPU: fused calls on a few fixed shapes, merged in one pass.

On Hopper and later cuDNN is almost twice as fast as flash attention, but it builds a plan for every shape and stride it
meets, which takes up to half a second. So a past is taken in blocks of three sizes, each laid into a tensor of its own
(under one percent of the block's attention), and a chunk that is not much shorter than a full one is padded to it: four
plans serve every document, whatever its length and the capacity of its cache. What is left, short chunks and the rest
of a past, goes through flash attention, which takes any shape; on older GPUs all of it does, which is faster there.

Dimensions: T new tokens, S tokens of a past, H query heads, K key/value heads, D head size.

Source: the merge is that of FlashAttention's split softmax, arXiv:2205.14135, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from nemo_docs.kv.cache import Past
from nemo_docs.model.cuda.language import blocks, jit, tl

FULL_CHUNK = 8192
"""Tokens of a prompt that go through the model at once: products reach their full rate, scratch stays near 1 GB."""
BLOCK_TOKENS = (32768, 16384, 8192)
"""Sizes in which a past is taken, largest first."""
PADDED_SHARE = 0.6
"""A chunk of at least this share of a full one is padded: flash attention reaches about 0.6 of cuDNN's rate."""
COPIED = 4096
"""Elements that one program copies."""
MERGE_TOKENS = 16
"""Tokens of one head that one program merges."""


class Piece(NamedTuple):
    """Attention over some of the keys, normalised within them."""

    out: Tensor
    """[H, T, D], contiguous."""
    lse: Tensor
    """Log-sum-exp of the scaled scores, fp32 [H, T], contiguous."""
    log_weight: float
    """Added to it."""


@jit
def _merge(
    outs, lses, log_weights, merged, padded, tokens, COUNT: tl.constexpr, HEADS: tl.constexpr, SIZE: tl.constexpr,
    TOKENS: tl.constexpr,
):  # fmt: skip
    head = tl.program_id(0)
    t = tl.program_id(1) * TOKENS + tl.arange(0, TOKENS)
    columns = tl.arange(0, SIZE)
    inside = t < tokens
    row = head.to(tl.int64) * padded + t
    at = row[:, None] * SIZE + columns[None, :]
    highest = tl.load(lses[0] + row, mask=inside, other=0.0) + log_weights[0]
    total = tl.full((TOKENS,), 1.0, tl.float32)
    summed = tl.load(outs[0] + at, mask=inside[:, None], other=0.0).to(tl.float32)
    for n in tl.static_range(1, COUNT):
        lse = tl.load(lses[n] + row, mask=inside, other=0.0) + log_weights[n]
        higher = tl.maximum(highest, lse)
        before, now = tl.exp(highest - higher), tl.exp(lse - higher)
        summed = summed * before[:, None] + now[:, None] * tl.load(outs[n] + at, mask=inside[:, None], other=0.0).to(
            tl.float32
        )
        total = total * before + now
        highest = higher
    write = t.to(tl.int64)[:, None] * (HEADS * SIZE) + head * SIZE + columns[None, :]
    tl.store(merged + write, (summed / total[:, None]).to(merged.dtype.element_ty), mask=inside[:, None])


def merged(pieces: Sequence[Piece], tokens: int) -> Tensor:
    """Attention over all keys from the attention over each piece; rows beyond `tokens` are padding.

    Reads every piece once and writes once: in bf16 at NeMo's size 17 microseconds a piece for 8,192 tokens.

    Returns:
        [H, T, D], laid out token by token, as the product that follows wants it.
    """
    heads, padded, size = pieces[0].out.shape
    out = pieces[0].out.new_empty(tokens, heads, size)
    _merge[(heads, blocks(tokens, MERGE_TOKENS))](
        tuple(piece.out for piece in pieces),
        tuple(piece.lse for piece in pieces),
        tuple(float(piece.log_weight) for piece in pieces),
        out,
        padded,
        tokens,
        COUNT=len(pieces),
        HEADS=heads,
        SIZE=size,
        TOKENS=MERGE_TOKENS,
    )
    return out.transpose(0, 1)


class Fused(Protocol):
    """A fused call over folded or whole heads; query heads may be a multiple of key heads."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
        """Shapes: q [N, R, D]; k, v [K, S, D] -> [N, R, D] and log-sum-exp, fp32 [N, R]."""
        ...


@jit
def _copy(x, out, stride, length, SIZE: tl.constexpr):
    head = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    tl.store(out + head * length + at, tl.load(x + head * stride + at, mask=at < length), mask=at < length)


def laid_out(x: Tensor) -> Tensor:
    """A part of a cache in memory of its own; torch copies such a part at a fifth of the rate.

    Shapes: x [K, S, D], rows of a head beside each other.
    """
    heads, length = x.shape[0], x.shape[1] * x.shape[2]
    if x.is_contiguous() or not x[0].is_contiguous():
        return x.contiguous()
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    _copy[(heads, blocks(length, COPIED))](x, out, x.stride(0), length, SIZE=COPIED)
    return out


def attend_to_chunk(q: Tensor, past: Sequence[Past], *, any_shape: Fused, few_shapes: Fused | None) -> Tensor:
    """Causal attention of a chunk over its past and itself, as `attention.attend` without a mask.

    Args:
        q: Queries, already rotated. [H, T, D]
        past: Pieces; the last T rows of the last one are the chunk itself.
        any_shape: A call that takes any shape.
        few_shapes: A faster one whose shapes should be few, or None.

    Returns:
        [H, T, D]
    """
    heads, tokens, size = q.shape
    last = past[-1]
    before = Past(last.k[:, :-tokens], last.v[:, :-tokens], last.log_weight)
    k, v = last.k[:, -tokens:], last.v[:, -tokens:]
    fixed = few_shapes if PADDED_SHARE * FULL_CHUNK <= tokens <= FULL_CHUNK else None
    if fixed is not None and tokens < FULL_CHUNK:
        # Padded keys come last, so no token sees them; zeros, because even a weight of nought does not hide a NaN.
        q, k, v = (F.pad(each, (0, 0, 0, FULL_CHUNK - tokens)) for each in (q, k, v))
    q, k, v = q.contiguous(), laid_out(k), laid_out(v)
    pieces = [Piece(*_whole((fixed or any_shape)(q, k, v, causal=True), heads), last.log_weight)]
    folded = q.view(len(k), -1, size)  # [K, G*T, D]: without a mask the heads that share keys are rows
    for n in range(len(past)):  # one at a time: a packed cache unpacks a piece when it is asked for
        piece = past[n] if n < len(past) - 1 else before
        start = 0
        for length in block_lengths(piece.k.shape[1]) if fixed is not None else []:
            assert fixed is not None
            cut = slice(start, start + length)
            found = fixed(folded, laid_out(piece.k[:, cut]), laid_out(piece.v[:, cut]), causal=False)
            pieces.append(Piece(*_whole(found, heads), piece.log_weight))
            start += length
        if start < piece.k.shape[1]:
            found = any_shape(folded, piece.k[:, start:], piece.v[:, start:], causal=False)
            pieces.append(Piece(*_whole(found, heads), piece.log_weight))
    return merged(pieces, tokens)


def block_lengths(tokens: int) -> list[int]:
    """In which blocks a past is taken, the rest left over.

    Worked example: 60,000 -> 32,768, 16,384, 8,192, and 2,656 are left.
    """
    lengths = []
    for size in BLOCK_TOKENS:
        lengths += [size] * (tokens // size)
        tokens %= size
    return lengths


def _whole(found: tuple[Tensor, Tensor], heads: int) -> tuple[Tensor, Tensor]:
    """Unfolded. Shapes: [N, R, D], [N, R] -> [H, T, D], [H, T]."""
    out, lse = found
    return out.contiguous().view(heads, -1, out.shape[-1]), lse.contiguous().view(heads, -1)


def cudnn(q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
    """Through cuDNN. Shapes: q [N, R, D]; k, v [K, S, D] -> [N, R, D], fp32 [N, R]."""
    out, lse, *_ = torch.ops.aten._scaled_dot_product_cudnn_attention(
        q[None], k[None], v[None], None, True, 0.0, causal
    )
    return out[0], lse[0].reshape(q.shape[:2])


def flash(q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
    """Through flash attention. Shapes: q [N, R, D]; k, v [K, S, D] -> [N, R, D], fp32 [N, R]."""
    out, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(q[None], k[None], v[None], 0.0, causal)
    return out[0], lse[0]

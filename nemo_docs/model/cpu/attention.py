"""Attention of a few new tokens over a long past, on a CPU.

The past is read once: the G query heads that share a key/value head take each key and value together, widened to fp32
in registers. It is cut into stretches that threads take apart, each with its own softmax, and the stretches are merged
by their log-sum-exp, exactly. A stretch goes through in blocks whose scores stay in the innermost cache.

Dimensions: T new tokens, S tokens of a past, H query heads, K key/value heads, G = H / K, D head size.

Source: FlashAttention's split softmax, arXiv:2205.14135; flash decoding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nemo_docs.model.cpu.compiler import compiled, get_num_threads, intrinsic, prange, types, unpack_tuple
from nemo_docs.model.cpu.vectors import Vectors

WIDTH = 16
"""Elements of a vector; a head's size is a multiple of it."""
BLOCK = 128
"""Keys whose scores are kept at once."""
LEAST_STRETCH = 256
"""Keys below which a past is not cut further: a thread's start costs as much."""
STRETCHES_A_THREAD = 2
"""So that threads end together though one is slowed by others."""

Floats = NDArray[np.float32]
_NONE = np.empty((0, 0), np.float32)


class Rows(NamedTuple):
    """Keys or values as they are kept."""

    codes: NDArray[Any]
    """fp32, the bits of bf16, or int8. [K, S, D]"""
    scales: Floats | None = None
    """Of int8, one a token and head. [K, S]"""


def attend(q: Floats, k: Rows, v: Rows, own: int, threads: int = 0) -> tuple[Floats, Floats]:
    """Attention over one piece of the past.

    Args:
        q: Queries, rotated and scaled. [T, H, D]
        k: Keys.
        v: Values, kept likewise.
        own: How many of the last keys are the new tokens' own: T, of which token t sees t + 1, or 0.
        threads: How many to use; 0 for all.

    Returns:
        The result, normalised [T, H, D], and the log-sum-exp of its scores [T, H].
    """
    tokens, heads, size = q.shape
    kv_heads, past = k.codes.shape[:2]
    wanted = -(-(threads or get_num_threads()) * STRETCHES_A_THREAD // kv_heads)
    stretches = max(1, min(wanted, past // LEAST_STRETCH))
    function = _attention(heads // kv_heads, size, k.codes.dtype.itemsize * 8)
    out = np.empty((stretches, tokens, heads, size), np.float32)
    lse = np.empty((stretches, tokens, heads), np.float32)
    k_scales, v_scales = (_NONE if rows.scales is None else rows.scales for rows in (k, v))
    function(q, k.codes, v.codes, k_scales, v_scales, own, out, lse)
    return merged(out, lse)


def merged(out: Floats, lse: Floats) -> tuple[Floats, Floats]:
    """Attention over several disjoint pieces from the attention over each.

    Shapes: out [N, T, H, D], lse [N, T, H] -> [T, H, D], [T, H].
    """
    if len(out) == 1:
        return out[0], lse[0]
    top = lse.max(axis=0)
    shares = np.exp(lse - top)
    total = shares.sum(axis=0)
    shares /= total
    return np.einsum("nth,nthd->thd", shares, out), top + np.log(total)


@cache
def _attention(group: int, size: int, bits: int) -> Callable[..., None]:
    """The function for one shape of heads and one type of keys; compiled when first called, and kept on disk."""
    number_bytes = bits // 8

    def attention(q: Any, k: Any, v: Any, k_scales: Any, v_scales: Any, own: int, out: Any, lse: Any) -> None:
        tokens, past, stretches = q.shape[0], k.shape[1], out.shape[0]
        row = size * number_bytes
        for task in prange(k.shape[0] * stretches):
            head, stretch = task // stretches, task % stretches
            begin, end = past * stretch // stretches, past * (stretch + 1) // stretches
            scores = np.empty((group, BLOCK), np.float32)
            for token in range(tokens):
                seen = min(end, past - own + token + 1) if own else end
                result = out[stretch, token, head * group : (head + 1) * group]
                result[:] = 0
                most = np.full(group, -np.inf, np.float32)
                total = np.zeros(group, np.float32)
                for at in range(begin, seen, BLOCK):
                    count = min(BLOCK, seen - at)
                    for n in range(count):
                        _scores(
                            group,
                            size,
                            bits,
                            (
                                q.ctypes.data + 4 * size * (token * q.shape[1] + head * group),
                                k.ctypes.data + k.strides[0] * head + row * (at + n),
                                scores.ctypes.data + 4 * n,
                            ),
                        )
                    for g in range(group):
                        if bits == 8:
                            for n in range(count):
                                scores[g, n] *= k_scales[head, at + n]
                        top = most[g]
                        for n in range(count):
                            top = max(top, scores[g, n])
                        for n in range(count, -(-count // WIDTH) * WIDTH):
                            scores[g, n] = -np.inf
                        fade = np.exp(most[g] - top)
                        most[g] = top
                        total[g] *= fade
                        for d in range(size):
                            result[g, d] *= fade
                        for n in range(0, count, WIDTH):
                            total[g] += _exp_less(scores.ctypes.data + 4 * (BLOCK * g + n), top)
                        if bits == 8:
                            for n in range(count):
                                scores[g, n] *= v_scales[head, at + n]
                    for n in range(count):
                        _add_values(
                            group,
                            size,
                            bits,
                            (
                                scores.ctypes.data + 4 * n,
                                v.ctypes.data + v.strides[0] * head + row * (at + n),
                                result.ctypes.data,
                            ),
                        )
                for g in range(group):
                    lse[stretch, token, head * group + g] = most[g] + np.log(total[g])
                    if total[g] > 0:
                        for d in range(size):
                            result[g, d] /= total[g]

    return compiled(attention, parallel=True)


def _row(vectors: Vectors, bits: int, address: Any, element: int) -> Any:
    """A vector of a key or value, as fp32."""
    if bits == 8:
        return vectors.load_int8(vectors.offset(address, element))
    if bits == 16:
        return vectors.load_bfloat16(vectors.offset(address, 2 * element))
    return vectors.load(vectors.offset(address, 4 * element))


@intrinsic(prefer_literal=True)
def _scores(context: Any, group: Any, size: Any, bits: Any, addresses: Any) -> Any:
    """Scores of one key for all queries of its head; addresses of queries, key, scores (a block apart)."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        queries, key, scores = unpack_tuple(builder, arguments[-1])
        vectors = Vectors(builder, WIDTH)
        heads, width = group.literal_value, size.literal_value
        totals = [vectors.constant(0.0)] * heads
        for element in range(0, width, WIDTH):
            part = _row(vectors, bits.literal_value, key, element)
            for head in range(heads):
                query = vectors.load(vectors.offset(queries, 4 * (head * width + element)))
                totals[head] = vectors.multiply_add(query, part, totals[head])
        for head in range(heads):
            vectors.store(vectors.sum(totals[head]), vectors.offset(scores, 4 * BLOCK * head))
        return target.get_dummy_value()

    return types.void(group, size, bits, addresses), generate


@intrinsic
def _exp_less(context: Any, address: Any, top: Any) -> Any:
    """Replace `WIDTH` scores by e^(score - top); their sum."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        where, most = arguments
        vectors = Vectors(builder, WIDTH)
        values = vectors.exp(builder.fsub(vectors.load(where), vectors.splat(most)))
        vectors.store(values, where)
        return vectors.sum(values)

    return types.float32(address, types.float32), generate


@intrinsic(prefer_literal=True)
def _add_values(context: Any, group: Any, size: Any, bits: Any, addresses: Any) -> Any:
    """Add one value, weighted for each query of its head; addresses of weights (a block apart), value, results."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        weights, value, results = unpack_tuple(builder, arguments[-1])
        vectors = Vectors(builder, WIDTH)
        heads, width = group.literal_value, size.literal_value
        shares = [vectors.number(vectors.offset(weights, 4 * BLOCK * head)) for head in range(heads)]
        for element in range(0, width, WIDTH):
            part = _row(vectors, bits.literal_value, value, element)
            for head in range(heads):
                at = vectors.offset(results, 4 * (head * width + element))
                vectors.store(vectors.multiply_add(shares[head], part, vectors.load(at)), at)
        return target.get_dummy_value()

    return types.void(group, size, bits, addresses), generate

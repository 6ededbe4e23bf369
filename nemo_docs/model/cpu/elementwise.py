"""What stands between the products of a layer: norms, rotation, the gate. A few thousand numbers, one thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nemo_docs.model.cpu.compiler import compiled, intrinsic, types
from nemo_docs.model.cpu.vectors import Vectors

Floats = NDArray[np.float32]

WIDTH = 16
"""Elements of a vector; a feed-forward's width is a multiple of it."""


def add_and_norm(x: Floats, delta: Floats, weight: Floats, epsilon: float) -> Floats:
    """Add to the residual stream, in place, and return its RMSNorm. Shapes: x, delta [T, dim], weight [dim]."""
    out: Floats = _kernel(_add_and_norm)(x, delta, weight, epsilon)
    return out


def rotate(heads: Floats, cosines: Floats, sines: Floats, count: int) -> None:
    """Turn the first `count` heads of each token by its position, in place.

    Shapes: heads [T, N, D]; cosines, sines [T, D / 2].
    """
    _kernel(_rotate)(heads, cosines, sines, count)


def gated(both: Floats) -> Floats:
    """silu(gate) * up. Shapes: both [T, 2 * hidden], gate first -> [T, hidden]."""
    out: Floats = _kernel(_gated)(both)
    return out


@cache
def _kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    return compiled(function, fast=True)


def _add_and_norm(x: Any, delta: Any, weight: Any, epsilon: float) -> Any:
    out = np.empty_like(x)
    for token in range(x.shape[0]):
        squares = np.float32(0.0)
        for n in range(x.shape[1]):
            x[token, n] += delta[token, n]
            squares += x[token, n] * x[token, n]
        scale = np.float32(1.0 / np.sqrt(squares / x.shape[1] + epsilon))
        for n in range(x.shape[1]):
            out[token, n] = x[token, n] * scale * weight[n]
    return out


def _rotate(heads: Any, cosines: Any, sines: Any, count: int) -> None:
    for token in range(heads.shape[0]):
        for head in range(count):
            for n in range(cosines.shape[1]):
                even, odd = heads[token, head, 2 * n], heads[token, head, 2 * n + 1]
                heads[token, head, 2 * n] = even * cosines[token, n] - odd * sines[token, n]
                heads[token, head, 2 * n + 1] = even * sines[token, n] + odd * cosines[token, n]


def _gated(both: Any) -> Any:
    tokens, hidden = both.shape[0], both.shape[1] // 2
    out = np.empty((tokens, hidden), np.float32)
    for token in range(tokens):
        gate = both.ctypes.data + 4 * token * both.shape[1]
        for n in range(0, hidden, WIDTH):
            _gate(gate + 4 * n, gate + 4 * (hidden + n), out.ctypes.data + 4 * (token * hidden + n))
    return out


@intrinsic
def _gate(context: Any, gate: Any, up: Any, out: Any) -> Any:
    """`WIDTH` elements of silu(gate) * up."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = Vectors(builder, WIDTH)
        value, factor = vectors.load(arguments[0]), vectors.load(arguments[1])
        decay = vectors.exp(builder.fsub(vectors.constant(0.0), value))
        silu = builder.fdiv(value, builder.fadd(vectors.constant(1.0), decay))
        vectors.store(builder.fmul(silu, factor), arguments[2])
        return target.get_dummy_value()

    return types.void(gate, up, out), generate

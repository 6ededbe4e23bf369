# mypy: disable-error-code="no-untyped-def"
"""The elementwise work of a block, one kernel each: what eager torch would write and read again stays in registers.

At 128k tokens of NeMo the plain forms move about 5 TB through a GPU's memory, over a second; these move 1 TB. Rounding
follows the plain forms step by step.

Dimensions: T new tokens, H query heads, K key/value heads, D head size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.model.cuda.language import blocks, jit, power_of_two, tl

TURN_TOKENS = 16
"""Tokens of one head that one program rotates."""
GATE_COLUMNS = 2048
"""Columns that one program of `gated` writes."""


@jit
def _add_norm(x, delta, weight, normed, eps, WIDTH: tl.constexpr, BLOCK: tl.constexpr, HAS_DELTA: tl.constexpr):
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    at = tl.program_id(0).to(tl.int64) * WIDTH + columns
    held = tl.load(x + at, mask=inside, other=0.0)
    if HAS_DELTA:
        held = (held.to(tl.float32) + tl.load(delta + at, mask=inside, other=0.0).to(tl.float32)).to(held.dtype)
        tl.store(x + at, held, mask=inside)
    wide = held.to(tl.float32)
    scaled = wide * tl.rsqrt(tl.sum(wide * wide, axis=0) / WIDTH + eps)
    factor = tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(normed + at, (scaled.to(held.dtype).to(tl.float32) * factor).to(held.dtype), mask=inside)


@jit
def _turn(
    heads, turns, out, tokens, HEADS: tl.constexpr, ROTATED: tl.constexpr, SIZE: tl.constexpr, TOKENS: tl.constexpr
):
    head = tl.program_id(0)
    t = tl.program_id(1) * TOKENS + tl.arange(0, TOKENS)
    columns = tl.arange(0, SIZE)
    inside = (t < tokens)[:, None]
    read = t.to(tl.int64)[:, None] * (HEADS * SIZE) + head * SIZE + columns[None, :]
    write = head.to(tl.int64) * tokens * SIZE + t.to(tl.int64)[:, None] * SIZE + columns[None, :]
    held = tl.load(heads + read, mask=inside, other=0.0)  # [T, D]
    if head < ROTATED:
        angles = tl.load(turns + t[:, None] * SIZE + columns[None, :], mask=inside, other=0.0)  # cos, sin in turn
        even, odd = tl.split(tl.reshape(held.to(tl.float32), (TOKENS, SIZE // 2, 2)))
        cos, sin = tl.split(tl.reshape(angles, (TOKENS, SIZE // 2, 2)))
        pairs = tl.join(even * cos - odd * sin, even * sin + odd * cos)  # [T, D/2, 2]
        held = tl.reshape(pairs, (TOKENS, SIZE)).to(held.dtype)
    tl.store(out + write, held, mask=inside)


@jit
def _gate(x, out, HIDDEN: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < HIDDEN
    gate = tl.load(x + token * 2 * HIDDEN + columns, mask=inside, other=0.0)
    up = tl.load(x + token * 2 * HIDDEN + HIDDEN + columns, mask=inside, other=0.0)
    wide = gate.to(tl.float32)
    silu = (wide / (1.0 + tl.exp(-wide))).to(gate.dtype).to(tl.float32)
    tl.store(out + token * HIDDEN + columns, (silu * up.to(tl.float32)).to(gate.dtype), mask=inside)


def add_norm(x: Tensor, delta: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """As `Operations.add_norm`; the sum is written over `x`. Shapes: x, delta [T, dim]; weight [dim]."""
    x, normed = x.contiguous(), torch.empty_like(x, memory_format=torch.contiguous_format)
    block = power_of_two(x.shape[1])
    other = x if delta is None else delta.contiguous()
    _add_norm[(len(x),)](
        x, other, weight, normed, eps, WIDTH=x.shape[1], BLOCK=block, HAS_DELTA=delta is not None, num_warps=8
    )
    return x, normed


def turned(heads: Tensor, turns: Tensor, n_heads: int, n_kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """As `Operations.turned`; all three are parts of one buffer. Shapes: heads [T, H + 2K, D]; turns [T, D/2]."""
    tokens, count, size = heads.shape
    out = heads.new_empty(count, tokens, size)
    _turn[(count, blocks(tokens, TURN_TOKENS))](
        heads.contiguous(),
        torch.view_as_real(turns).contiguous(),
        out,
        tokens,
        HEADS=count,
        ROTATED=n_heads + n_kv_heads,
        SIZE=size,
        TOKENS=TURN_TOKENS,
    )
    return out[:n_heads], out[n_heads : n_heads + n_kv_heads], out[n_heads + n_kv_heads :]


def gated(x: Tensor) -> Tensor:
    """As `Operations.gated`. Shapes: x [T, 2 * hidden] -> [T, hidden]."""
    tokens, hidden = x.shape[0], x.shape[1] // 2
    out = x.new_empty(tokens, hidden)
    _gate[(tokens, blocks(hidden, GATE_COLUMNS))](x.contiguous(), out, HIDDEN=hidden, BLOCK=GATE_COLUMNS)
    return out

# mypy: disable-error-code="no-untyped-def"
"""Attention of a few new tokens over caches that stay where they are: the part of decode that grows with the past.

A past is any number of stretches of caches, each with a length and a weight, of any number of sequences. Where they
lie is a table in the GPU's memory, so one recorded graph serves whatever the table says: a cache that grew, another
length, other windows. Every stretch is cut into the same number of splits; a program takes one split of one key/value
head, with the query heads that share it as rows, and leaves a normalised part and its log-sum-exp. A second kernel
merges the parts of each query head.

Keys and values are bf16 or fp16, or int8 with a scale for every token and head; arithmetic is that of the model.

Dimensions: B sequences, T new tokens of each, M = B * T, H query heads, K key/value heads, G = H / K, D head size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.model.cuda.language import TRITON, jit, jit_for_any, power_of_two, tl

KEYS = {False: 64, True: 128}
"""Keys that a program looks at in one step, by whether they are int8: measured on an H200."""
ADDRESSES, NUMBERS = 8, 4
"""Columns of the two tables of stretches.

Addresses, int64: keys, values, scales of keys, scales of values, elements from one layer to the next and from one head
to the next, the same two of scales. Numbers, int32: tokens, which sequence, whether its new tokens follow, unused.
"""
ROUNDER = tl.constexpr(12582912.0) if TRITON else None
"""1.5 * 2^23: a number of moderate size has no bits behind the point while this is added to it."""
SMALLEST_SCALE = tl.constexpr(torch.finfo(torch.bfloat16).tiny) if TRITON else None
"""Of a row of zeros."""


@jit
def _place(addresses, stretch, which, kind):
    """Where keys, values or their scales begin."""
    return tl.load(addresses + stretch * 8 + which).to(tl.pointer_type(kind))


@jit_for_any("tokens", "layer")
def _write(
    heads, turns, q, addresses, numbers, last, layer, tokens,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, SIZE: tl.constexpr, INT8: tl.constexpr,
):  # fmt: skip
    """Rotate one head of one new token; queries go to `q`, keys and values behind those of their cache."""
    row, head = tl.program_id(0), tl.program_id(1)
    half = tl.arange(0, SIZE // 2)
    column = tl.arange(0, SIZE)
    kind = heads.dtype.element_ty
    start = heads + (row * (HEADS + 2 * KV_HEADS) + head) * SIZE
    held = tl.load(start + column)
    if head < HEADS + KV_HEADS:
        even, odd = tl.split(tl.reshape(held.to(tl.float32), (SIZE // 2, 2)))
        cos = tl.load(turns + row * SIZE + 2 * half)
        sin = tl.load(turns + row * SIZE + 2 * half + 1)
        held = tl.reshape(tl.join(even * cos - odd * sin, even * sin + odd * cos), (SIZE,)).to(kind)
    if head < HEADS:
        tl.store(q + (row * HEADS + head) * SIZE + column, held)
    else:
        stretch = tl.load(last + row // tokens)
        position = tl.load(numbers + stretch * 4).to(tl.int64) + row % tokens
        value = (head >= HEADS + KV_HEADS).to(tl.int32)
        kv = (head - HEADS) % KV_HEADS
        layers, between = tl.load(addresses + stretch * 8 + 4), tl.load(addresses + stretch * 8 + 5)
        at = layer * layers + kv * between + position * SIZE + column
        if INT8:
            wide = held.to(tl.float32)
            scale = tl.maximum(tl.max(tl.abs(wide), axis=0) / 127.0, SMALLEST_SCALE).to(tl.bfloat16)
            codes = wide / scale.to(tl.float32) + ROUNDER - ROUNDER
            codes = tl.minimum(tl.maximum(codes, -127.0), 127.0)
            tl.store(_place(addresses, stretch, value, tl.int8) + at, codes.to(tl.int8))
            layers, between = tl.load(addresses + stretch * 8 + 6), tl.load(addresses + stretch * 8 + 7)
            tl.store(
                _place(addresses, stretch, 2 + value, tl.bfloat16) + layer * layers + kv * between + position, scale
            )
        else:
            tl.store(_place(addresses, stretch, value, kind) + at, held)


_BYTES_TO_HALVES = """{
.reg .b32 bytes, bias;
xor.b32 bytes, $2, 0x80808080;
mov.b32 bias, 0x64806480;
prmt.b32 $0, bytes, 0x64646464, 0x4140;
prmt.b32 $1, bytes, 0x64646464, 0x4342;
sub.f16x2 $0, $0, bias;
sub.f16x2 $1, $1, bias;
}"""
ASSEMBLY = tl.constexpr(_BYTES_TO_HALVES) if TRITON else None
"""Four signed bytes to fp16, exactly: a byte behind 0x64 is 1,024 more than itself. Casts are what takes longest."""


@jit
def _multiplied(held, kind: tl.constexpr, FAST: tl.constexpr):
    """Keys or values as the matrix units take them."""
    if FAST:  # noqa: SIM108 - a kernel's branch is taken when it is compiled
        held = tl.inline_asm_elementwise(ASSEMBLY, "=r,=r,r", [held], tl.float16, True, 4)
    else:
        held = held.to(kind)
    return held


@jit_for_any("tokens", "layer")
def _split(
    q, addresses, numbers, weights, outs, lses, layer, tokens, factor,
    SPLITS: tl.constexpr, GROUP: tl.constexpr, KV_HEADS: tl.constexpr, SIZE: tl.constexpr,
    ROWS: tl.constexpr, KEYS: tl.constexpr, INT8: tl.constexpr, FAST: tl.constexpr,
):  # fmt: skip
    split, kv, stretch = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    length = tl.load(numbers + stretch * 4)
    sequence = tl.load(numbers + stretch * 4 + 1)
    follows = tl.load(numbers + stretch * 4 + 2)  # whether the new tokens stand behind this stretch
    keys = length + follows * tokens
    share = (keys + SPLITS - 1) // SPLITS
    share = (share + KEYS - 1) // KEYS * KEYS
    begin = split * share
    end = tl.minimum(begin + share, keys)
    kind = q.dtype.element_ty
    stored = tl.int8 if INT8 else kind
    layers, between = tl.load(addresses + stretch * 8 + 4), tl.load(addresses + stretch * 8 + 5)
    k = _place(addresses, stretch, 0, stored) + layer * layers + kv * between
    v = _place(addresses, stretch, 1, stored) + layer * layers + kv * between
    if INT8:
        layers, between = tl.load(addresses + stretch * 8 + 6), tl.load(addresses + stretch * 8 + 7)
        k_scales = _place(addresses, stretch, 2, tl.bfloat16) + layer * layers + kv * between
        v_scales = _place(addresses, stretch, 3, tl.bfloat16) + layer * layers + kv * between
    row = tl.arange(0, ROWS)  # query heads of this key/value head, token by token
    column = tl.arange(0, SIZE)
    used = row < GROUP * tokens
    token, head = row // GROUP, kv * GROUP + row % GROUP
    at = ((sequence * tokens + token) * (KV_HEADS * GROUP) + head)[:, None] * SIZE + column[None, :]
    query = tl.load(q + at, mask=used[:, None], other=0.0)
    if FAST:
        query = query.to(tl.float16)
    limit = length + follows * (token + 1)  # a new token sees itself and those before it
    highest = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    summed = tl.zeros((ROWS, SIZE), tl.float32)
    for first in range(begin, end, KEYS):
        key = first + tl.arange(0, KEYS)
        inside = key < end
        cell = key[:, None] * SIZE + column[None, :]
        held = tl.load(tl.multiple_of(k + cell, (16, 16)), mask=inside[:, None], other=0)
        scores = tl.dot(query, tl.trans(_multiplied(held, kind, FAST)), input_precision="ieee") * factor  # [R, KEYS]
        if INT8:
            scores *= tl.load(k_scales + key, mask=inside, other=0.0).to(tl.float32)[None, :]
        scores = tl.where(inside[None, :] & (key[None, :] < limit[:, None]), scores, float("-inf"))
        higher = tl.maximum(highest, tl.max(scores, axis=1))
        level = tl.where(higher == float("-inf"), 0.0, higher)  # a row that sees none of these keys
        shares = tl.exp(scores - level[:, None])
        before = tl.exp(highest - level)
        total = total * before + tl.sum(shares, axis=1)
        if INT8:
            shares *= tl.load(v_scales + key, mask=inside, other=0.0).to(tl.float32)[None, :]
        held = tl.load(tl.multiple_of(v + cell, (16, 16)), mask=inside[:, None], other=0)
        summed = summed * before[:, None] + tl.dot(
            shares.to(query.dtype), _multiplied(held, kind, FAST), input_precision="ieee"
        )
        highest = higher
    seen = total > 0.0
    total = tl.where(seen, total, 1.0)
    lse = tl.where(seen, highest + tl.log(total), float("-inf")) + tl.load(weights + stretch)
    slot = (stretch * SPLITS + split) * KV_HEADS + kv
    tl.store(lses + slot * ROWS + row, lse)
    tl.store(outs + (slot * ROWS + row)[:, None] * SIZE + column[None, :], summed / total[:, None])


@jit_for_any("tokens")
def _gather(
    outs, lses, first, out, tokens,
    SPLITS: tl.constexpr, GROUP: tl.constexpr, KV_HEADS: tl.constexpr, SIZE: tl.constexpr,
    ROWS: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    """Merge the parts of one query head of one new token."""
    row, head = tl.program_id(0), tl.program_id(1)
    sequence, token = row // tokens, row % tokens
    kv, place = head // GROUP, token * GROUP + head % GROUP
    begin = tl.load(first + sequence) * SPLITS
    end = tl.load(first + sequence + 1) * SPLITS
    column = tl.arange(0, SIZE)
    highest = tl.full((), float("-inf"), tl.float32)
    total = tl.zeros((), tl.float32)
    summed = tl.zeros((SIZE,), tl.float32)
    for part in range(begin, end, STEP):
        slot = part + tl.arange(0, STEP)
        at = (slot * KV_HEADS + kv) * ROWS + place
        lse = tl.load(lses + at, mask=slot < end, other=float("-inf"))
        higher = tl.maximum(highest, tl.max(lse, axis=0))
        level = tl.where(higher == float("-inf"), 0.0, higher)
        shares = tl.exp(lse - level)
        before = tl.exp(highest - level)
        found = tl.load(outs + at[:, None] * SIZE + column[None, :], mask=(slot < end)[:, None], other=0.0)
        summed = summed * before + tl.sum(found * shares[:, None], axis=0)
        total = total * before + tl.sum(shares, axis=0)
        highest = higher
    tl.store(out + (row * KV_HEADS * GROUP + head) * SIZE + column, (summed / total).to(out.dtype.element_ty))


class Stretches:
    """The tables of one shape of step, and the scratch memory of its attention.

    Args:
        sequences: B.
        tokens: T.
        numbers: The table of numbers, a row a stretch; a sequence's stretches stand beside each other. [S, NUMBERS]
        heads: H, K and D of the model.
        splits: Into how many parts each stretch is cut.
        int8: Whether the caches are int8.
    """

    def __init__(
        self, sequences: int, tokens: int, numbers: Tensor, heads: tuple[int, int, int], splits: int, int8: bool
    ) -> None:
        self.n_heads, self.n_kv_heads, self.size = heads
        self.tokens, self.splits, self.int8 = tokens, splits, int8
        device, stretches = numbers.device, len(numbers)
        self._rows = max(16, power_of_two(self.n_heads // self.n_kv_heads * tokens))
        self.numbers = numbers
        self.addresses = torch.zeros(stretches, ADDRESSES, dtype=torch.int64, device=device)
        self.weights = torch.zeros(stretches, dtype=torch.float32, device=device)
        self.last = torch.zeros(sequences, dtype=torch.int32, device=device)
        """The stretch behind which each sequence's new tokens are written."""
        self.first = torch.zeros(sequences + 1, dtype=torch.int32, device=device)
        """Where each sequence's stretches begin, and where they end."""
        self._outs = torch.empty(stretches, splits, self.n_kv_heads, self._rows, self.size, device=device)
        self._lses = torch.empty(stretches, splits, self.n_kv_heads, self._rows, device=device)

    def write(self, heads: Tensor, turns: Tensor, q: Tensor, layer: int) -> None:
        """Rotate queries into `q`, keys and values into their caches.

        Shapes: heads [M, H + 2K, D]; turns fp32 [M, D]; q [M, H, D].
        """
        _write[(len(q), self.n_heads + 2 * self.n_kv_heads)](
            heads,
            turns,
            q,
            self.addresses,
            self.numbers,
            self.last,
            layer,
            self.tokens,
            HEADS=self.n_heads,
            KV_HEADS=self.n_kv_heads,
            SIZE=self.size,
            INT8=self.int8,
            num_warps=1,
        )

    def attend(self, q: Tensor, out: Tensor, layer: int) -> None:
        """Attention over all stretches and the new tokens. Shapes: q, out [M, H, D]."""
        shared: dict[str, int] = {
            "SPLITS": self.splits,
            "GROUP": self.n_heads // self.n_kv_heads,
            "KV_HEADS": self.n_kv_heads,
            "SIZE": self.size,
            "ROWS": self._rows,
        }
        _split[(self.splits, self.n_kv_heads, len(self.numbers))](
            q,
            self.addresses,
            self.numbers,
            self.weights,
            self._outs,
            self._lses,
            layer,
            self.tokens,
            self.size**-0.5,
            KEYS=KEYS[self.int8],
            INT8=self.int8,
            FAST=self.int8 and q.is_cuda,
            num_warps=4,
            num_stages=3,
            **shared,
        )
        _gather[(len(q), self.n_heads)](
            self._outs, self._lses, self.first, out, self.tokens, STEP=16, num_warps=1, **shared
        )

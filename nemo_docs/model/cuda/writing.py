# mypy: disable-error-code="no-untyped-def"
"""Attention of a few new tokens over caches that stay where they are: the part of decode that grows with the past.

A past is any number of stretches of caches, each with a length and a weight, of any number of sequences. Where they
lie is a table in the GPU's memory, so one recorded graph serves whatever the table says: a cache that grew, another
length, other windows. Every stretch is cut into the same number of splits; a program takes one split of one key/value
head, with the query heads that share it as rows, and leaves a normalised part and its log-sum-exp. A second kernel
merges the parts of each query head.

Keys and values are bf16 or fp16, or int8 with a scale for every token and head. Arithmetic is that of the model; only
scores over int8 keys are whole numbers: queries are rounded to 16 bits for them, where bf16 has 8.

Dimensions: B sequences, T new tokens of each, M = B * T, H query heads, K key/value heads, G = H / K, D head size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.model.cuda.language import TRITON, jit, jit_for_any, power_of_two, tl

STAGES = 3
"""Steps that a program is ahead with reading, the one at work among them."""
SHARED_BESIDE = 1 << 15
"""Shared memory that a program takes at most beside the keys and values that it is ahead with."""
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


_PAIRS_TO_HALVES = """{
.reg .b32 bytes, bias;
xor.b32 bytes, $2, 0x80808080;
mov.b32 bias, 0x64806480;
prmt.b32 $0, bytes, 0x64646464, 0x4240;
prmt.b32 $1, bytes, 0x64646464, 0x4341;
sub.f16x2 $0, $0, bias;
sub.f16x2 $1, $1, bias;
}"""
ASSEMBLY = tl.constexpr(_PAIRS_TO_HALVES) if TRITON else None
"""The lower and the upper of two signed bytes to fp16, exactly: a byte behind 0x64 is 1,024 more than itself."""


@jit
def _halves(pairs, kind: tl.constexpr, FAST: tl.constexpr):
    """The even and the odd columns of codes that were read two at a time, as the matrix units take them.

    Numbers of two bytes reach the units without a way through shared memory as halves; bytes do not.
    """
    if FAST:
        even, odd = tl.inline_asm_elementwise(ASSEMBLY, "=r,=r,r", [pairs], (tl.float16, tl.float16), True, 2)
    else:
        even, odd = ((pairs << 8) >> 8).to(kind), (pairs >> 8).to(kind)
    return even, odd


@jit
def _in_two(query):
    """Queries as codes of a first and a second byte: `(254 * high + low) * unit`, to 16 bits of the largest in a row.

    So products with codes of keys are whole numbers, and keys need no cast.
    """
    wide = query.to(tl.float32)
    step = tl.maximum(tl.max(tl.abs(wide), axis=1) / 127.0, SMALLEST_SCALE)
    high = wide / step[:, None] + ROUNDER - ROUNDER
    low = (wide / step[:, None] - high) * 254.0 + ROUNDER - ROUNDER
    return high.to(tl.int8), low.to(tl.int8), step / 254.0


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
    layers, between = tl.load(addresses + stretch * 8 + 4), tl.load(addresses + stretch * 8 + 5)
    start = layer * layers + kv * between
    row = tl.arange(0, ROWS)  # query heads of this key/value head, token by token
    column = tl.arange(0, SIZE)
    half = tl.arange(0, SIZE // 2)
    used = row < GROUP * tokens
    token, head = row // GROUP, kv * GROUP + row % GROUP
    at = ((sequence * tokens + token) * (KV_HEADS * GROUP) + head)[:, None] * SIZE + column[None, :]
    query = tl.load(q + at, mask=used[:, None], other=0.0)
    limit = length + follows * (token + 1)  # a new token sees itself and those before it
    highest = tl.full((ROWS,), float("-inf"), tl.float32)
    totals = tl.zeros((ROWS, KEYS), tl.float32)  # summed at the end: a sum across threads costs a barrier
    if INT8:
        k = _place(addresses, stretch, 0, tl.int8) + start
        v = _place(addresses, stretch, 1, tl.int16) + start // 2
        layers, between = tl.load(addresses + stretch * 8 + 6), tl.load(addresses + stretch * 8 + 7)
        k_scales = _place(addresses, stretch, 2, tl.bfloat16) + layer * layers + kv * between
        v_scales = _place(addresses, stretch, 3, tl.bfloat16) + layer * layers + kv * between
        high, low, unit = _in_two(query)
        unit *= factor
        even = tl.zeros((ROWS, SIZE // 2), tl.float32)
        odd = tl.zeros((ROWS, SIZE // 2), tl.float32)
        key = begin + tl.arange(0, KEYS)
        next_k_scale = tl.load(k_scales + key, mask=key < end, other=0.0)
        next_v_scale = tl.load(v_scales + key, mask=key < end, other=0.0)
    else:
        k, v = _place(addresses, stretch, 0, kind) + start, _place(addresses, stretch, 1, kind) + start
        summed = tl.zeros((ROWS, SIZE), tl.float32)
    for first in range(begin, end, KEYS):
        key = first + tl.arange(0, KEYS)
        inside = key < end
        cell = key[:, None] * SIZE + column[None, :]
        if INT8:  # scales are too narrow to be copied ahead by the hardware, so they are asked for a step before
            k_scale, v_scale = next_k_scale.to(tl.float32), next_v_scale.to(tl.float32)
            next_k_scale = tl.load(k_scales + key + KEYS, mask=key + KEYS < end, other=0.0)
            next_v_scale = tl.load(v_scales + key + KEYS, mask=key + KEYS < end, other=0.0)
        held = tl.trans(tl.load(tl.multiple_of(k + cell, (16, 16)), mask=inside[:, None], other=0))
        if INT8:
            products = tl.dot(high, held) * 254 + tl.dot(low, held)  # int32, below 2^30
            scores = products.to(tl.float32) * unit[:, None] * k_scale[None, :]  # [R, KEYS]
        else:
            scores = tl.dot(query, held, input_precision="ieee") * factor
        scores = tl.where(inside[None, :] & (key[None, :] < limit[:, None]), scores, float("-inf"))
        higher = tl.maximum(highest, tl.max(scores, axis=1))
        level = tl.where(higher == float("-inf"), 0.0, higher)  # a row that sees none of these keys
        shares = tl.exp(scores - level[:, None])
        before = tl.exp(highest - level)
        totals = totals * before[:, None] + shares
        if INT8:
            pair = key[:, None] * (SIZE // 2) + half[None, :]
            pairs = tl.load(tl.multiple_of(v + pair, (16, 16)), mask=inside[:, None], other=0)
            even_values, odd_values = _halves(pairs, kind, FAST)
            shares = (shares * v_scale[None, :]).to(even_values.dtype)
            even = even * before[:, None] + tl.dot(shares, even_values, input_precision="ieee")
            odd = odd * before[:, None] + tl.dot(shares, odd_values, input_precision="ieee")
        else:
            held = tl.load(tl.multiple_of(v + cell, (16, 16)), mask=inside[:, None], other=0)
            summed = summed * before[:, None] + tl.dot(shares.to(kind), held, input_precision="ieee")
        highest = higher
    if INT8:
        summed = tl.reshape(tl.join(even, odd), (ROWS, SIZE))
    total = tl.sum(totals, axis=1)
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


def keys_at_once(size: int, dtype: torch.dtype, device: torch.device, *, int8: bool) -> int:
    """Keys that a program looks at in one step: 128, or 64 where they do not fit into a processor's shared memory.

    On an H200 128 cost 0.93 of 64; other cards than those for servers cannot hold them in bf16.
    """
    if int8 or device.type != "cuda":
        return 128 if int8 else 64
    ahead = (STAGES - 1) * 2 * 128 * size * dtype.itemsize
    held = torch.cuda.get_device_properties(device).shared_memory_per_multiprocessor
    return 128 if ahead + SHARED_BESIDE <= held else 64


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
            KEYS=keys_at_once(self.size, q.dtype, q.device, int8=self.int8),
            INT8=self.int8,
            FAST=self.int8 and q.is_cuda,
            num_warps=4,
            num_stages=STAGES,
            **shared,
        )
        _gather[(len(q), self.n_heads)](
            self._outs, self._lses, self.first, out, self.tokens, STEP=16, num_warps=1, **shared
        )

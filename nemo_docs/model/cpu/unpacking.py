"""A packed grid as a dense matrix, for the chunks of a prompt.

A large model has no room for dense weights beside the packed ones, so each product of a chunk unpacks its own: one pass
at the speed of writing. A group of 32 rows is turned round in the innermost cache, then each row's columns are one
vector, computed in fp32 and written once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nemo_docs.model.cpu.compiler import compiled, get_num_threads, intrinsic, prange, types, unpack_tuple
from nemo_docs.model.cpu.packing import CENTRE, CENTRED, KEPT, LANES, PackedGrid
from nemo_docs.model.cpu.vectors import Vectors


def dense(packed: PackedGrid, dtype: torch.dtype) -> Tensor:
    """The weights, computed in fp32. Shapes: [out, in], fp32 or bf16."""
    filled = torch.empty(packed.codes.shape[0] * LANES, packed.columns, dtype=dtype)
    bits = 16 if dtype == torch.bfloat16 else 32
    _unpacking(*packed.form, bits)(
        *packed.parts,
        filled.view(torch.uint16).numpy() if bits == 16 else filled.numpy(),
        get_num_threads(),
    )
    return filled[: packed.rows]


@cache
def _unpacking(bits: int, group: int, two_steps: int, has_minimums: int, out_bits: int) -> Any:
    """The function for one form of grid and one type of result; compiled when first called, and kept on disk."""
    code_bytes = group * bits // 8

    def unpacking(
        codes: Any, scales: Any, minimums: Any, sub_scales: Any, sub_minimums: Any, out: Any, workers: int
    ) -> None:
        blocks, groups, factors = codes.shape[0], codes.shape[1], scales.shape[1]
        for worker in prange(workers):
            turned = np.empty((LANES, code_bytes), np.uint8)
            scale, minimum = np.empty(LANES, np.float32), np.zeros(LANES, np.float32)
            for block in range(blocks * worker // workers, blocks * (worker + 1) // workers):
                for n in range(groups):
                    for byte in range(code_bytes):
                        for lane in range(LANES):
                            turned[lane, byte] = codes[block, n, byte, lane]
                    factor = 2 * LANES * (block * factors + n // (groups // factors))
                    whole = (block * groups + n) * LANES
                    _widen(two_steps, (scales.ctypes.data + factor, sub_scales.ctypes.data + whole, scale.ctypes.data))
                    if has_minimums == CENTRED:
                        for lane in range(LANES):
                            minimum[lane] = scale[lane] * -CENTRE
                    if has_minimums == KEPT:
                        _widen(
                            two_steps,
                            (minimums.ctypes.data + factor, sub_minimums.ctypes.data + whole, minimum.ctypes.data),
                        )
                    for lane in range(LANES):
                        _spread(
                            bits,
                            group,
                            out_bits,
                            (
                                turned.ctypes.data + code_bytes * lane,
                                scale.ctypes.data + 4 * lane,
                                minimum.ctypes.data + 4 * lane,
                                out.ctypes.data + (out_bits // 8) * (((block * LANES + lane) * groups + n) * group),
                            ),
                        )

    return compiled(unpacking, parallel=True)


@intrinsic(prefer_literal=True)
def _widen(context: Any, two_steps: Any, addresses: Any) -> Any:
    """Factors of a group as fp32; addresses of half precision, of whole numbers, of the result."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factors, whole, out = unpack_tuple(builder, arguments[-1])
        vectors = Vectors(builder, LANES)
        values = vectors.load_half(factors)
        if two_steps.literal_value:
            values = builder.fmul(values, vectors.load_int8(whole))
        vectors.store(values, out)
        return target.get_dummy_value()

    return types.void(two_steps, addresses), generate


@intrinsic(prefer_literal=True)
def _spread(context: Any, bits: Any, group: Any, out_bits: Any, addresses: Any) -> Any:
    """A row's columns of one group; addresses of codes, scale, minimum, result."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, scale, minimum, out = unpack_tuple(builder, arguments[-1])
        columns, size = group.literal_value, out_bits.literal_value // 8
        vectors = Vectors(builder, columns // 2 if bits.literal_value == 4 else columns)
        parts = vectors.load_nibbles(codes) if bits.literal_value == 4 else (vectors.load_int8(codes),)
        factor, low = vectors.number(scale), vectors.number(minimum)
        for n, part in enumerate(parts):
            # Not fused: the plain form rounds the product, too, and both are to give the same weights.
            value = builder.fadd(builder.fmul(part, factor), low)
            at = vectors.offset(out, n * vectors.width * size)
            if size == 2:
                vectors.store_bfloat16(value, at)
            else:
                vectors.store(value, at)
        return target.get_dummy_value()

    return types.void(bits, group, out_bits, addresses), generate

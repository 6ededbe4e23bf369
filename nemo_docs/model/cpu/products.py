"""Products of a few tokens with a packed grid.

Decode reads every weight once for each token and does little else, so what counts is bytes: codes are widened in
registers, multiplied in fp32 and never written back. The weights are exactly those of the file; activations are fp32.
Groups are multiplied as whole numbers, then scaled once, so that a minimum costs one multiplication a group and row.

Up to `MOST_TOKENS` tokens share one pass over the weights: a drafted token costs a fraction of a decoded one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nemo_docs.model.cpu.compiler import compiled, get_num_threads, intrinsic, prange, types, unpack_tuple
from nemo_docs.model.cpu.packing import CENTRE, CENTRED, KEPT, LANES, PackedGrid
from nemo_docs.model.cpu.vectors import Vectors

MOST_TOKENS = 8
"""Tokens that share one pass; beyond that a product of dense matrices is the faster one."""

WIDTHS = (1, MOST_TOKENS)
"""Numbers of tokens that code is made for: what lies between is filled up, or each would have to be compiled."""

Floats = NDArray[np.float32]


def multiply(packed: PackedGrid, x: Floats, threads: int = 0) -> Floats:
    """A product on so many threads, 0 for all; asking for their number anew would cost a tenth of a small product.

    Shapes: x [T, in] -> [T, out], T at most `MOST_TOKENS`.
    """
    tokens = len(x)
    if tokens not in WIDTHS:
        x = np.concatenate((x, np.zeros((MOST_TOKENS - tokens, x.shape[1]), np.float32)))
    out = np.empty((len(x), packed.codes.shape[0] * LANES), np.float32)
    _product(*packed.form, len(x))(*packed.parts, x, out, threads or get_num_threads())
    return np.ascontiguousarray(out[:tokens, : packed.rows])


@cache
def _product(bits: int, group: int, two_steps: int, has_minimums: int, tokens: int) -> Callable[..., None]:
    """The function for one `PackedGrid.form` and number of tokens; compiled when first called, and kept on disk."""
    code_bytes = group * bits // 8

    def product(
        codes: Any, scales: Any, minimums: Any, sub_scales: Any, sub_minimums: Any, x: Any, out: Any, workers: int
    ) -> None:
        blocks, groups, factors = codes.shape[0], codes.shape[1], scales.shape[1]
        groups_a_factor = groups // factors
        sums = np.zeros((tokens, groups), np.float32)
        if has_minimums:
            for token in range(tokens):
                for n in range(groups):
                    for column in range(n * group, (n + 1) * group):
                        sums[token, n] += x[token, column]
        for worker in prange(workers):
            for block in range(blocks * worker // workers, blocks * (worker + 1) // workers):
                out[:, block * LANES : (block + 1) * LANES] = 0
                for n in range(groups):
                    of_group = block * groups + n
                    factor = 2 * LANES * (block * factors + n // groups_a_factor)
                    _add_group(
                        bits,
                        group,
                        two_steps,
                        has_minimums,
                        tokens,
                        (
                            codes.ctypes.data + of_group * code_bytes * LANES,
                            scales.ctypes.data + factor,
                            minimums.ctypes.data + factor,
                            sub_scales.ctypes.data + of_group * LANES,
                            sub_minimums.ctypes.data + of_group * LANES,
                            x.ctypes.data + 4 * n * group,
                            4 * x.shape[1],
                            sums.ctypes.data + 4 * n,
                            4 * groups,
                            out.ctypes.data + 4 * block * LANES,
                            4 * out.shape[1],
                        ),
                    )

    return compiled(product, parallel=True)


@intrinsic(prefer_literal=True)
def _add_group(
    context: Any, bits: Any, group: Any, two_steps: Any, has_minimums: Any, tokens: Any, addresses: Any
) -> Any:
    """Add one group's share to the results of a block of rows.

    All but the addresses are known when the code is built. These are of codes, scale, minimum, sub-scale, sub-minimum;
    of the tokens' columns and the bytes from one token to the next; of their sums and the bytes between; of the results
    and the bytes between.
    """
    n_bits, n_columns, n_tokens = bits.literal_value, group.literal_value, tokens.literal_value
    is_two_steps, minimums_kind = bool(two_steps.literal_value), has_minimums.literal_value

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, scale, minimum, sub_scale, sub_minimum, x, x_stride, sums, sum_stride, out, out_stride = unpack_tuple(
            builder, arguments[-1]
        )
        vectors = Vectors(builder, LANES)
        totals = [vectors.constant(0.0)] * n_tokens

        def add(values: Any, column: int) -> None:
            for token in range(n_tokens):
                at = vectors.offset(vectors.row(x, x_stride, token), 4 * column)
                totals[token] = vectors.multiply_add(values, vectors.number(at), totals[token])

        for n in range(n_columns * n_bits // 8):
            if n_bits == 4:
                low, high = vectors.load_nibbles(vectors.offset(codes, n * LANES))
                add(low, n)
                add(high, n + n_columns // 2)
            else:
                add(vectors.load_int8(vectors.offset(codes, n * LANES)), n)
        scales = vectors.load_half(scale)
        minimums = vectors.load_half(minimum) if minimums_kind == KEPT else None
        if minimums_kind == CENTRED:
            minimums = builder.fmul(scales, vectors.constant(float(-CENTRE)))
        if is_two_steps:
            scales = builder.fmul(scales, vectors.load_int8(sub_scale))
            if minimums_kind == KEPT:
                minimums = builder.fmul(minimums, vectors.load_int8(sub_minimum))
        for token in range(n_tokens):
            at = vectors.row(out, out_stride, token)
            result = vectors.multiply_add(scales, totals[token], vectors.load(at))
            if minimums is not None:
                result = vectors.multiply_add(minimums, vectors.number(vectors.row(sums, sum_stride, token)), result)
            vectors.store(result, at)
        return target.get_dummy_value()

    return types.void(bits, group, two_steps, has_minimums, tokens, addresses), generate

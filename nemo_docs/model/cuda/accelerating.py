"""Puts the forms for an NVIDIA GPU into a model: the one place that decides which are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nemo_docs.kv.cache import Past
from nemo_docs.model.attention import attend
from nemo_docs.model.cuda import elementwise
from nemo_docs.model.cuda.decoder import CudaDecoder, Layer, Weights
from nemo_docs.model.cuda.fp8 import Fp8Product
from nemo_docs.model.cuda.grids import GridRows, run_of
from nemo_docs.model.cuda.language import TRITON
from nemo_docs.model.cuda.products import AnyRows, BalancedRows, DenseProduct, DenseRows, RowProduct
from nemo_docs.model.cuda.reading import attend_to_chunk, cudnn, flash
from nemo_docs.model.linear.balance import Balanced
from nemo_docs.model.linear.base import Dense, Linear
from nemo_docs.model.linear.concatenated import Concatenated
from nemo_docs.model.linear.fp8 import Fp8Rows
from nemo_docs.model.linear.grouped import Grouped
from nemo_docs.model.linear.lora import Adapted
from nemo_docs.model.linear.with_dense import WithDense
from nemo_docs.model.transformer import Transformer

HOPPER = (9, 0)
"""The first compute capability on which cuDNN's attention is the fast one; on those before it is slower than flash."""
LAYERS_AHEAD = 3
"""Layers whose work may wait on the GPU: at a depth of 128k tokens one takes 35 milliseconds."""


class FusedOperations:
    """The elementwise work as one kernel each, and attention of chunks through fused calls.

    Args:
        has_cudnn: Whether cuDNN's attention is the fast one.
    """

    def __init__(self, has_cudnn: bool) -> None:
        self._few_shapes = cudnn if has_cudnn else None
        self._under_way: deque[torch.cuda.Event] = deque()

    def add_norm(self, x: Tensor, delta: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """Shapes: x, delta [T, dim]; weight [dim] -> [T, dim] each."""
        return elementwise.add_norm(x, delta, weight, eps)

    def turned(self, heads: Tensor, turns: Tensor, n_heads: int, n_kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
        """Shapes: heads [T, H + 2K, D]; turns [T, D/2] -> q [H, T, D]; k, v [K, T, D]."""
        return elementwise.turned(heads, turns, n_heads, n_kv_heads)

    def gated(self, x: Tensor) -> Tensor:
        """Shapes: x [T, 2 * hidden] -> [T, hidden]."""
        return elementwise.gated(x)

    def attend(self, q: Tensor, past: Sequence[Past], mask: Tensor | None = None) -> Tensor:
        """Shapes: q [H, T, D] -> [H, T, D]."""
        fused = q.is_cuda and q.dtype in (torch.bfloat16, torch.float16) and mask is None and q.shape[1] > 1
        if not fused:
            return attend(q, past, mask)
        self._keep_pace()
        return attend_to_chunk(q, past, any_shape=flash, few_shapes=self._few_shapes)

    def _keep_pace(self) -> None:
        """Let Python run no more than a few layers ahead of the GPU, so that a cancel between layers acts soon."""
        reached = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        reached.record()
        self._under_way.append(reached)
        if len(self._under_way) > LAYERS_AHEAD:
            self._under_way.popleft().synchronize()


def accelerate(model: Transformer) -> None:
    """Give a model on an NVIDIA GPU its fast forms; without Triton, and elsewhere, it stays as it is."""
    if TRITON and model.device.type == "cuda":
        has_cudnn = torch.cuda.get_device_capability(model.device) >= HOPPER
        processors = torch.cuda.get_device_properties(model.device).multi_processor_count
        install(model, FusedOperations(has_cudnn), processors)


def install(model: Transformer, operations: FusedOperations, processors: int) -> None:
    """Replace a model's operations, products and decoder, whatever device it is on: tests do so on a CPU."""
    model.operations = operations
    model.blocks = [
        replace(
            block,
            wqkv=by_kernels(block.wqkv),
            wo=by_kernels(block.wo),
            w13=by_kernels(block.w13),
            w2=by_kernels(block.w2),
        )
        for block in model.blocks
    ]
    model.output = by_kernels(model.output)
    model.decoder = CudaDecoder(_weights(model), processors)


def by_kernels(linear: Linear) -> Linear:
    """The same product, by kernels where its weights are of a form that they take."""
    match linear:
        case Fp8Rows():
            return Fp8Product(linear.weight.codes, linear.weight.scales)
        case Grouped():
            run = run_of(linear.grid)
            whole_runs = linear.grid.group % run == 0 and linear.grid.shape[1] % run == 0
            return GridRows(linear.grid) if whole_runs else linear
        case Dense():
            return DenseProduct(linear.weight)
        case Balanced():
            return Balanced(by_kernels(linear.inner), linear.sizes)
        case WithDense():
            return WithDense(by_kernels(linear.stored), linear.dense)
        case Concatenated():
            return Concatenated([by_kernels(part) for part in linear.parts], linear.heights)
        case Adapted():
            linear.base = by_kernels(linear.base)
            return linear
        case _:
            return linear


def row_product(linear: Linear) -> RowProduct:
    """The product of a few rows with these weights, in the fastest form there is for them."""
    match linear:
        case GridRows() | Fp8Product():
            return linear
        case Dense():
            return DenseRows(linear.weight)
        case Balanced():
            return BalancedRows(row_product(linear.inner), linear.sizes)
        case WithDense():
            return row_product(linear.stored)
        case _:
            return AnyRows(linear)


def _weights(model: Transformer) -> Weights:
    c = model.config
    layers = [
        Layer(
            attention_norm=block.attention_norm,
            wqkv=row_product(block.wqkv),
            wo=row_product(block.wo),
            ffn_norm=block.ffn_norm,
            w13=row_product(block.w13),
            w2=row_product(block.w2),
        )
        for block in model.blocks
    ]
    return Weights(
        embedding=model.embedding,
        layers=layers,
        norm=model.norm,
        output=row_product(model.output),
        rotary=model.rotary,
        heads=(c.n_heads, c.n_kv_heads, c.head_dim),
        hidden_dim=c.hidden_dim,
        vocab_size=c.vocab_size,
        eps=c.norm_eps,
        device=model.device,
        dtype=model.dtype,
    )

"""A decode step on a CPU, in a few compiled calls a layer.

A token's arithmetic is small: what costs is reading the weights and the past, and Python's calls in between. So all of
a layer runs in eight calls on plain arrays, in fp32 whatever the model's dtype, with keys and values as the cache keeps
them. A drafted stretch of a few tokens takes the same way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import accumulate, chain, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nemo_docs.kv.cache import KVCache, Stretch
from nemo_docs.model.cpu.attention import WIDTH, Rows, attend, merged
from nemo_docs.model.cpu.compiler import NUMBA_NUM_THREADS, set_num_threads
from nemo_docs.model.cpu.elementwise import add_and_norm, gated, rotate
from nemo_docs.model.cpu.linear import PackedProduct, packed_product
from nemo_docs.model.cpu.products import MOST_TOKENS, WIDTHS, multiply
from nemo_docs.model.linear.base import Linear
from nemo_docs.model.transformer import Block, Transformer

Floats = NDArray[np.float32]

_ALONE = threading.Lock()
"""Numba's own threads, where there is no OpenMP, serve one caller at a time."""


class CpuDecoder:
    """Runs a few tokens, of one sequence or of several, through a model whose products are packed grids.

    Args:
        model: The model.
    """

    def __init__(self, model: Transformer) -> None:
        self._model = model
        self._layers = [_Layer(block) for block in model.blocks]
        self._norm = model.norm.float().numpy()  # [dim]
        self._output = _packed(model.output)
        self._threads = 1

    def warm_up(self) -> None:
        """Make the code for this model and processor, or find it on disk, so that no token waits for it."""
        cache = KVCache(self._model.kv_layout, 2 * MOST_TOKENS)
        for tokens in WIDTHS:
            self.step([0] * tokens, cache, slice(-1, None), lambda: None)

    @staticmethod
    def suits(model: Transformer) -> bool:
        """Whether every product is a packed grid, and heads and feed-forward are whole vectors."""
        c = model.config
        products = [p for b in model.blocks for p in (b.wqkv, b.wo, b.w13, b.w2)]
        return (
            all(packed_product(product) for product in (model.output, *products))
            and c.head_dim % WIDTH == 0
            and c.hidden_dim % WIDTH == 0
        )

    def can_step(self, ids: Sequence[int], cache: KVCache) -> bool:
        """Whether so few tokens, behind such a past, are faster this way."""
        return self.can_step_together([ids], [cache])

    def can_step_together(self, ids: Sequence[Sequence[int]], caches: Sequence[KVCache]) -> bool:
        """Whether so few tokens of several sequences are."""
        return 0 < sum(map(len, ids)) <= MOST_TOKENS and all(
            cache.layout.dtype in (torch.float32, torch.bfloat16) for cache in caches
        )

    def step(
        self, ids: Sequence[int], cache: KVCache, rows: slice | Tensor, between_layers: Callable[[], None]
    ) -> Tensor:
        """As `Transformer.forward`: write the tokens' keys and values, uncommitted; logits fp32 [rows, V]."""
        return self._step([ids], [cache], rows, between_layers)

    def step_together(
        self, ids: Sequence[Sequence[int]], caches: Sequence[KVCache], between_layers: Callable[[], None]
    ) -> Tensor:
        """As `step` for each. Shapes: fp32 [M, V], a sequence's rows beside each other."""
        return self._step(ids, caches, slice(None), between_layers)

    def _step(
        self,
        ids: Sequence[Sequence[int]],
        caches: Sequence[KVCache],
        rows: slice | Tensor,
        between_layers: Callable[[], None],
    ) -> Tensor:
        model, c = self._model, self._model.config
        for cache, new in zip(caches, ids, strict=True):
            cache.reserve(len(cache) + len(new))
        positions = [cache.position + n for cache, new in zip(caches, ids, strict=True) for n in range(len(new))]
        cosines, sines = model.rotary.parts(positions)  # fp32 [M, D / 2]
        with _ALONE:
            self._threads = min(torch.get_num_threads(), NUMBA_NUM_THREADS)
            set_num_threads(self._threads)
            x = model.embedding.rows(torch.tensor([*chain(*ids)]), torch.float32).numpy()  # [M, dim]
            delta = np.zeros_like(x)
            for n, layer in enumerate(self._layers):
                between_layers()
                hidden = add_and_norm(x, delta, layer.attention_norm, c.norm_eps)
                heads = self._multiply(layer.wqkv, hidden).reshape(len(x), -1, c.head_dim)  # [M, H + 2K, D]
                rotate(heads, cosines, sines, c.n_heads + c.n_kv_heads)
                bounds = [0, *accumulate(map(len, ids))]
                seen = [
                    self._attention(n, heads[start:end], cache)
                    for (start, end), cache in zip(pairwise(bounds), caches, strict=True)
                ]
                delta = self._multiply(layer.wo, seen[0] if len(seen) == 1 else np.concatenate(seen))
                hidden = add_and_norm(x, delta, layer.ffn_norm, c.norm_eps)
                delta = self._multiply(layer.w2, gated(self._multiply(layer.w13, hidden)))
            hidden = add_and_norm(x, delta, self._norm, c.norm_eps)
            wanted = torch.from_numpy(hidden)[rows].numpy()
            return torch.from_numpy(self._multiply(self._output, np.ascontiguousarray(wanted)))

    def _attention(self, n: int, heads: Floats, cache: KVCache) -> Floats:
        """Shapes: heads [T, H + 2K, D] -> [T, H * D]."""
        c, tokens = self._model.config, heads.shape[0]
        new = torch.from_numpy(heads[:, c.n_heads :]).transpose(0, 1)  # [2K, T, D]
        cache.write(n, new[: c.n_kv_heads], new[c.n_kv_heads :])
        q = np.ascontiguousarray(heads[:, : c.n_heads]) * np.float32(c.head_dim**-0.5)
        *before, last = cache.stretches()
        own = _over(q, n, last, tokens, self._threads)
        parts = [_over(q, n, stretch, 0, self._threads) for stretch in before if stretch.tokens]
        if not parts:
            return own[0].reshape(tokens, -1)
        outs, sums = zip(*parts, own, strict=True)
        return merged(np.stack(outs), np.stack(sums))[0].reshape(tokens, -1)

    def _multiply(self, product: PackedProduct, x: Floats) -> Floats:
        """Shapes: x [T, in] -> [T, out]."""
        if product.sizes is not None:
            x = x * product.sizes
        if len(product.parts) == 1:
            return multiply(product.parts[0], x, self._threads)
        return np.concatenate([multiply(part, x, self._threads) for part in product.parts], axis=1)


def _over(q: Floats, n: int, stretch: Stretch, new: int, threads: int) -> tuple[Floats, Floats]:
    """Attention over one stretch, and the new tokens behind it, counted by its weight.

    Shapes: q [T, H, D] -> [T, H, D], [T, H].
    """
    end = stretch.tokens + new

    def rows(part: Tensor, scales: Tensor | None) -> Rows:
        return Rows(_array(part[n, :, :end]), None if scales is None else scales[n, :, :end].float().numpy())

    out, lse = attend(q, rows(stretch.k, stretch.k_scales), rows(stretch.v, stretch.v_scales), new, threads)
    return out, lse + np.float32(stretch.log_weight)


class _Layer:
    """A block's weights as plain arrays."""

    def __init__(self, block: Block) -> None:
        self.attention_norm = block.attention_norm.float().numpy()
        self.ffn_norm = block.ffn_norm.float().numpy()
        self.wqkv, self.wo = _packed(block.wqkv), _packed(block.wo)
        self.w13, self.w2 = _packed(block.w13), _packed(block.w2)


def _packed(linear: Linear) -> PackedProduct:
    found = packed_product(linear)
    assert found is not None, "`CpuDecoder.suits` was asked"
    return found


def _array(part: Tensor) -> NDArray[np.generic]:
    """A tensor's numbers, bf16 as its bits."""
    return part.view(torch.uint16).numpy() if part.dtype == torch.bfloat16 else part.numpy()

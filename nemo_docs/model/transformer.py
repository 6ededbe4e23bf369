"""A Mistral-style decoder as plain tensors and one forward pass.

There is no module tree: a block is two norms and four products. Query, key and value projections are one product, gate
and up projections another, because on a CPU and in decode the number of calls is what costs. Weights are read one
tensor at a time, straight into their place, so that loading peaks near the final size.

Dimensions: T new tokens, B sequences, H query heads, K key/value heads, D head size, V vocabulary.

Source: mistral-inference `transformer_layers.py`; arXiv:2310.06825.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nemo_docs.kv.cache import KVCache, KVLayout
from nemo_docs.kv.form import PLAIN, Form
from nemo_docs.model.attention import attend_each
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.linear.base import Dense, Linear, LinearLoader
from nemo_docs.model.linear.with_dense import WithDense
from nemo_docs.model.operations import Operations, PlainOperations
from nemo_docs.model.rope import RotaryTable

Attention = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""Keeps a layer's new keys and values, lets the queries see them: layer, q [H, T, D], k, v [K, T, D] -> [H, T, D]."""

LAST_ROW = slice(-1, None)
"""The only row of logits that reading a prompt needs: at NeMo's size one is 512 KiB."""


class TensorSource(Protocol):
    """Where weights come from: native names, native layout, read when asked for."""

    @property
    def config(self) -> ModelConfig:
        """The shape that the weights have."""
        ...

    def load(self, name: str, *, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Read one tensor to its device and dtype."""
        ...


class Decoder(Protocol):
    """Runs a few new tokens in a way of its own."""

    def can_step(self, ids: Sequence[int], cache: KVCache) -> bool:
        """Whether it takes these tokens behind this cache."""
        ...

    def step(
        self, ids: Sequence[int], cache: KVCache, rows: Tensor | slice, between_layers: Callable[[], None]
    ) -> Tensor:
        """As `Transformer.forward` at the positions that follow, each token seeing those before it."""
        ...

    def can_step_together(self, ids: Sequence[Sequence[int]], caches: Sequence[KVCache]) -> bool:
        """Whether it takes these tokens of several sequences, equally many of each, behind these caches."""
        ...

    def step_together(
        self, ids: Sequence[Sequence[int]], caches: Sequence[KVCache], between_layers: Callable[[], None]
    ) -> Tensor:
        """As `step` for each. Shapes: fp32 [M, V], a sequence's rows beside each other."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """The weights of one layer."""

    attention_norm: Tensor
    """[dim]"""
    wqkv: Linear
    """Rows of wq, wk, wv. dim -> (H + 2K) * D"""
    wo: Linear
    """H * D -> dim"""
    ffn_norm: Tensor
    """[dim]"""
    w13: Linear
    """Rows of w1 (gate) and w3 (up). dim -> 2 * hidden_dim"""
    w2: Linear
    """hidden_dim -> dim"""


class DenseLoader:
    """Every matrix in the model's own dtype."""

    def __init__(self, source: TensorSource, device: torch.device, dtype: torch.dtype) -> None:
        self._source, self._device, self._dtype = source, device, dtype

    def linear(self, *names: str) -> Linear:
        """One product for the rows of these tensors together."""
        tensors = [self._source.load(f"{name}.weight", device=self._device, dtype=self._dtype) for name in names]
        return Dense(tensors[0] if len(tensors) == 1 else torch.cat(tensors))

    def table(self, name: str) -> Linear:
        """The embedding or the output layer."""
        return self.linear(name)


class Transformer:
    """The model: weights, and a forward pass that appends to a cache.

    Args:
        source: Where weights are read from.
        device: Where they go.
        dtype: What activations and norms are kept in.
        linears: Makes the products, in whatever precision; by default they are dense, in `dtype`.
        kv_form: What caches keep of keys and values.
        on_layer: Called with (layers read, layers in all) while loading; may raise to stop.
    """

    def __init__(
        self,
        source: TensorSource,
        *,
        device: torch.device,
        dtype: torch.dtype,
        linears: LinearLoader | None = None,
        kv_form: Form = PLAIN,
        on_layer: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.config = source.config
        self.device, self.dtype = device, dtype
        self._kv_form = kv_form
        self.operations: Operations = PlainOperations()
        """What stands between the products."""
        self.decoder: Decoder | None = None
        """Asked first to run new tokens; None for the plain path."""

        loader = linears or DenseLoader(source, device, dtype)

        def norm(name: str) -> Tensor:
            return source.load(f"{name}.weight", device=device, dtype=dtype)

        self.embedding = loader.table("tok_embeddings")
        """[V, dim]"""
        self.blocks: list[Block] = []
        """In order."""
        for n in range(self.config.n_layers):
            on_layer(n, self.config.n_layers)
            at = f"layers.{n}"
            self.blocks.append(
                Block(
                    attention_norm=norm(f"{at}.attention_norm"),
                    wqkv=loader.linear(f"{at}.attention.wq", f"{at}.attention.wk", f"{at}.attention.wv"),
                    wo=loader.linear(f"{at}.attention.wo"),
                    ffn_norm=norm(f"{at}.ffn_norm"),
                    w13=loader.linear(f"{at}.feed_forward.w1", f"{at}.feed_forward.w3"),
                    w2=loader.linear(f"{at}.feed_forward.w2"),
                )
            )
        self.norm = norm("norm")
        """[dim]"""
        self.output = self.embedding if self.config.tied else loader.table("output")
        """dim -> V"""
        self.rotary = RotaryTable(self.config.head_dim, self.config.rope_theta, device)
        """Turns by position."""
        on_layer(self.config.n_layers, self.config.n_layers)

    @property
    def kv_layout(self) -> KVLayout:
        """The cache that this model writes."""
        c = self.config
        return KVLayout(c.n_layers, c.n_kv_heads, c.head_dim, self.dtype, self.device, self._kv_form)

    @property
    def streamed_bytes(self) -> int:
        """Weights that one token's pass reads: all but the embedding, of which it needs a row."""
        products = [each for block in self.blocks for each in (block.wqkv, block.wo, block.w13, block.w2)]
        return sum(_streamed(product) for product in (*products, self.output))

    @torch.inference_mode()
    def forward(
        self,
        ids: Sequence[int],
        cache: KVCache,
        *,
        positions: Sequence[int] | None = None,
        mask: Tensor | None = None,
        rows: Tensor | slice = LAST_ROW,
        between_layers: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Run new tokens behind those that the cache holds; write their keys and values, uncommitted.

        Args:
            ids: The new tokens, T of them.
            cache: What they see, and where they are written.
            positions: Their positions; by default they follow the cache.
            mask: Which new token sees which, [T, T] bool; by default the causal triangle.
            rows: Which of the T rows go through the output layer: a slice, or indices.
            between_layers: Called before each layer; raises to cancel.

        Returns:
            Logits, fp32 [rows, V].
        """
        if mask is None and positions is None and self.decoder is not None and self.decoder.can_step(ids, cache):
            return self.decoder.step(ids, cache, rows, between_layers)
        start, tokens = len(cache), len(ids)
        cache.reserve(start + tokens)
        where = range(cache.position, cache.position + tokens) if positions is None else positions

        def attention(n: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            cache.write(n, k, v)
            return self.operations.attend(q, cache.pieces(n, start + tokens), mask)

        return self._through(ids, where, attention, rows, between_layers)

    @torch.inference_mode()
    def decode_together(
        self, ids: Sequence[int], caches: Sequence[KVCache], *, between_layers: Callable[[], None] = lambda: None
    ) -> Tensor:
        """Run one new token of each of several sequences behind its own cache; the weights are read once for all.

        Args:
            ids: A token for each cache, B of them.
            caches: What each token sees, and where its keys and values are written, uncommitted. No two are the same.
            between_layers: Called before each layer; raises to cancel.

        Returns:
            Logits, fp32 [B, V].
        """
        single = [[token] for token in ids]
        if self.decoder is not None and self.decoder.can_step_together(single, caches):
            return self.decoder.step_together(single, caches, between_layers)
        lengths = [len(cache) + 1 for cache in caches]
        for cache, length in zip(caches, lengths, strict=True):
            cache.reserve(length)

        def attention(n: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            for b, cache in enumerate(caches):
                cache.write(n, k[:, b : b + 1], v[:, b : b + 1])
            pasts = [cache.pieces(n, length) for cache, length in zip(caches, lengths, strict=True)]
            return attend_each(q, pasts, self.operations.attend)

        return self._through(ids, [cache.position for cache in caches], attention, slice(None), between_layers)

    def _through(
        self,
        ids: Sequence[int],
        positions: Sequence[int],
        attention: Attention,
        rows: Tensor | slice,
        between_layers: Callable[[], None],
    ) -> Tensor:
        """All layers over some tokens, whatever those see. Shapes: T ids and positions -> fp32 [rows, V]."""
        turns = self.rotary.at(positions)  # [T, D/2]
        x = self.embedding.rows(torch.tensor(ids, device=self.device), self.dtype)  # [T, dim]
        ops, eps = self.operations, self.config.norm_eps
        delta: Tensor | None = None  # what the layer before found, not yet added
        for n, block in enumerate(self.blocks):
            between_layers()
            x, normed = ops.add_norm(x, delta, block.attention_norm, eps)
            x, normed = ops.add_norm(x, self._attention(n, block, normed, turns, attention), block.ffn_norm, eps)
            delta = block.w2(ops.gated(block.w13(normed)))
        _, normed = ops.add_norm(x[rows], None if delta is None else delta[rows], self.norm, eps)
        return self.output(normed).float()

    def _attention(self, n: int, block: Block, x: Tensor, turns: Tensor, attention: Attention) -> Tensor:
        """Shapes: x [T, dim]; turns [T, D/2] -> [T, dim]."""
        c, tokens = self.config, x.shape[0]
        heads = block.wqkv(x).view(tokens, -1, c.head_dim)  # [T, H + 2K, D]
        q, k, v = self.operations.turned(heads, turns, c.n_heads, c.n_kv_heads)
        out = attention(n, q, k, v)
        return block.wo(out.transpose(0, 1).reshape(tokens, -1))


def _streamed(linear: Linear) -> int:
    """Bytes of a product that one token reads: the stored form, where a dense copy is kept beside it for prompts."""
    return linear.stored.n_bytes if isinstance(linear, WithDense) else linear.n_bytes

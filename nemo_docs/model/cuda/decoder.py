"""One step of decode on an NVIDIA GPU: a few new tokens of one or several sequences, recorded once as a CUDA graph.

A step of NeMo is some three hundred small kernels. Launched one by one from Python they take five times as long as
their work; recorded, the GPU runs them back to back. What changes from step to step, token ids, positions, where caches
lie and how long they are, is data in memory of its own, so one recording serves every length and outlives a cache that
moves. There is one recording a shape: sequences, tokens of each, stretches of cache.

Dimensions: B sequences, T new tokens of each, M = B * T, H query heads, K key/value heads, D head size, V vocabulary.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from nemo_docs.kv.cache import KVCache, Stretch
from nemo_docs.model.cuda.products import MOST_ROWS, Around, RowProduct
from nemo_docs.model.cuda.writing import NUMBERS, Stretches
from nemo_docs.model.linear.base import Linear
from nemo_docs.model.rope import RotaryTable

MOST_RECORDINGS = 16
"""Shapes whose recordings are kept; each is a few megabytes."""
PROGRAMS_PER_PROCESSOR = {False: 1, True: 2}
"""Programs of attention for each multiprocessor, by whether the caches are int8: unpacking needs more under way."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one layer as decode multiplies by them."""

    attention_norm: Tensor
    """[dim]"""
    wqkv: RowProduct
    """dim -> (H + 2K) * D"""
    wo: RowProduct
    """H * D -> dim"""
    ffn_norm: Tensor
    """[dim]"""
    w13: RowProduct
    """dim -> 2 * hidden_dim"""
    w2: RowProduct
    """hidden_dim -> dim"""


@dataclass(frozen=True, slots=True)
class Weights:
    """All that a step multiplies by, and the model's numbers."""

    embedding: Linear
    """Whose rows are the tokens'."""
    layers: Sequence[Layer]
    """In order."""
    norm: Tensor
    """[dim]"""
    output: RowProduct
    """dim -> V"""
    rotary: RotaryTable
    """Turns by position."""
    heads: tuple[int, int, int]
    """H, K and D."""
    hidden_dim: int
    """Inner width of the feed-forward network."""
    vocab_size: int
    """V"""
    eps: float
    """Epsilon of RMSNorm."""
    device: torch.device
    """Where all of it lives."""
    dtype: torch.dtype
    """What activations are kept in."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a recording is for."""

    sequences: int
    """B"""
    tokens: int
    """T"""
    stretches: int
    """Stretches of cache, of all sequences together."""
    int8: bool
    """Whether they are int8."""


class Step:
    """Buffers of one shape, and what runs in them.

    Args:
        shape: Sequences, tokens and stretches.
        weights: The model.
        splits: Into how many parts attention cuts a stretch.
    """

    def __init__(self, shape: Shape, weights: Weights, splits: int) -> None:
        self._weights = weights
        device, dtype = weights.device, weights.dtype
        n_heads, n_kv_heads, size = weights.heads
        rows, dim = shape.sequences * shape.tokens, len(weights.norm)
        # What changes at every step lies together, so that one transfer brings it.
        changing = torch.zeros(NUMBERS * shape.stretches + rows, dtype=torch.int32, device=device)
        self._changing, self._ids = changing, changing[NUMBERS * shape.stretches :]  # [M]
        numbers = changing[: NUMBERS * shape.stretches].view(shape.stretches, NUMBERS)
        self._stretches = Stretches(shape.sequences, shape.tokens, numbers, weights.heads, splits, shape.int8)
        self._places: tuple[list[list[int]], list[float], list[int]] | None = None
        self.turns = torch.zeros(rows, size, dtype=torch.float32, device=device)
        """Cosine and sine of every pair, in turn. [M, D]"""
        self.logits = torch.zeros(rows, weights.vocab_size, dtype=torch.float32, device=device)
        """[M, V]"""
        self._x = torch.zeros(rows, dim, dtype=dtype, device=device)
        self._heads = torch.zeros(rows, (n_heads + 2 * n_kv_heads) * size, dtype=dtype, device=device)
        self._q = torch.zeros(rows, n_heads, size, dtype=dtype, device=device)
        self._attended = torch.zeros(rows, n_heads * size, dtype=dtype, device=device)
        self._hidden = torch.zeros(rows, weights.hidden_dim, dtype=dtype, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None

    def fill(self, ids: Sequence[Sequence[int]], held: Sequence[Sequence[Stretch]]) -> None:
        """Say which tokens are new, and where each sequence's keys and values lie."""
        stretches = [stretch for each in held for stretch in each]
        ends = list(accumulate(map(len, held)))
        numbers = [
            [stretch.tokens, sequence, n + 1 == len(each), 0]
            for sequence, each in enumerate(held)
            for n, stretch in enumerate(each)
        ]
        flat = [number for row in numbers for number in row] + [token for each in ids for token in each]
        self._changing.copy_(torch.tensor(flat, dtype=torch.int32))
        places = ([_addresses(stretch) for stretch in stretches], [stretch.log_weight for stretch in stretches], ends)
        if places != self._places:  # seldom: only when caches move or change places
            self._places = places
            tables = self._stretches
            tables.addresses.copy_(torch.tensor(places[0]))
            tables.weights.copy_(torch.tensor(places[1]))
            tables.last.copy_(torch.tensor([end - 1 for end in ends]))
            tables.first.copy_(torch.tensor([0, *ends]))

    def run(self) -> None:
        """Compute `logits` from the new tokens, `turns` and the tables, on a GPU as one graph after the first time."""
        self._x.copy_(self._weights.embedding.rows(self._ids, self._weights.dtype))  # may lie in main memory
        if self._weights.device.type != "cuda":
            self._compute()
        elif self._graph is None:
            self._compute()  # compiles kernels and answers this first step
            torch.cuda.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._compute()
        else:
            self._graph.replay()

    def _compute(self) -> None:
        w, x = self._weights, self._x
        for n, layer in enumerate(w.layers):
            layer.wqkv(x, self._heads, Around(layer.attention_norm, w.eps))
            self._stretches.write(self._heads, self.turns, self._q, n)
            self._stretches.attend(self._q, self._attended, n)
            layer.wo(self._attended, x, Around(residual=x))
            layer.w13(x, self._hidden, Around(layer.ffn_norm, w.eps, gate=True))
            layer.w2(self._hidden, x, Around(residual=x))
        w.output(x, self.logits, Around(w.norm, w.eps))


class CudaDecoder:
    """Runs steps of up to `MOST_ROWS` new tokens in all.

    Args:
        weights: The model.
        processors: Multiprocessors of the GPU.
    """

    def __init__(self, weights: Weights, processors: int) -> None:
        self._weights, self._processors = weights, processors
        self._steps: OrderedDict[Shape, Step] = OrderedDict()

    def can_step(self, ids: Sequence[int], cache: KVCache) -> bool:
        """Whether these new tokens may run behind this cache here."""
        return self.can_step_together([ids], [cache])

    def can_step_together(self, ids: Sequence[Sequence[int]], caches: Sequence[KVCache]) -> bool:
        """Whether these new tokens may run together: few, equally many each, behind caches that show all they hold."""
        alike = len({len(each) for each in ids}) == 1 and 0 < len(ids) * len(ids[0]) <= MOST_ROWS
        return alike and all(sum(stretch.tokens for stretch in cache.stretches()) >= cache.position for cache in caches)

    def step(
        self,
        ids: Sequence[int],
        cache: KVCache,
        rows: Tensor | slice,
        between_layers: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Run new tokens behind those that a cache holds; their keys and values are written, uncommitted.

        Returns:
            Logits, fp32 [rows, V].
        """
        return self.step_together([ids], [cache], between_layers)[rows]

    @torch.inference_mode()
    def step_together(
        self,
        ids: Sequence[Sequence[int]],
        caches: Sequence[KVCache],
        between_layers: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Run as many new tokens behind each of several caches, whose lengths may differ.

        Args:
            ids: New tokens of each sequence, equally many of each, at most `MOST_ROWS` together.
            caches: What each sees.
            between_layers: Called once: all layers are one graph.

        Returns:
            Logits, fp32 [M, V], a sequence's rows beside each other.
        """
        between_layers()
        tokens = len(ids[0])
        for cache in caches:
            cache.reserve(len(cache) + tokens)
        held = [cache.stretches() for cache in caches]
        count = sum(map(len, held))
        shape = Shape(len(caches), tokens, count, held[0][-1].k_scales is not None)
        step = self._step(shape)
        step.fill(ids, held)
        where = range(caches[0].position, caches[0].position + tokens)  # a slice of the table, where it can be
        positions = [cache.position + offset for cache in caches for offset in range(tokens)]
        turns = self._weights.rotary.at(where if len(caches) == 1 else positions)
        step.turns.copy_(torch.view_as_real(turns).flatten(-2))
        step.run()
        return step.logits.clone()

    def _step(self, shape: Shape) -> Step:
        if shape not in self._steps:
            programs = PROGRAMS_PER_PROCESSOR[shape.int8] * self._processors
            splits = max(1, programs // (self._weights.heads[1] * shape.stretches))
            while len(self._steps) >= MOST_RECORDINGS:
                self._steps.popitem(last=False)
            self._steps[shape] = Step(shape, self._weights, splits)
        self._steps.move_to_end(shape)
        return self._steps[shape]


def _addresses(stretch: Stretch) -> list[int]:
    """A row of the table that `writing.ADDRESSES` describes."""
    k, v, k_scales, v_scales, *_ = stretch
    if k_scales is None or v_scales is None:
        return [k.data_ptr(), v.data_ptr(), 0, 0, k.stride(0), k.stride(1), 0, 0]
    scales = [k_scales.data_ptr(), v_scales.data_ptr()]
    strides = [k.stride(0), k.stride(1), k_scales.stride(0), k_scales.stride(1)]
    return [k.data_ptr(), v.data_ptr(), *scales, *strides]

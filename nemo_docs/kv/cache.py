"""The working KV cache of one sequence, in memory.

Keys are kept as they are attended to (rotated), head-major, so that one layer's past is a plain slice: on a CPU decode
over a head-major slice is two to three times faster than over a token-major one. The form in which they are kept, plain
or in eight bits, is the truth: a chunk is stored first and then attended to as it was stored, its own tokens too. The
cache knows which token ids it holds and where the chunks that computed them ended. Reuse goes by whole chunks: then a
warm run does exactly the arithmetic of a cold one after the shared prefix, in the same shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, overload

import torch
from torch import Tensor

from nemo_docs.kv.form import PLAIN, Form, Rows

GROWTH_TOKENS = 256
"""Capacity is rounded up to this many tokens, so that a follow-up seldom has to move the cache."""
BLOCK_TOKENS = 16_384
"""Packed keys and values are unpacked so many tokens at a time: for NeMo 67 MB of bf16 instead of 537 at 128k."""


@dataclass(frozen=True, slots=True)
class KVLayout:
    """What one token needs in a cache."""

    n_layers: int
    """Transformer blocks."""
    n_kv_heads: int
    """Key/value heads, K."""
    head_dim: int
    """Width of a head, D."""
    dtype: torch.dtype
    """What keys and values are computed in."""
    device: torch.device
    """Where they live."""
    form: Form = PLAIN
    """In which numbers they are kept."""

    @property
    def bytes_per_token(self) -> int:
        """Keys and values of every layer."""
        return 2 * self.n_layers * self.n_kv_heads * self.form.row_bytes(self.head_dim, self.dtype)


class Past(NamedTuple):
    """Keys and values that every new token may see."""

    k: Tensor
    """[K, S, D]"""
    v: Tensor
    """[K, S, D]"""
    log_weight: float = 0.0
    """Added to the log-sum-exp of this piece: 0 counts it as it is."""


class Stretch(NamedTuple):
    """Where some of a sequence's keys and values lie, for a decoder that reads and writes it in place."""

    k: Tensor
    """[L, K, C, D], rows of a head beside each other; new tokens are written behind the first `tokens`."""
    v: Tensor
    """[L, K, C, D], laid out as `k`."""
    k_scales: Tensor | None
    """Of int8 keys, one a token and head, bf16 [L, K, C]; None for keys that are kept as they are."""
    v_scales: Tensor | None
    """Of int8 values, laid out as `k_scales`."""
    tokens: int
    """Tokens held."""
    log_weight: float = 0.0
    """As `Past.log_weight`."""


class Blocks(Sequence[Past]):
    """Pieces of a past that are made when they are asked for: whoever takes them in turn holds few at a time.

    Args:
        load: Makes the piece from one token to another, end exclusive.
        cuts: Where each piece begins, ascending, and where the last one ends.
    """

    def __init__(self, load: Callable[[int, int], Past], cuts: Sequence[int]) -> None:
        self._load = load
        self._bounds = list(pairwise(cuts))

    def __len__(self) -> int:
        return len(self._bounds)

    @overload
    def __getitem__(self, at: int) -> Past: ...

    @overload
    def __getitem__(self, at: slice) -> list[Past]: ...

    def __getitem__(self, at: int | slice) -> Past | list[Past]:
        if isinstance(at, slice):
            return [self._load(*bounds) for bounds in self._bounds[at]]
        return self._load(*self._bounds[at])


class KVCache:
    """Keys and values of one sequence of tokens.

    Tokens enter in two steps: `write` fills a layer's rows while the model runs, `commit` makes them count. A forward
    pass that is cancelled between layers therefore leaves nothing behind.
    """

    def __init__(self, layout: KVLayout, capacity: int) -> None:
        self.layout = layout
        self.ids: list[int] = []
        """Ids of the tokens held."""
        self.chunk_ends: list[int] = []
        """Lengths at which a prefilled chunk ended; decoded tokens add none."""
        self._k, self._v = self._allocate(capacity)  # [L, K, C, D] each, scales [L, K, C]

    @property
    def capacity(self) -> int:
        """Tokens that fit without growing."""
        return self._k.codes.shape[2]

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return self.capacity * self.layout.bytes_per_token

    def __len__(self) -> int:
        """Tokens held."""
        return len(self.ids)

    @property
    def position(self) -> int:
        """Where the next token stands."""
        return len(self)

    def reserve(self, tokens: int) -> None:
        """Make room for `tokens` in all, keeping what is held."""
        if tokens <= self.capacity:
            return
        old_k, old_v, held = self._k, self._v, len(self)
        self._k, self._v = self._allocate(tokens)
        self._k[:, :, :held].fill(old_k[:, :, :held])
        self._v[:, :, :held].fill(old_v[:, :, :held])

    def write(self, layer: int, k: Tensor, v: Tensor) -> None:
        """Put the keys and values of the tokens that follow those held, as the model computed them.

        Shapes: k, v [K, T, D].
        """
        self.put(layer, self.layout.form.store(k), self.layout.form.store(v))

    def put(self, layer: int, k: Rows, v: Rows) -> None:
        """Put keys and values in their stored form, wherever they come from.

        Shapes: k, v [K, T, D].
        """
        new = slice(len(self), len(self) + k.codes.shape[1])
        self._k[layer, :, new].fill(k)
        self._v[layer, :, new].fill(v)

    def rows(self, start: int, end: int) -> tuple[Rows, Rows]:
        """Keys and values of the tokens from `start` to `end` as they are kept.

        Shapes: views, codes [L, K, end - start, D] and scales [L, K, end - start]; a head's stride is the capacity.
        """
        return self._k[:, :, start:end], self._v[:, :, start:end]

    def suits(self, start: int, k: Rows, v: Rows) -> bool:
        """Whether rows are of the kind that is kept here, and there is room for them from `start` on.

        Shapes: k, v [L, K, T, D].
        """
        mine = self.rows(start, start + k.codes.shape[-2])
        return mine[0].alike(k) and mine[1].alike(v)

    def place(self, start: int, k: Rows, v: Rows, *, non_blocking: bool = False) -> None:
        """Put rows that were kept elsewhere, on whatever device, at the tokens from `start` on; `commit` counts them.

        With `non_blocking` the caller sees to it that pinned memory stays as it is until the copy has been made.

        Shapes: k, v [L, K, T, D], of the kind that is kept here (`suits`).
        """
        assert self.suits(start, k, v)
        end = start + k.codes.shape[-2]
        self._k[:, :, start:end].fill(k, non_blocking=non_blocking)
        self._v[:, :, start:end].fill(v, non_blocking=non_blocking)

    def past(self, layer: int, tokens: int, start: int = 0) -> tuple[Tensor, Tensor]:
        """Keys and values `start` to `tokens` of a layer, as attention needs them; rows just written may be included.

        Shapes: two of [K, tokens - start, D]; views where the form is plain, else made anew.
        """
        form, dtype, rows = self.layout.form, self.layout.dtype, slice(start, tokens)
        return form.load(self._k[layer, :, rows], dtype), form.load(self._v[layer, :, rows], dtype)

    def pieces(self, layer: int, tokens: int) -> Sequence[Past]:
        """What a new token sees: keys and values of `tokens` tokens, those being written last in the last piece.

        A packed past comes in blocks that are loaded when they are asked for. They begin at multiples of
        `BLOCK_TOKENS`, so that their shapes depend on no more than how many tokens there are.
        """
        if not self.layout.form.packed:
            return [Past(*self.past(layer, tokens))]
        starts = range(0, max(1, min(len(self) + 1, tokens)), BLOCK_TOKENS)
        return Blocks(lambda start, end: Past(*self.past(layer, end, start)), (*starts, tokens))

    def stretches(self) -> list[Stretch]:
        """What a new token sees, as it lies in memory; new tokens go behind the last stretch."""
        return [Stretch(self._k.codes, self._v.codes, self._k.scales, self._v.scales, len(self))]

    def commit(self, ids: Sequence[int], *, ends_chunk: bool) -> None:
        """Count tokens whose rows every layer has written."""
        self.ids.extend(ids)
        if ends_chunk:
            self.chunk_ends.append(len(self))

    def truncate(self, tokens: int) -> None:
        """Forget everything behind the first `tokens` tokens."""
        del self.ids[tokens:]
        while self.chunk_ends and self.chunk_ends[-1] > tokens:
            self.chunk_ends.pop()

    def copy_of(self, tokens: int, capacity: int) -> KVCache:
        """A new cache that holds the first `tokens` tokens of this one."""
        other = KVCache(self.layout, capacity)
        other._k[:, :, :tokens].fill(self._k[:, :, :tokens])
        other._v[:, :, :tokens].fill(self._v[:, :, :tokens])
        other.ids = self.ids[:tokens]
        other.chunk_ends = [end for end in self.chunk_ends if end <= tokens]
        return other

    def reusable(self, ids: Sequence[int], boundaries: Sequence[int]) -> int:
        """How many leading tokens a prompt shares with this cache, counted in whole chunks.

        Args:
            ids: The prompt.
            boundaries: Ends of the prompt's own chunks, ascending; a chunk counts when the cache computed it with the
                same bounds.

        Returns:
            The largest end of a chunk up to which ids and chunk bounds are both equal; 0 if there is none.
        """
        shared = 0
        for mine, wanted in zip(self.chunk_ends, boundaries, strict=False):
            if mine != wanted or self.ids[shared:mine] != list(ids[shared:mine]):
                break
            shared = mine
        return shared

    def _allocate(self, tokens: int) -> tuple[Rows, Rows]:
        lay, rounded = self.layout, -(-tokens // GROWTH_TOKENS) * GROWTH_TOKENS
        shape = (lay.n_layers, lay.n_kv_heads, rounded, lay.head_dim)
        return (
            lay.form.empty(*shape, dtype=lay.dtype, device=lay.device),
            lay.form.empty(*shape, dtype=lay.dtype, device=lay.device),
        )

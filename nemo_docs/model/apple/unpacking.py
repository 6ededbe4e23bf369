"""Keys and values of eight bits, unpacked into places of few sizes.

PyTorch's allocator for an Apple GPU keeps what was given back by its size, and a larger place is never made of smaller
ones. A past that grows by a token a step would so leave a trail of places, each a little larger than the one before:
gigabytes in an answer. Filled up to whole buckets, they are the same few for every token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nemo_docs.kv.form import Int8, Rows
from nemo_docs.model.apple.attention import BUCKET_TOKENS


@dataclass(frozen=True, slots=True)
class Int8InBuckets(Int8):
    """Stored as `Int8` stores, loaded to the same numbers."""

    def load(self, rows: Rows, dtype: torch.dtype) -> Tensor:
        """Shapes: [..., T, D], the beginning of memory for whole buckets."""
        assert rows.scales is not None
        *heads, tokens, size = rows.codes.shape
        room = -(-tokens // BUCKET_TOKENS) * BUCKET_TOKENS
        place = torch.empty(*heads, room, size, dtype=dtype, device=rows.codes.device)
        return torch.mul(rows.codes, rows.scales.to(dtype).unsqueeze(-1), out=place[..., :tokens, :])

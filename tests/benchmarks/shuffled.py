"""The same model with its channels in another order: every output the same, no group of columns the same.

The embedded default's file has four bits already, in groups of 32 columns. A method that rounds to such groups finds
every weight on its grid and looks perfect. Put the channels in another order, in every tensor that knows of it, and the
function stays what it was, with its real inputs and their outliers; but each group then holds 32 weights of 32 former
groups, which lie on no common grid. So what rounding costs can be measured on real text.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.model.transformer import TensorSource


class Shuffled:
    """A source whose residual, feed-forward and value channels are permuted, each drawn from a seed."""

    def __init__(self, source: TensorSource, seed: int = 0) -> None:
        self.config = config = source.config
        self._source = source
        generator = torch.Generator().manual_seed(seed)

        def drawn(channels: int) -> Tensor:
            return torch.randperm(channels, generator=generator)

        self._residual = drawn(config.dim)
        self._hidden = [drawn(config.hidden_dim) for _ in range(config.n_layers)]
        self._values = [
            torch.stack([drawn(config.head_dim) for _ in range(config.n_kv_heads)]) for _ in range(config.n_layers)
        ]  # a value channel stays in its head

    def load(self, name: str, *, device: torch.device, dtype: torch.dtype) -> Tensor:
        """One tensor, its rows and columns in the new order."""
        weight = self._source.load(name, device=device, dtype=dtype)
        part = name.removesuffix(".weight").rpartition(".")[2]
        layer = int(name.split(".")[1]) if name.startswith("layers.") else 0
        if weight.dim() == 1:
            return weight[self._residual]
        if part in ("wo", "w2"):
            columns = self._hidden[layer] if part == "w2" else self._columns_of_wo(layer)
            return weight[self._residual][:, columns].contiguous()
        rows = {"w1": self._hidden[layer], "w3": self._hidden[layer], "wv": self._rows_of_wv(layer)}.get(part)
        return (weight if rows is None else weight[rows])[:, self._residual].contiguous()

    def _rows_of_wv(self, layer: int) -> Tensor:
        heads = torch.arange(self.config.n_kv_heads).unsqueeze(1) * self.config.head_dim
        return (self._values[layer] + heads).flatten()

    def _columns_of_wo(self, layer: int) -> Tensor:
        """Query heads of a group follow the order of their one value head."""
        config = self.config
        of_queries = self._values[layer].repeat_interleave(config.n_heads // config.n_kv_heads, dim=0)  # [H, D]
        heads = torch.arange(config.n_heads).unsqueeze(1) * config.head_dim
        return (of_queries + heads).flatten()

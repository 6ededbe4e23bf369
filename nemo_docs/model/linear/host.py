"""An embedding that stays in main memory while the model is on a device.

A token needs one row of it: 10 KB of NeMo's 1.3 GB. On a small card that memory is worth more than the copy of a row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.model.linear.base import Linear, LinearLoader


class HostTable:
    """A table whose rows are copied to where they are asked from.

    Args:
        table: In main memory.
    """

    def __init__(self, table: Linear) -> None:
        self._table = table

    @property
    def n_bytes(self) -> int:
        """Memory of the device that the weights take."""
        return 0

    def __call__(self, x: Tensor) -> Tensor:
        """Multiply where the table is. Shapes: x [T, in] -> [T, out], on x's device."""
        return self._table(x.cpu()).to(x.device)

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in], on their device."""
        return self._table.rows(ids.cpu(), dtype).to(ids.device)


class HostEmbedding:
    """Everything as another loader makes it, but the embedding, which stays in main memory.

    Args:
        loader: Makes the rest.
        host: Makes tables in main memory.
    """

    def __init__(self, loader: LinearLoader, host: LinearLoader) -> None:
        self._loader, self._host = loader, host

    def linear(self, *names: str) -> Linear:
        """One product for the rows of these tensors together."""
        return self._loader.linear(*names)

    def table(self, name: str) -> Linear:
        """The embedding from main memory, or the output layer."""
        return HostTable(self._host.table(name)) if name == "tok_embeddings" else self._loader.table(name)

"""A grid of grouped whole numbers as a product on a CPU.

A few tokens are multiplied with the packed grid itself; many, as in prefill, with a dense matrix, because there the
processor's matrix instructions count and not the bytes. The dense matrix is kept where memory is plentiful, as it is
for a small model; else it is made anew for each chunk of a prompt.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from nemo_docs.model.cpu.packing import pack, packed_rows
from nemo_docs.model.cpu.products import MOST_TOKENS, multiply
from nemo_docs.model.cpu.unpacking import dense
from nemo_docs.model.linear.grouped import Grid


class PackedGrouped:
    """A product with a packed grid.

    Args:
        grid: The weights.
        keep_dense: Type of a dense copy to keep beside them; None for none.
    """

    def __init__(self, grid: Grid, keep_dense: torch.dtype | None) -> None:
        self.packed = pack(grid)
        self._dense = None if keep_dense is None else grid.dense(keep_dense)

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self.packed.n_bytes + (0 if self._dense is None else self._dense.nbytes)

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out]."""
        if x.shape[0] <= MOST_TOKENS:
            return torch.from_numpy(multiply(self.packed, x.float().contiguous().numpy())).to(x.dtype)
        if self._dense is not None and self._dense.dtype == x.dtype:
            return F.linear(x, self._dense)
        return F.linear(x, dense(self.packed, x.dtype))

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in]."""
        return packed_rows(self.packed, ids.numpy()).dense(dtype)

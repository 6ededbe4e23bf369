"""From a precision's name to the products of a model.

`fp32` and `bf16` are dense. `file` keeps each weight as its file does: what lies on a grid stays there, the rest is
dense. `fp8`, `int8` and `int4` are made on load. A product with a grid unpacks it for many tokens; where the dense
weights cost little beside what is free, the caller has them kept as well, and that product is as fast as a dense one.

Weights are read one tensor at a time, so memory peaks near the final size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

import torch
from torch import Tensor

from nemo_docs.errors import SettingsError
from nemo_docs.model.linear.base import Dense, Linear, LinearLoader
from nemo_docs.model.linear.concatenated import Concatenated
from nemo_docs.model.linear.grouped import Grid, Grouped, stacked
from nemo_docs.model.linear.on_load import Fp8Loader, Int4Loader, Int8Loader
from nemo_docs.model.linear.with_dense import WithDense
from nemo_docs.model.transformer import DenseLoader, TensorSource
from nemo_docs.model.weights.base import GridSource

DENSE = ("fp32", "bf16")
"""Precisions in which weights are what activations are."""
FILE = "file"
"""The precision of the file itself."""
ON_LOAD = ("fp8", "int8", "int4")
"""Precisions into which weights are rounded while they are read."""


def linears_for(
    source: TensorSource, *, device: torch.device, dtype: torch.dtype, precision: str, keep_dense: bool = False
) -> LinearLoader:
    """What makes a model's products in a precision.

    Args:
        source: Where weights are read from.
        device: Where they go.
        dtype: Of activations, and of weights that are dense.
        precision: `fp32`, `bf16`, `file`, `fp8`, `int8` or `int4`.
        keep_dense: Keep what lies on a grid dense as well.

    Raises:
        SettingsError: If weights cannot be kept in this precision.
    """
    if precision in DENSE:
        return DenseLoader(source, device, dtype)
    if precision == FILE:
        return FileLoader(source, device, dtype, keep_dense=keep_dense)
    if precision in ON_LOAD:
        if precision == "fp8":
            return Fp8Loader(source, device, dtype, grid_product(device))
        rounding = Int8Loader if precision == "int8" else Int4Loader
        return rounding(source, device, dtype, grid_product(device))
    raise SettingsError(
        f"Weights cannot be kept in the precision {precision!r}.",
        hint=f"There are {', '.join((*DENSE, FILE, *ON_LOAD))}.",
    )


def grid_product(device: torch.device) -> Callable[[Grid], Linear]:
    """What multiplies with a grid on a device."""
    if device.type == "cpu":
        from nemo_docs.model.cpu.compiler import NUMBA
        from nemo_docs.model.cpu.linear import PackedGrouped

        return PackedGrouped if NUMBA else Grouped
    if device.type == "mps":
        from nemo_docs.model.apple.products import product_for

        return product_for
    return Grouped


class FileLoader:
    """Every matrix as its file has it: on its grid, or dense.

    Args:
        source: Where weights are read from.
        device: Where they go.
        dtype: Of weights that are dense.
        keep_dense: Keep what lies on a grid dense as well.
    """

    def __init__(self, source: TensorSource, device: torch.device, dtype: torch.dtype, *, keep_dense: bool) -> None:
        self._source, self._device, self._dtype, self._keep_dense = source, device, dtype, keep_dense
        self._product = grid_product(device)

    def linear(self, *names: str) -> Linear:
        """One product for the rows of these tensors together."""
        parts = [self._stored(f"{name}.weight") for name in names]
        products = list(_products(parts, self._product))
        whole = products[0][0] if len(products) == 1 else Concatenated(*zip(*products, strict=True))
        if not self._keep_dense or isinstance(whole, Dense):
            return whole
        dense = [part.dense(self._dtype) if isinstance(part, Grid) else part for part in parts]
        return WithDense(whole, Dense(_joined(dense)))

    def table(self, name: str) -> Linear:
        """The embedding or the output layer."""
        return self.linear(name)

    def _stored(self, name: str) -> Grid | Tensor:
        grid = self._source.grid(name) if isinstance(self._source, GridSource) else None
        if grid is None:
            return self._source.load(name, device=self._device, dtype=self._dtype)
        return grid.to(self._device)


def _products(parts: list[Grid | Tensor], product: Callable[[Grid], Linear]) -> Iterator[tuple[Linear, int]]:
    """Neighbours of one form as one product, and its rows."""
    for _, neighbours in groupby(parts, key=lambda part: part.form if isinstance(part, Grid) else None):
        together = list(neighbours)
        height = sum(part.shape[0] for part in together)
        grids = [part for part in together if isinstance(part, Grid)]
        tensors = [part for part in together if isinstance(part, Tensor)]
        yield product(stacked(grids)) if grids else Dense(_joined(tensors)), height


def _joined(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)

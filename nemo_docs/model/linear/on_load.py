"""Weights in fewer bits than their files have, made one product at a time while the model is read.

So memory peaks near the final size: beside what is finished there are the matrices of one product. The embedding and
the output layer are handled apart, because every token meets them: see `table`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from nemo_docs.errors import ModelError
from nemo_docs.model.linear.balance import Balanced, column_sizes
from nemo_docs.model.linear.base import Linear
from nemo_docs.model.linear.fp8 import Fp8, Fp8Rows, quantise_weights
from nemo_docs.model.linear.grouped import Grid, Grouped, stacked
from nemo_docs.model.linear.rounding import round_int4, round_int8

if TYPE_CHECKING:
    from nemo_docs.model.transformer import TensorSource

T = TypeVar("T")
Product = Callable[[Grid], Linear]
"""Makes a product of a grid: `Grouped` is the plain one, a device's kernels have theirs."""


class _Loader:
    """What the precisions share.

    Args:
        source: Where weights are read from.
        device: Where they go; they are rounded there.
        dtype: What they are read in before they are rounded.
        product: Makes products of grids.
    """

    def __init__(
        self, source: TensorSource, device: torch.device, dtype: torch.dtype, product: Product = Grouped
    ) -> None:
        self._source, self._device, self._dtype, self._product = source, device, dtype, product

    def table(self, name: str) -> Linear:
        """The embedding or the output layer, in eight bits: that loses nothing that could be measured."""
        return self._product(self._formed(name, self._read(name), round_int8))

    def _read(self, name: str) -> Tensor:
        return self._source.load(f"{name}.weight", device=self._device, dtype=self._dtype)

    def _formed(self, name: str, weight: Tensor, form: Callable[[Tensor], T]) -> T:
        """A matrix in its new form.

        Raises:
            ModelError: If it has none.
        """
        try:
            return form(weight)
        except ValueError as error:
            raise ModelError(
                f"{name}.weight cannot be kept in fewer bits: {error}.", hint="Run the model in bf16: --precision bf16"
            ) from None


class Fp8Loader(_Loader):
    """Every product in e4m3 with a scale a row."""

    def linear(self, *names: str) -> Linear:
        """One product for the rows of these tensors together."""
        parts = [self._formed(name, self._read(name), quantise_weights) for name in names]
        return Fp8Rows(Fp8(_joined([part.codes for part in parts]), _joined([part.scales for part in parts])))


class Int8Loader(_Loader):
    """Every product in groups of 32 whole numbers of eight bits."""

    def linear(self, *names: str) -> Linear:
        """One product for the rows of these tensors together."""
        return self._product(stacked([self._formed(name, self._read(name), round_int8) for name in names]))


class Int4Loader(_Loader):
    """Every product in groups of 32 whole numbers of four bits, columns balanced before."""

    def linear(self, *names: str) -> Linear:
        """One product for the rows of these tensors together, which share their input and so the sizes of columns.

        The sizes are the last one's. That is the value or the up projection, which is linear in its input, so that its
        columns are small where the input is large; query, key and gate, behind which stand a softmax and a SiLU, tell
        little, and fare better with the value's sizes than with their own.
        """
        weights = [self._read(name) for name in names]
        sizes = column_sizes(weights[-1])

        def balanced(weight: Tensor) -> Grid:
            return round_int4(weight, sizes)

        grids = [self._formed(name, weight, balanced) for name, weight in zip(names, weights, strict=True)]
        return Balanced(self._product(stacked(grids)), sizes)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))

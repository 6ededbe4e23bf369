"""Our own layout: `params.json` and `grouped.safetensors`, in which matrices stay on the grid that they came on.

A matrix `x.weight` is stored as the parts of its grid, `x.weight.codes`, `x.weight.scales` and so on; what has no grid,
such as a norm, is stored plainly under its own name. So a converted GGUF file takes about the bytes that it had, and
opens in milliseconds: every part is a tensor of its own, mapped and used where it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.weights.base import REFETCH, check_shapes
from nemo_docs.model.weights.fingerprint import FingerprintCache, fingerprint
from nemo_docs.model.weights.native import PARAMS, read_params
from nemo_docs.model.weights.safetensors_file import SafetensorsFile

if TYPE_CHECKING:
    import torch

    from nemo_docs.model.linear.grouped import Grid

WEIGHTS = "grouped.safetensors"
PARTS = ("codes", "scales", "minimums", "sub_scales", "sub_minimums")
"""What a grid is made of; the fields of `Grid`."""

_GRIDS = [{"codes", "scales"}, {"codes", "scales", "minimums"}, {"codes", "scales", "sub_scales"}, set(PARTS)]
_NIBBLE_GROUP = 32  # as in `linear.grouped`, which a face that only plans does not import

_CODES = {"U8": 2, "I8": 1}  # columns in a byte
_DTYPES = {"scales": ("F16",), "minimums": ("F16",), "sub_scales": ("U8", "I8"), "sub_minimums": ("U8",)}
_SIZES = {"U8": 1, "I8": 1, "F16": 2}


class GroupedWeights:
    """Weights in our own layout.

    Attributes:
        config: The model's shape.
    """

    config: ModelConfig

    def __init__(self, folder: Path, *, cache: FingerprintCache | None = None) -> None:
        """Read and check `params.json` and the header of `grouped.safetensors`.

        Raises:
            WeightsCorrupt: If either is missing, damaged, or contradicts the other.
        """
        self._file = SafetensorsFile(folder / WEIGHTS, also=frozenset(_SIZES))
        self._cache = cache
        self._parts: dict[str, dict[str, str]] = {}  # name of a matrix -> part -> name in the file
        self._shapes: dict[str, tuple[int, ...]] = {}
        for name, shape in self._file.shapes.items():
            matrix, _, part = name.rpartition(".")
            if part in PARTS:
                self._parts.setdefault(matrix, {})[part] = name
            else:
                self._shapes[name] = shape
        for matrix, parts in self._parts.items():
            self._shapes[matrix] = self._checked_shape(matrix, parts)
        self.config = read_params(folder / PARAMS, tied="output.weight" not in self._shapes)
        check_shapes(self.config, self._shapes, folder / WEIGHTS)

    def names(self) -> frozenset[str]:
        """Native names of all tensors."""
        return frozenset(self._shapes)

    def load(self, name: str, *, device: torch.device | str, dtype: torch.dtype) -> torch.Tensor:
        """One tensor [out, in], computed in float32 where it lies on a grid, then as `dtype`, on `device`."""
        grid = self.grid(name)
        if grid is None:
            return self._file.load(name, device=device, dtype=dtype)
        return grid.dense(dtype).to(device)

    def grids(self) -> Mapping[str, int]:
        """Native name -> bytes in memory, of every tensor that is kept on its grid; told from the header alone."""
        return {matrix: sum(map(self._part_bytes, parts.values())) for matrix, parts in self._parts.items()}

    def grid(self, name: str) -> Grid | None:
        """One tensor [out, in] on its own grid, mapped; None if it is stored plainly.

        Raises:
            KeyError: If the model has no tensor of that name.
        """
        from nemo_docs.model.linear.grouped import Grid

        if name not in self._parts:
            _ = self._shapes[name]
            return None
        parts = self._parts[name]
        return Grid(**{part: self._file.load(at, device="cpu", dtype=None) for part, at in parts.items()})

    def fingerprint(self) -> str:
        """SHA-256 (hex) of `grouped.safetensors`."""
        return fingerprint([self._file.path], self._cache)

    def _part_bytes(self, name: str) -> int:
        rows, columns = self._file.shapes[name]
        return int(rows * columns) * _SIZES[self._file.dtypes[name]]

    def _checked_shape(self, matrix: str, parts: Mapping[str, str]) -> tuple[int, int]:
        """Rows and columns of the matrix.

        Raises:
            WeightsCorrupt: If its parts make no grid.
        """
        shapes = {part: self._file.shapes[name] for part, name in parts.items()}
        dtypes = {part: self._file.dtypes[name] for part, name in parts.items()}
        fault = "it is stored twice" if matrix in self._shapes else _fault(shapes, dtypes)
        if fault:
            raise WeightsCorrupt(f"{self._file.path}: {matrix} is no matrix on a grid: {fault}.", hint=REFETCH)
        rows, bytes_of_codes = shapes["codes"]
        return rows, bytes_of_codes * _CODES[dtypes["codes"]]


def _fault(shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, str]) -> str:
    """What keeps these parts from making a grid; empty if nothing does."""
    if shapes.keys() not in _GRIDS:
        return f"it has {', '.join(sorted(shapes))} alone"
    for part, shape in shapes.items():
        if len(shape) != 2 or 0 in shape or shape[0] != shapes["codes"][0]:
            return f"{part} has shape {list(shape)}"
        if dtypes[part] not in (_CODES if part == "codes" else _DTYPES[part]):
            return f"{part} is stored as {dtypes[part]}"
    columns = shapes["codes"][1] * _CODES[dtypes["codes"]]
    groups = shapes.get("sub_scales", shapes["scales"])[1]
    if columns % groups or groups % shapes["scales"][1] or (dtypes["codes"] == "U8" and columns % _NIBBLE_GROUP):
        return f"{columns} columns do not make {groups} groups"
    for part, other in (("minimums", "scales"), ("sub_minimums", "sub_scales")):
        if part in shapes and shapes[part] != shapes[other]:
            return f"{part} has shape {list(shapes[part])}"
    return ""

"""One safetensors file, opened by its header and read a tensor at a time.

On the CPU a tensor that already has the wanted dtype is a view of the mapped file: it costs no memory of its own and is
shared between processes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.weights.base import REFETCH, require_file

if TYPE_CHECKING:
    import torch

_PLAIN = frozenset({"F32", "F16", "BF16", "F64"})


class SafetensorsFile:
    """Names, shapes and tensors of one file.

    Attributes:
        path: The file.
        shapes: Name -> shape of every tensor in it.
        dtypes: Name -> dtype of every tensor in it, as safetensors calls it.
    """

    def __init__(self, path: Path, *, also: frozenset[str] = frozenset()) -> None:
        """Read the header alone.

        Args:
            path: The file.
            also: Dtypes that are expected beside plain numbers.

        Raises:
            WeightsCorrupt: If the file is missing, empty, cut short, not safetensors, or holds quantised numbers.
        """
        require_file(path)
        self.path = path
        self._on: dict[str, Any] = {}
        try:
            file: Any = safe_open(path, framework="np")  # headers need no torch: a face that only plans loads none
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            self.shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            self.dtypes = {name: str(part.get_dtype()) for name, part in slices.items()}
        except (SafetensorError, OSError) as error:
            raise WeightsCorrupt(f"{path}: not a whole safetensors file ({error}).", hint=REFETCH) from None
        for name, dtype in self.dtypes.items():
            if dtype not in _PLAIN | also:
                raise WeightsCorrupt(
                    f"{path}: {name} is stored as {dtype}; only {', '.join(sorted(_PLAIN))} can be read.",
                    hint="Use the unquantised checkpoint, or a GGUF file.",
                )

    def load(self, name: str, *, device: torch.device | str, dtype: torch.dtype | None) -> torch.Tensor:
        """One tensor, straight to `device`, as `dtype`; None to take it as it is stored."""
        tensor: torch.Tensor = self._opened(str(device)).get_tensor(name)
        return tensor if dtype is None else tensor.to(dtype)

    def _opened(self, device: str) -> Any:
        if device not in self._on:
            self._on[device] = safe_open(self.path, framework="pt", device=device)
        return self._on[device]

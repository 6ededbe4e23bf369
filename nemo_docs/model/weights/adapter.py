"""LoRA adapters as mistral-finetune writes them: `lora.safetensors`, and `params.json` beside it.

An adapter holds, for some matrices W of some layers, a narrow A and a tall B; the adapted model multiplies by
W + scaling * B A. The scaling is absolute, not divided by the rank, and stands in `params.json` alone. Names are
Mistral's own and query and key rows are interleaved, as everywhere here, so an adapter goes with weights of every
layout and precision. Only the matrices of layers can be adapted: mistral-finetune trains neither embedding, output
layer nor norms.

PEFT's adapters are another format: other names, query and key rows in halves, alpha divided by the rank. They are
refused, never guessed at.

Source: mistral-finetune `finetune/checkpointing.py`, `model/lora.py`; arXiv:2106.09685.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_docs.errors import WeightsCorrupt, WeightsMissing
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.weights.base import REFETCH, layer_shapes
from nemo_docs.model.weights.fields import integer, number, read_json
from nemo_docs.model.weights.fingerprint import FingerprintCache, fingerprint
from nemo_docs.model.weights.native import PARAMS, WEIGHTS
from nemo_docs.model.weights.safetensors_file import SafetensorsFile

if TYPE_CHECKING:
    import torch

ADAPTER = "lora.safetensors"

_PEFT = "adapter_config.json"
_EXPECTED = f"Expected are {ADAPTER} and {PARAMS} as mistral-finetune writes them."
_NAME = re.compile(r"layers\.(0|[1-9]\d*)\.(.+)\.lora_([AB])\.weight")
_SAME_MODEL = ("dim", "n_layers", "head_dim", "hidden_dim", "n_heads", "n_kv_heads", "vocab_size", "rope_theta")


class Adapter:
    """A LoRA adapter, opened and checked against the model that it is for; nothing is loaded yet.

    Attributes:
        path: Its `lora.safetensors`.
        rank: Rows of every A and columns of every B.
        scaling: What B A is multiplied by.
        names: The matrices that it changes, by their native names without `.weight`.
    """

    def __init__(self, path: Path, config: ModelConfig, *, cache: FingerprintCache | None = None) -> None:
        """Read and check the headers.

        Args:
            path: The folder that holds the two files, or `lora.safetensors` itself.
            config: The model's shape.
            cache: Where the digest of the file is remembered; None to compute it each time.

        Raises:
            WeightsMissing: If there is no adapter of this format.
            WeightsCorrupt: If there is, and it cannot be read, contradicts itself, or is of another model.
        """
        self.path = weight_file(path)
        self._cache = cache
        params = self.path.with_name(PARAMS)
        if not params.is_file():
            raise WeightsMissing(
                f"{self.path}: {PARAMS} is not beside it, and the scaling stands only there.", hint=_EXPECTED
            )
        fields = read_json(params)
        self.rank, self.scaling = _rank_and_scaling(fields, params)
        _require_same_model(config, fields, params)
        self._file, self._shapes = SafetensorsFile(self.path), layer_shapes(config)
        self.names: frozenset[str] = _checked(self._file.shapes, config, self.rank, self.path)

    @property
    def n_parameters(self) -> int:
        """Numbers in all its matrices."""
        return sum(rows * columns for rows, columns in self._file.shapes.values())

    def load(self, name: str, *, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """The pair for one matrix of a layer, by its native name without `.weight`.

        Shapes: A [r, in], B [out, r]; r is the rank, or 0 for a matrix that is not among `names`.
        """
        if name in self.names:
            a, b = (self._file.load(f"{name}.lora_{part}.weight", device=device, dtype=dtype) for part in "AB")
            return a, b
        import torch

        rows, columns = self._shapes[f"{name.split('.', 2)[2]}.weight"]
        return torch.empty(0, columns, device=device, dtype=dtype), torch.empty(rows, 0, device=device, dtype=dtype)

    def fingerprint(self) -> str:
        """SHA-256 (hex) over all that changes the model's numbers: the tensors' content and the scaling."""
        content = fingerprint([self.path], self._cache)
        return hashlib.sha256(f"lora {content} {self.scaling!r}".encode()).hexdigest()


def weight_file(path: Path) -> Path:
    """The `lora.safetensors` of a folder, or the file itself.

    Raises:
        WeightsMissing: If there is no adapter of this format.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise WeightsMissing(f"{path}: there is no such adapter.", hint=_EXPECTED)
    if (path / ADAPTER).is_file():
        return path / ADAPTER
    if (path / _PEFT).is_file():
        raise WeightsMissing(f"{path}: this is an adapter of PEFT, a format that is not supported.", hint=_EXPECTED)
    if (path / WEIGHTS).is_file():
        raise WeightsMissing(
            f"{path}: this is a whole model, not an adapter.", hint=f"Add it with: nemo-docs model add {path}"
        )
    raise WeightsMissing(f"{path}: holds no adapter.", hint=_EXPECTED)


def _rank_and_scaling(fields: dict[str, Any], where: Path) -> tuple[int, float]:
    lora = fields.get("lora")
    if not isinstance(lora, dict) or lora.get("enable") is False:
        raise WeightsCorrupt(f"{where}: states no LoRA rank and scaling.", hint=_EXPECTED)
    rank, scaling = integer(lora, "rank", where), number(lora, "scaling", where)
    if rank <= 0 or not 0 < scaling < float("inf"):
        raise WeightsCorrupt(
            f"{where}: the LoRA rank is {rank} and the scaling {scaling:g}; both must be positive.", hint=REFETCH
        )
    return rank, scaling


def _require_same_model(config: ModelConfig, fields: dict[str, Any], where: Path) -> None:
    for key in _SAME_MODEL:
        if key in fields and number(fields, key, where) != getattr(config, key):
            raise WeightsCorrupt(
                f"{where}: the adapter is for a model whose {key} is {fields[key]}, but this one's is "
                f"{getattr(config, key)}.",
                hint="Use it with the model that it was trained on, or without: nemo-docs config unset adapter",
            )


def _checked(found: Mapping[str, tuple[int, ...]], config: ModelConfig, rank: int, where: Path) -> frozenset[str]:
    """Names of the matrices that have an A and a B of the due shapes; anything else is refused."""
    shapes = {name.removesuffix(".weight"): s for name, s in layer_shapes(config).items() if len(s) == 2}
    names: set[str] = set()
    for tensor, shape in found.items():
        match = _NAME.fullmatch(tensor)
        if match is None or int(match[1]) >= config.n_layers or match[2] not in shapes:
            raise WeightsCorrupt(
                f"{where}: the tensor {tensor} adapts nothing that can be adapted.",
                hint="Adapters of mistral-finetune change the matrices of attention and feed-forward layers alone.",
            )
        rows, columns = shapes[match[2]]
        due = (rank, columns) if match[3] == "A" else (rows, rank)
        if tuple(shape) != due:
            raise WeightsCorrupt(
                f"{where}: {tensor} has shape {list(shape)}, but {list(due)} is due at rank {rank}.",
                hint="The adapter is for another model, or its params.json is another's.",
            )
        name = f"layers.{match[1]}.{match[2]}"
        other = f"{name}.lora_{'B' if match[3] == 'A' else 'A'}.weight"
        if other not in found:
            raise WeightsCorrupt(f"{where}: {tensor} is there without {other}.", hint=REFETCH)
        names.add(name)
    if not names:
        raise WeightsCorrupt(f"{where}: holds no tensors.", hint=REFETCH)
    return frozenset(names)

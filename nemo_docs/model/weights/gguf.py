"""GGUF files, through the `gguf` package: one file that holds configuration, vocabulary and weights.

Weights stay in the mapped file in their quantised form and are dequantised a tensor at a time, exactly (the values of
every block format are products and sums that float32 holds). The llama architecture keeps query and key rows in the
native, interleaved order, so nothing is permuted. Opening costs about two seconds for a vocabulary of 49,152, because
the package reads metadata entry by entry in Python: the reason why the embedded default is converted once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.weights.base import REFETCH, check_config, check_shapes, require_file, translated
from nemo_docs.model.weights.fields import integer, number
from nemo_docs.model.weights.fingerprint import FingerprintCache, fingerprint

if TYPE_CHECKING:
    import torch

_ARCHITECTURES = ("llama", "mistral")
_TOP = {
    "token_embd.weight": "tok_embeddings.weight",
    "output_norm.weight": "norm.weight",
    "output.weight": "output.weight",
}
_BLOCK = {
    "attn_norm": "attention_norm",
    "attn_q": "attention.wq",
    "attn_k": "attention.wk",
    "attn_v": "attention.wv",
    "attn_output": "attention.wo",
    "ffn_norm": "ffn_norm",
    "ffn_gate": "feed_forward.w1",
    "ffn_down": "feed_forward.w2",
    "ffn_up": "feed_forward.w3",
}
_MOST_ENTRIES = 1 << 23  # of an array in the metadata; vocabularies and merges have some hundred thousand
_BLOCK_NAME = re.compile(r"blk\.(\d+)\.(\w+)\.weight")


class GgufWeights:
    """Weights in a GGUF file.

    Attributes:
        config: The model's shape.
        path: The file.
        metadata: Key -> value of everything but the vocabulary, which is read when asked for (`array`).
    """

    config: ModelConfig

    def __init__(self, path: Path, *, cache: FingerprintCache | None = None) -> None:
        """Read and check the header; tensors stay on disk.

        Raises:
            WeightsCorrupt: If the file is empty, cut short, no GGUF, of an architecture that cannot be run, or
                contradicts itself.
        """
        require_file(path)
        self.path = path
        self._cache = cache
        self._reader = _open(path)
        try:
            self.metadata: dict[str, Any] = {
                key: field.contents()
                for key, field in self._reader.fields.items()
                if not (key.startswith("tokenizer.") and len(field.data) > 1)
            }
        except (ValueError, IndexError) as error:
            raise WeightsCorrupt(f"{path}: the metadata cannot be read ({error}).", hint=REFETCH) from None
        self._tensors = {translated(tensor.name, _TOP, _BLOCK, _BLOCK_NAME): tensor for tensor in self._reader.tensors}
        self.config = self._read_config()
        # GGUF counts dimensions from the innermost: [in, out] there is [out, in] here.
        shapes = {name: tuple(int(size) for size in reversed(t.shape)) for name, t in self._tensors.items()}
        check_shapes(self.config, shapes, path)

    def array(self, key: str) -> list[Any]:
        """An array of the metadata, such as `tokenizer.ggml.tokens`.

        Raises:
            WeightsCorrupt: If the file does not have it.
        """
        field = self._reader.get_field(key)
        if field is None:
            raise WeightsCorrupt(f"{self.path}: the key {key} is missing.", hint=REFETCH)
        try:
            return list(field.contents())
        except ValueError as error:
            raise WeightsCorrupt(f"{self.path}: {key} cannot be read ({error}).", hint=REFETCH) from None

    def names(self) -> frozenset[str]:
        """Native names of all tensors."""
        return frozenset(self._tensors)

    def load(self, name: str, *, device: torch.device | str, dtype: torch.dtype) -> torch.Tensor:
        """One tensor [out, in], dequantised in float32, then as `dtype` on `device`."""
        import torch
        from gguf.quants import dequantize

        tensor = self._tensors[name]
        values = dequantize(tensor.data, tensor.tensor_type)
        copied = values if values.flags.writeable and values.flags.owndata else values.copy()
        return torch.from_numpy(copied).to(device=device, dtype=dtype)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the file."""
        return fingerprint([self.path], self._cache)

    def _read_config(self) -> ModelConfig:
        architecture = self.metadata.get("general.architecture")
        if architecture not in _ARCHITECTURES:
            raise WeightsCorrupt(
                f"{self.path}: the architecture is {architecture!r}; only {' and '.join(_ARCHITECTURES)} can be run.",
                hint="Take a GGUF of Mistral NeMo or of another Llama-style model.",
            )
        prefix = f"{architecture}."
        fields = {key.removeprefix(prefix): value for key, value in self.metadata.items() if key.startswith(prefix)}
        self._refuse_other_arithmetic(fields)
        dim, heads = integer(fields, "embedding_length", self.path), integer(fields, "attention.head_count", self.path)
        if heads <= 0:
            raise WeightsCorrupt(f"{self.path}: {prefix}attention.head_count is {heads}.", hint=REFETCH)
        fields.setdefault("attention.key_length", dim // heads)
        fields.setdefault("attention.head_count_kv", heads)
        fields.setdefault("rope.freq_base", 10000.0)  # the default that llama.cpp documents for this key
        embeddings = self._tensors.get("tok_embeddings.weight")
        head_dim = integer(fields, "attention.key_length", self.path)
        for key in ("attention.value_length", "rope.dimension_count"):
            if fields.get(key, head_dim) != head_dim:
                raise WeightsCorrupt(
                    f"{self.path}: {prefix}{key} is {fields[key]}, but heads are {head_dim} wide.",
                    hint="Models with partly rotated or unequal heads cannot be run.",
                )
        config = ModelConfig(
            dim=dim,
            n_layers=integer(fields, "block_count", self.path),
            head_dim=head_dim,
            hidden_dim=integer(fields, "feed_forward_length", self.path),
            n_heads=heads,
            n_kv_heads=integer(fields, "attention.head_count_kv", self.path),
            norm_eps=round_float32(number(fields, "attention.layer_norm_rms_epsilon", self.path)),
            vocab_size=int(embeddings.shape[-1]) if embeddings is not None else 1,
            rope_theta=number(fields, "rope.freq_base", self.path),
            tied="output.weight" not in self._tensors,
        )
        check_config(config, self.path)
        return config

    def _refuse_other_arithmetic(self, fields: dict[str, Any]) -> None:
        for key in ("rope.scaling.type", "expert_count", "attention.sliding_window"):
            if fields.get(key) not in (None, 0, "none"):
                raise WeightsCorrupt(
                    f"{self.path}: the model needs {key} = {fields[key]!r}, which is not supported.",
                    hint="Only dense decoders with full attention and plain RoPE can be run.",
                )


def round_float32(value: float) -> float:
    """The shortest decimal that a float32 can mean: 9.999999747378752e-06 -> 1e-05, so that layouts agree."""
    return float(f"{value:.7g}")


def _open(path: Path) -> Any:
    import numpy as np
    from gguf import GGUFReader, GGUFValueType

    class BoundedReader(GGUFReader):
        """Believes no stated length; the package would loop over an array of any, even behind the end of the file."""

        def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
            end = int(offset) + np.dtype(dtype).itemsize * int(count)
            if end > len(self.data):
                raise ValueError(f"it ends at byte {len(self.data)}, byte {end} is due")
            return super()._get(offset, dtype, count, override_order)

        def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
            if raw_type == GGUFValueType.ARRAY:  # type of entries [4 bytes], their number [8 bytes], entries
                entries = int(self._get(orig_offs + 4, np.uint64)[0])
                if entries > _MOST_ENTRIES:
                    raise ValueError(f"an array states {entries} entries")
            return super()._get_field_parts(orig_offs, raw_type)

    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise WeightsCorrupt(f"{path}: not a GGUF file (it does not begin with GGUF).", hint=REFETCH)
    try:
        return BoundedReader(path)
    except (ValueError, IndexError, KeyError, OverflowError, TypeError, RecursionError) as error:
        raise WeightsCorrupt(f"{path}: the GGUF file is cut short or damaged ({error}).", hint=REFETCH) from None

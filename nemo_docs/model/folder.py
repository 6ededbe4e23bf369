"""Opening a model, wherever it is and in whichever layout: by name or by path.

The layout is told by the files, never by the name of the folder. Headers and configuration are checked at once, because
a broken file should be refused before anything is planned; vocabulary and prompt format are read when first used, so
that the side that only computes never loads a tokenizer.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from nemo_docs.errors import WeightsCorrupt, WeightsMissing
from nemo_docs.model.catalogue import CATALOGUE, DEFAULT_EFFECTIVE_TOKENS, LONGEST_WINDOW_TOKENS, Entry, unknown_model
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.inventory import MANIFEST, added_models
from nemo_docs.model.template import Template, recognise, template_for
from nemo_docs.model.tokenizers.base import Tokenizer
from nemo_docs.model.tokenizers.bytelevel import TOKENIZER, TOKENIZER_CONFIG, ByteLevelTokenizer
from nemo_docs.model.tokenizers.from_gguf import gguf_tokenizer
from nemo_docs.model.tokenizers.tekken import TEKKEN, TekkenTokenizer
from nemo_docs.model.weights.adapter import Adapter
from nemo_docs.model.weights.base import WeightSource
from nemo_docs.model.weights.fields import integer, read_json
from nemo_docs.model.weights.fingerprint import FingerprintCache, sha256_of
from nemo_docs.model.weights.gguf import GgufWeights
from nemo_docs.model.weights.grouped import WEIGHTS as GROUPED
from nemo_docs.model.weights.grouped import GroupedWeights
from nemo_docs.model.weights.huggingface import CONFIG, HuggingFaceWeights
from nemo_docs.model.weights.native import PARAMS, NativeWeights
from nemo_docs.paths import expanded


class ModelFiles:
    """A model on disk, opened and checked.

    Attributes:
        name: What the user calls it: a catalogue name, an added name, or the path.
        path: The folder or GGUF file.
        weights: Its weights; nothing is loaded yet.
        config: Its shape.
        adapter: The LoRA adapter over its weights, or None.
        entry: Its entry in the catalogue, or None.
        window_tokens: Longest prompt and answer together.
        effective_window_tokens: Longest prompt that it reads well.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str = "",
        template: str | None = None,
        adapter: Path | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        """Open the folder or GGUF file at `path`.

        Args:
            path: A folder in Mistral's layout, Hugging Face's or our own, or a GGUF file.
            name: What to call it; the path, if not given.
            template: Prompt format to use in place of the one that the files or the catalogue name.
            adapter: Folder or `lora.safetensors` of a LoRA adapter to put over the weights.
            cache_dir: Where digests of weight files are remembered; None to compute them each time.

        Raises:
            WeightsMissing: If there are no weights, or no adapter, of a known layout.
            WeightsCorrupt: If there are, and they cannot be read, or the adapter is for another model.
        """
        self.path, self.name, self._template_name = path, name or str(path), template
        cache = FingerprintCache(cache_dir) if cache_dir else None
        self.weights: WeightSource = _open_weights(path, cache)
        self.config: ModelConfig = self.weights.config
        self.adapter: Adapter | None = Adapter(adapter, self.config, cache=cache) if adapter else None
        self.entry: Entry | None = _entry_of(path)
        self.window_tokens: int = self.entry.window_tokens if self.entry else self._stated_window()
        self.effective_window_tokens: int = (
            self.entry.effective_window_tokens if self.entry else min(self.window_tokens, DEFAULT_EFFECTIVE_TOKENS)
        )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer, loaded when first asked for.

        Raises:
            WeightsCorrupt: If the vocabulary is missing, damaged, or larger than the embedding.
        """
        tokenizer = self._open_tokenizer()
        if tokenizer.vocab_size > self.config.vocab_size:
            raise WeightsCorrupt(
                f"{self.path}: the vocabulary has {tokenizer.vocab_size} ids, the model {self.config.vocab_size}.",
                hint="The tokenizer and the weights are of different models.",
            )
        return tokenizer

    @cached_property
    def template(self) -> Template:
        """Its prompt format, with the ids of its tokenizer.

        Raises:
            SettingsError: If the format cannot be told, or the vocabulary lacks its special tokens.
        """
        found, system = ("v3-tekken", "") if self._has_tekken() else recognise(self._chat_template())
        name = self._template_name or (self.entry.template if self.entry else found)
        return template_for(name, self.tokenizer, system=system)

    def fingerprint(self) -> str:
        """SHA-256 (hex) over all that the model's numbers come from: the content of its weights, and the adapter."""
        weights = self.weights.fingerprint()
        if self.adapter is None:
            return weights
        return hashlib.sha256(f"{weights} {self.adapter.fingerprint()}".encode()).hexdigest()

    def tokenizer_fingerprint(self) -> str:
        """SHA-256 (hex) of the file that the tokenizer comes from, which is not opened for it."""
        if isinstance(self.weights, GgufWeights):
            return self.weights.fingerprint()
        return sha256_of(self.path / TEKKEN if self._has_tekken() else self.path / TOKENIZER)

    def _has_tekken(self) -> bool:
        return (self.path / TEKKEN).is_file()

    def _open_tokenizer(self) -> Tokenizer:
        if isinstance(self.weights, GgufWeights):
            return gguf_tokenizer(self.weights)
        if self._has_tekken():
            return TekkenTokenizer(self.path / TEKKEN)
        return ByteLevelTokenizer.from_folder(self.path)

    def _chat_template(self) -> str | None:
        """The Jinja source that travels with the model; Hugging Face keeps it in one of two files."""
        if isinstance(self.weights, GgufWeights):
            stated: Any = self.weights.metadata.get("tokenizer.chat_template")
            return str(stated) if stated else None
        alone = self.path / "chat_template.jinja"
        if alone.is_file():
            return alone.read_text(encoding="utf-8", errors="replace")
        config = self.path / TOKENIZER_CONFIG
        stated = read_json(config).get("chat_template") if config.is_file() else None
        if isinstance(stated, list):  # several, by name
            rows = [row for row in stated if isinstance(row, dict)]
            stated = next((row.get("template") for row in rows if row.get("name") == "default"), None)
        return str(stated) if stated else None

    def _stated_window(self) -> int:
        stated = LONGEST_WINDOW_TOKENS  # Mistral's own files state none
        if isinstance(self.weights, GgufWeights):
            key = f"{self.weights.metadata['general.architecture']}.context_length"
            stated = integer(self.weights.metadata, key, self.path)
        elif isinstance(self.weights, HuggingFaceWeights):
            stated = integer(read_json(self.path / CONFIG), "max_position_embeddings", self.path / CONFIG)
        return min(stated, LONGEST_WINDOW_TOKENS)


def open_model(
    path_or_name: str | Path,
    models_dir: Path,
    *,
    template: str | None = None,
    adapter: str = "",
    cache_dir: Path | None = None,
) -> ModelFiles:
    """Open a model by its name in the catalogue, by a name that the user added, or by its path.

    Args:
        path_or_name: Which model.
        models_dir: Where models are kept.
        template: Prompt format to use in place of the model's own.
        adapter: Path of a LoRA adapter to put over it, in place of the one that it was added with; empty for none.
        cache_dir: Where digests of weight files are remembered; `models_dir`, if not given.

    Raises:
        UnknownModel: If it is no known name and no existing path.
        WeightsMissing: If the name is known and its files are not there, or the adapter's are not.
        WeightsCorrupt: If the files cannot be read.
        SettingsError: If `models.toml` cannot be read.
    """
    text, cache_dir = str(path_or_name), cache_dir or models_dir
    over = expanded(adapter).absolute() if adapter else None
    added = added_models(models_dir)
    if text in added:
        model = added[text]
        template = template or model.template or None
        return ModelFiles(model.path, name=text, template=template, adapter=over or model.adapter, cache_dir=cache_dir)
    if text in CATALOGUE:
        folder = models_dir / text
        if not (folder / MANIFEST).is_file():
            raise WeightsMissing(
                f"The model {text} is not on this machine.", hint=f"Fetch it with: nemo-docs model pull {text}"
            )
        return ModelFiles(folder, name=text, template=template, adapter=over, cache_dir=cache_dir)
    path = expanded(text)
    if os.path.exists(path):  # unlike Path.exists, False for a name that no file can have
        return ModelFiles(path, template=template, adapter=over, cache_dir=cache_dir)
    if isinstance(path_or_name, Path) or path.name != text:
        raise WeightsMissing(
            f"{path}: there is no such file or folder.", hint="nemo-docs model list shows what there is."
        )
    raise unknown_model(text, (*CATALOGUE, *added))


def _open_weights(path: Path, cache: FingerprintCache | None) -> WeightSource:
    if path.is_file():
        return GgufWeights(path, cache=cache)
    if (path / GROUPED).is_file():
        return GroupedWeights(path, cache=cache)
    if (path / PARAMS).is_file():
        return NativeWeights(path, cache=cache)
    if (path / CONFIG).is_file():
        return HuggingFaceWeights(path, cache=cache)
    within = sorted(path.glob("*.gguf")) if path.is_dir() else []
    hint = f"Name the file itself: {within[0]}" if within else "Expected are params.json, config.json or a GGUF file."
    raise WeightsMissing(f"{path}: holds no model in a known layout.", hint=hint)


def _entry_of(path: Path) -> Entry | None:
    manifest = path / MANIFEST
    if not manifest.is_file():
        return None
    try:
        return CATALOGUE.get(str(json.loads(manifest.read_text(encoding="utf-8")).get("name")))
    except (ValueError, AttributeError):
        raise WeightsCorrupt(f"{manifest}: not valid JSON.", hint="Fetch the model again.") from None

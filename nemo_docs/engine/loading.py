"""Which model is to run, where and in which numbers, as plain data; and from there to an engine.

Everything that decides what is loaded is in `ModelSpec`, so an engine in another process can tell whether the model
that it has is the one that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nemo_docs.engine.engine import Engine
    from nemo_docs.engine.protocol import EngineEvent, Request, ScoreRequest

OnLayer = Callable[[int, int], None]
"""Told of layers read and layers in all while weights are loaded; may raise to stop."""
Cancelled = Callable[[], bool]
"""Says True once the caller no longer wants the result."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model and how it is to be run."""

    path: str
    """Folder or GGUF file, absolute."""
    window_tokens: int
    """Tokens that are read in one go: memory is planned for one such cache."""
    device: str = "auto"
    """`auto`, `cpu`, `mps`, `cuda` or `cuda:N`."""
    precision: str = "auto"
    """`auto`, `fp32` or `bf16`."""
    threads: int = 0
    """CPU threads; 0 lets torch decide."""
    kv_memory: int | None = None
    """Bytes for recent caches; None for a share of what is free."""

    def serves(self, wanted: ModelSpec) -> bool:
        """Whether a model loaded for this can answer a request for `wanted`: a smaller window fits a larger plan."""
        same = (self.path, self.device, self.precision, self.threads, self.kv_memory)
        others = (wanted.path, wanted.device, wanted.precision, wanted.threads, wanted.kv_memory)
        return same == others and wanted.window_tokens <= self.window_tokens


class TokenEngine(Protocol):
    """An engine wherever it runs: token ids in, events out."""

    def load(self, cancelled: Cancelled) -> None:
        """Load the model, unless it is; returns early, without it, when cancelled.

        Raises:
            ModelError: If it cannot be loaded.
            EngineError: If there is no engine to load it.
        """

    def run(self, request: Request | ScoreRequest, cancelled: Cancelled) -> Iterator[EngineEvent]:
        """Answer one request; the last event is `Finished`."""

    def holds_anything(self) -> bool:
        """Whether any prompt at all could be found in a cache."""

    def cached(self, segments: Sequence[Sequence[int]]) -> int:
        """How many leading tokens of a prompt that begins with these segments would not be computed again."""


def load_engine(spec: ModelSpec, on_layer: OnLayer = lambda done, of: None) -> Engine:
    """Load a model.

    Raises:
        ModelError: If it is missing or damaged, or memory cannot hold it.
        SettingsError: If this machine has no such device.
    """
    from pathlib import Path

    import torch

    from nemo_docs.engine.engine import Engine
    from nemo_docs.engine.placing import place
    from nemo_docs.model.cuda.accelerating import accelerate
    from nemo_docs.model.folder import ModelFiles
    from nemo_docs.model.transformer import Transformer

    files = ModelFiles(Path(spec.path))
    if spec.threads:
        torch.set_num_threads(spec.threads)
    where = place(
        files.config,
        window_tokens=min(spec.window_tokens, files.window_tokens),
        device=spec.device,
        precision=spec.precision,
        kv_memory=spec.kv_memory,
    )
    model = Transformer(files.weights, device=where.device, dtype=where.dtype, on_layer=on_layer)
    accelerate(model)
    return Engine(
        model, window_tokens=files.window_tokens, chunk_tokens=where.chunk_tokens, pool_bytes=where.pool_bytes
    )

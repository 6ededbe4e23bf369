"""Which model is to run, where and in which numbers, as plain data.

Everything that decides what is loaded is here, so an engine in another process can tell whether the model that it has
is the one that is asked for, and the store under which wishes it keeps what was read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nemo_docs.engine.memory_plan import Wishes


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
    """Of the weights: `auto`, `fp32`, `bf16`, `fp8`, `int8`, `int4` or `file`."""
    kv: str = "auto"
    """Of the cache: `auto`, `full` or `int8`."""
    threads: int = 0
    """CPU threads; 0 lets torch decide."""
    kv_memory: int | None = None
    """Bytes for recent caches; None for a share of what is free."""
    adapter: str = ""
    """Folder or file of a LoRA adapter over the model, absolute; empty for none."""
    store: str = ""
    """Folder of what was read, absolute; empty keeps nothing beyond the engine's life."""
    store_bytes: int | None = None
    """What that may hold; None for a share of the free disk."""
    store_floor: int = 0
    """Bytes of its disk that stay free."""
    host_bytes: int | None = None
    """Main memory, beside a GPU, in which what is on the disk is kept, too; None for a share of what is free."""

    @property
    def asks(self) -> str:
        """All that decides which numbers it computes, as the store notes it."""
        names = ("path", "device", "precision", "kv", "threads", "adapter")
        return json.dumps({name: getattr(self, name) for name in names}, sort_keys=True)

    @property
    def wishes(self) -> Wishes:
        """What it asks of a plan of memory."""
        from nemo_docs.engine.memory_plan import Wishes  # lists are told without a plan, and must come at once

        return Wishes(self.precision, self.kv, self.kv_memory)

    def serves(self, wanted: ModelSpec) -> bool:
        """Whether a model loaded for this can answer a request for `wanted`: a smaller window fits a larger plan."""
        same = replace(wanted, window_tokens=self.window_tokens) == self
        return same and wanted.window_tokens <= self.window_tokens

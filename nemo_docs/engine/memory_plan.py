"""What memory is taken for, as plain data: what is asked for, what a device has, and what was decided.

Without torch, so that `doctor` and the app show the same plan as the engine follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from nemo_docs.engine import footprint
from nemo_docs.engine.footprint import Stored
from nemo_docs.model.config import ModelConfig

CHUNK_TOKENS = {"cpu": 256, "mps": 512, "cuda": 8192}
"""How many tokens go through the model at once: a CPU must notice a cancel between two layers of one chunk."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where a model may go."""

    name: str
    """As it is asked for: `cpu`, `mps`, `cuda:0`."""
    kind: str
    """`cpu`, `mps` or `cuda`."""
    free_bytes: int
    """What can be taken there now."""
    has_bf16: bool = True
    """Whether it multiplies bf16 itself."""
    has_fp8: bool = False
    """Whether it multiplies fp8 itself."""
    host_bytes: int = 0
    """What can be taken of main memory beside it."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a plan must know of a model."""

    config: ModelConfig
    window_tokens: int
    """The longest that the model was made for."""
    stored: Stored | None = None
    """What it takes on the grid of its own file, if that has one."""
    adapter_parameters: int = 0
    """Numbers of the LoRA adapter over it, which lie beside its weights."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks for; `auto` leaves it to the plan."""

    precision: str = "auto"
    """`fp32`, `bf16`, `fp8`, `int8`, `int4`, or `file`: on the grid of the file where it has one, else dense."""
    kv: str = "auto"
    """`full`, the numbers of the arithmetic, or `int8`."""
    kv_memory: int | None = None
    """Bytes for recent caches; None for a share of what is free."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that memory is taken for."""

    name: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What is decided, and what it takes on the device."""

    device: str
    kind: str
    """`cpu`, `mps` or `cuda`."""
    precision: str
    """Of the weights."""
    arithmetic: str
    """Of everything that is computed: `bf16` or `fp32`."""
    kv: str
    """`full` or `int8`."""
    embedding: str
    """`device`, or `host` for main memory."""
    window_tokens: int
    """The window that there is room for."""
    chunk_tokens: int
    """How many tokens of a prompt are computed at once."""
    keeps_dense: bool
    """Whether weights on a grid are kept dense as well: a small model is read faster so."""
    weights_bytes: int
    kv_bytes: int
    """The cache of one window."""
    workspace: tuple[Item, ...]
    """What is used while the model works, item by item."""
    margin_bytes: int
    """Left free."""
    caches_bytes: int
    """What all caches may hold together: the one in use, and those of recent windows."""
    free_bytes: int
    """What was free on the device."""
    host_bytes: int
    """Taken of main memory beside a device."""
    why: str = ""
    """What speaks against the next better way; empty where there is none."""

    @property
    def kv_bytes_per_token(self) -> int:
        """What one token of a window takes in the cache."""
        step = footprint.KV_GROWTH_TOKENS
        return self.kv_bytes // (-(-self.window_tokens // step) * step)

    @property
    def pool_bytes(self) -> int:
        """What the caches of recent windows may take beside that of the one in use."""
        return max(0, self.caches_bytes - self.kv_bytes)

    @property
    def workspace_bytes(self) -> int:
        """All that is used while the model works."""
        return sum(item.n_bytes for item in self.workspace)

    @property
    def peak_bytes(self) -> int:
        """What a measurement should find when one whole window is read and nothing else is kept."""
        return self.weights_bytes + self.kv_bytes + self.workspace_bytes

    @property
    def needed_bytes(self) -> int:
        """What must be free."""
        return self.peak_bytes + self.margin_bytes

    @property
    def total_bytes(self) -> int:
        """What may be taken at the most, the margin counted in."""
        return self.needed_bytes + self.pool_bytes

    @property
    def fits(self) -> bool:
        """Whether what is free is enough."""
        return self.needed_bytes <= self.free_bytes

    @property
    def items(self) -> tuple[Item, ...]:
        """Everything, item by item."""
        return (
            Item("weights", self.weights_bytes),
            Item("kv", self.kv_bytes),
            *self.workspace,
            Item("pool", self.pool_bytes),
            Item("margin", self.margin_bytes),
        )

    @property
    def way(self) -> str:
        """The decision in a few words."""
        kv = "8-bit KV" if self.kv == "int8" else f"{self.arithmetic} KV"
        weights = "its file's own numbers" if self.precision == "file" else self.precision
        home = ", the embedding in main memory" if self.embedding == "host" else ""
        chunks = ", in small chunks" if self.chunk_tokens < CHUNK_TOKENS[self.kind] else ""
        return f"{weights} with {kv}{home}{chunks}"

"""What memory is taken for, decided before any of it is: precision, form of the cache, where the embedding lives.

Arithmetic alone, without torch, over what `footprint` counts: `doctor` and the app show the same plan as the engine
follows. The first way that fits is taken, the best first:

1. weights as they are (bf16; fp32 where the processor does not multiply bf16),
2. `fp8`, where a GPU multiplies it: NeMo was trained for it, and it is fast,
3. `int8` in groups of 32, elsewhere,
4. `int4` in groups of 32 with scale and minimum.

With each of them, before the next: everything on the device; on a GPU smaller chunks, which cost some speed; the
embedding in main memory, which costs a copied row a token; the cache in 8 bits, which costs far less than any rounding
of weights (llama.cpp measures a KL divergence of 0.001 for it); and these together. A file on a grid of its own stays
on that: another one would round it twice. A window is never made smaller than what was asked for; what would fit is
told instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product, takewhile

from nemo_docs.engine import footprint
from nemo_docs.engine.footprint import Stored
from nemo_docs.errors import DoesNotFit, SettingsError
from nemo_docs.model.config import ModelConfig

LONG_WINDOW_TOKENS = 32_768
"""The caches of longer windows have eight bits unless asked otherwise: half the bytes to hold, to store and to bring
back, for a tenth of a per cent of perplexity. A whole window of NeMo's takes 10.9 GB instead of 21.5."""
CHUNK_TOKENS = {"cpu": 256, "mps": 512, "cuda": 8192}
"""How many tokens go through the model at once: a CPU must notice a cancel between two layers of one chunk."""
UNPACKING_CHUNK_TOKENS = 1024
"""The same for large weights on a grid where they are unpacked anew for each chunk, on a CPU and an Apple GPU: at
NeMo's size that costs as much as multiplying 256 tokens by them."""
LARGE_PARAMETERS = 1_000_000_000
"""Weights beyond which that counts."""
SMALL_CHUNK_TOKENS = 2048
"""The same on a GPU that is short of memory: what a chunk computes shrinks with it, and reading slows a little."""
POOL_SHARE = 0.25
"""What recent caches may take of the memory that is left beside everything else."""
MARGIN_BYTES = {"cpu": 512 * 1024**2, "mps": 1024 * 1024**2, "cuda": 256 * 1024**2}
"""Left free, for what other programs take meanwhile and for what an allocator cannot fill: an Apple GPU's keeps what it
had by size, and what is compiled for a shape."""
DENSE_SHARE = 0.125
"""Weights on a grid are kept dense as well, for speed, while that takes less than this of what else is free."""
SHORTEST_WINDOW = 512
"""In tokens; a model that only a shorter one would fit does not fit."""


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


_FREE = Wishes()


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


def plan_memory(size: Size, device: Device, window_tokens: int, wishes: Wishes = _FREE) -> MemoryPlan:
    """The best way that fits.

    Args:
        size: The model.
        device: Where it shall go.
        window_tokens: Tokens that are read in one go.
        wishes: What the user asks for.

    Raises:
        SettingsError: If a wish can never be followed there.
        DoesNotFit: If nothing that is allowed fits; says what would.
    """
    ways = [*_ways(size, device, window_tokens, wishes)]
    better = [*takewhile(lambda way: not way.fits, ways)]
    if len(better) == len(ways):
        raise _refusal(size, device, window_tokens, wishes, min(ways, key=lambda way: way.needed_bytes))
    if not better:
        return ways[0]
    return replace(ways[len(better)], why=f"{better[-1].way} needs {better[-1].needed_bytes / 1e9:.1f} GB")


def least(size: Size, device: Device, window_tokens: int, wishes: Wishes = _FREE) -> MemoryPlan:
    """The way that takes least, whether it fits or not.

    Raises:
        SettingsError: If a wish can never be followed there.
    """
    return min(_ways(size, device, window_tokens, wishes), key=lambda way: way.needed_bytes)


def longest_window(size: Size, device: Device, wishes: Wishes = _FREE) -> MemoryPlan | None:
    """The plan for the longest window that fits, of all ways that are allowed; None if not even a short one does."""

    def fitting(tokens: int) -> MemoryPlan | None:
        return next((way for way in _ways(size, device, tokens, wishes) if way.fits), None)

    if (whole := fitting(size.window_tokens)) is not None:
        return whole
    step = footprint.KV_GROWTH_TOKENS
    low, high = SHORTEST_WINDOW // step, size.window_tokens // step
    best = fitting(low * step)
    while best is not None and high - low > 1:
        middle = (low + high) // 2
        if (found := fitting(middle * step)) is None:
            high = middle
        else:
            low, best = middle, found
    return best


def alternatives(size: Size, device: Device, window_tokens: int, wishes: Wishes = _FREE) -> tuple[MemoryPlan, ...]:
    """What would fit where the wishes do not: the best other way for this window, and the longest window each way."""
    others = next((way for way in _ways(size, device, window_tokens, _FREE, every_form=True) if way.fits), None)
    shorter = longest_window(size, device, wishes)
    kept = Wishes(kv=wishes.kv, kv_memory=wishes.kv_memory)
    freer = longest_window(size, device, kept) if shorter is None else None
    return tuple(way for way in (others, shorter, freer) if way is not None)


def _ways(
    size: Size, device: Device, window_tokens: int, wishes: Wishes, *, every_form: bool = False
) -> Iterator[MemoryPlan]:
    """Every way that is allowed, the best first."""
    homes = ("device", "host") if device.kind == "cuda" and not size.config.tied else ("device",)
    usual = ("full", "int8") if window_tokens <= LONG_WINDOW_TOKENS else ("int8",)
    kvs = usual if wishes.kv == "auto" else (wishes.kv,)
    for precision in _precisions(size, device, wishes.precision, every_form=every_form):
        for kv, home, chunk in product(kvs, homes, _chunks(size, device, precision)):
            way = _way(size, device, window_tokens, wishes, (precision, kv, home), chunk)
            if way.host_bytes <= max(0, device.host_bytes):
                yield way


def _chunks(size: Size, device: Device, precision: str) -> tuple[int, ...]:
    """How many tokens may be computed at once, the best first."""
    usual = CHUNK_TOKENS[device.kind]
    if device.kind == "cuda":
        return (usual, SMALL_CHUNK_TOKENS)
    unpacks = precision in ("file", "int8", "int4") and size.config.n_parameters > LARGE_PARAMETERS
    return (UNPACKING_CHUNK_TOKENS, usual) if unpacks else (usual,)


def _precisions(size: Size, device: Device, wanted: str, *, every_form: bool) -> tuple[str, ...]:
    """Those of the weights that are allowed, the best first.

    Raises:
        SettingsError: If the one that is wanted can never be had.
    """
    if wanted == "fp8" and not device.has_fp8:
        raise SettingsError(
            f"{device.name} does not multiply fp8.", hint="It needs an NVIDIA GPU of 2022 or later. Use int8 or int4."
        )
    dense = "bf16" if device.has_bf16 else "fp32"
    own = dense if size.stored is None else "file"
    if wanted != "auto":
        return (own if wanted == "file" else wanted,)
    if own == "file" and not every_form:
        return ("file",)
    return tuple(dict.fromkeys((own, dense, *(["fp8"] if device.has_fp8 else []), "int8", "int4")))


def _way(
    size: Size, device: Device, window_tokens: int, wishes: Wishes, form: tuple[str, str, str], chunk: int
) -> MemoryPlan:
    """One way, counted."""
    (precision, kv, home), c, kind = form, size.config, device.kind
    is_wide = precision == "fp32" or (precision != "bf16" and not device.has_bf16)
    element = 4 if is_wide else 2
    layers, embedding, output = footprint.matrices_bytes(c, precision, size.stored, element)
    weights = layers + output + footprint.norm_bytes(c, element) + size.adapter_parameters * element
    weights += embedding if home == "device" else 0
    cache = footprint.kv_bytes(c, kv, window_tokens, element)
    unpacked = footprint.unpacked_bytes(c, kind, precision, element)
    feed_forward = footprint.feed_forward_bytes(c, kind, chunk, element)
    attention = footprint.attention_bytes(c, kind, kv, chunk, window_tokens, element)
    # Products and attention come one after the other, so what holds more counts; on CUDA unpacked weights stay.
    kept, passing = (unpacked, 0) if kind == "cuda" else (0, unpacked)
    work = [
        Item("activations", max(feed_forward + passing, attention)),
        Item("unpacked weights", kept),
        Item("logits", footprint.logit_bytes(c, element)),
        Item("positions", footprint.rotary_bytes(c, window_tokens)),
        Item("libraries", footprint.LIBRARY_BYTES[kind]),
    ]
    while_loading = footprint.loading_bytes(c, precision, element) - cache - sum(item.n_bytes for item in work)
    if while_loading > 0:
        work.append(Item("loading", while_loading))
    spare = max(0, device.free_bytes - weights - cache - sum(item.n_bytes for item in work) - MARGIN_BYTES[kind])
    dense = c.n_parameters * element
    keeps_dense = precision == "file" and weights < dense < DENSE_SHARE * spare
    if keeps_dense:
        weights, spare = weights + dense, spare - dense
    asked = wishes.kv_memory
    return MemoryPlan(
        device=device.name,
        kind=kind,
        precision=precision,
        arithmetic="fp32" if is_wide else "bf16",
        kv=kv,
        embedding=home,
        window_tokens=window_tokens,
        chunk_tokens=chunk,
        keeps_dense=keeps_dense,
        weights_bytes=weights,
        kv_bytes=cache,
        workspace=tuple(item for item in work if item.n_bytes),
        margin_bytes=MARGIN_BYTES[kind],
        caches_bytes=cache + int(spare * POOL_SHARE) if asked is None else min(cache + spare, asked),
        free_bytes=device.free_bytes,
        host_bytes=embedding if home == "host" else 0,
    )


def _refusal(size: Size, device: Device, window_tokens: int, wishes: Wishes, least: MemoryPlan) -> DoesNotFit:
    """One sentence of what is needed and what is free, and a hint of what would fit."""
    others = alternatives(size, device, window_tokens, wishes)
    told = [
        f"--window {way.window_tokens}{_wished(way, wishes)}"
        if way.window_tokens != window_tokens
        else f"the same window{_wished(way, wishes)}"
        for way in others
    ]
    fits = f"This would fit: {'; or '.join(dict.fromkeys(told))}." if told else "No window of this model would fit."
    return DoesNotFit(
        f"The model needs {least.needed_bytes / 1e9:.1f} GB of memory for windows of {window_tokens:,} tokens "
        f"({least.way}), and {device.name} has {device.free_bytes / 1e9:.1f} GB free.",
        hint=f"{fits} Or close other programs, or choose another model or --device.",
    )


def _wished(way: MemoryPlan, wishes: Wishes) -> str:
    """The options that ask for a way."""
    precision = "" if way.precision == wishes.precision else f" --precision {way.precision}"
    kv = "" if way.kv == wishes.kv else f" --kv {way.kv}"
    return precision + kv

"""The ways in which a model may lie in memory, the best first: precision, form of the cache, where the embedding lives.

Arithmetic alone over what `footprint` counts. The weights are, in this order,

1. as they come (bf16; fp32 where the processor does not multiply bf16),
2. `fp8`, where a GPU multiplies it: NeMo was trained for it, and it is fast,
3. `int8` in groups of 32, elsewhere,
4. `int4` in groups of 32 with scale and minimum.

With each of them, before the next: everything on the device; on a GPU smaller chunks, which cost some speed; the
embedding in main memory, which costs a copied row a token; the cache in 8 bits, which costs far less than any rounding
of weights (llama.cpp measures a KL divergence of 0.001 for it); and these together. A file on a grid of its own stays
on that: another one would round it twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from nemo_docs.engine import footprint
from nemo_docs.engine.memory_plan import CHUNK_TOKENS, Device, Item, MemoryPlan, Size, Wishes
from nemo_docs.errors import SettingsError

LONG_WINDOW_TOKENS = 32_768
"""The caches of longer windows have eight bits unless asked otherwise: half the bytes to hold, to store and to bring
back, for a tenth of a per cent of perplexity. A whole window of NeMo's takes 10.9 GB instead of 21.5."""
UNPACKING_CHUNK_TOKENS = 1024
"""A chunk's tokens where large weights on a grid are unpacked anew for each, on a CPU and an Apple GPU: at NeMo's size
that costs as much as multiplying 256 tokens by them."""
LARGE_PARAMETERS = 1_000_000_000
"""Weights beyond which that counts."""
SMALL_CHUNK_TOKENS = 2048
"""Those on a GPU that is short of memory: what a chunk computes shrinks with it, and reading slows a little."""
POOL_SHARE = 0.25
"""What recent caches may take of the memory that is left beside everything else."""
MARGIN_BYTES = {"cpu": 512 * 1024**2, "mps": 1024 * 1024**2, "cuda": 256 * 1024**2}
"""Left free, for what other programs take meanwhile and for what an allocator cannot fill: an Apple GPU's keeps what it
had by size, and what is compiled for a shape."""
DENSE_SHARE = 0.125
"""Weights on a grid are kept dense as well, for speed, while that takes less than this of what else is free."""


def ways(
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

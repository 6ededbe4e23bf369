"""Where a model goes and in which numbers, and whether it fits, decided before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from nemo_docs.errors import DoesNotFit, SettingsError
from nemo_docs.model.config import ModelConfig

CHUNK_TOKENS = {"cpu": 256, "mps": 512, "cuda": 8192}
"""How many tokens go through the model at once: a CPU must notice a cancel between two layers of one chunk."""
POOL_SHARE = 0.25
"""What recent caches may take of the memory that is free beside the weights and the cache in use."""
MARGIN_BYTES = 512 * 1024**2
"""Kept free for activations and everything else."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The decision."""

    device: torch.device
    """Where weights and caches live."""
    dtype: torch.dtype
    """What they are stored and multiplied in."""
    chunk_tokens: int
    """How many tokens of a prompt are computed at once."""
    pool_bytes: int
    """What the caches of recent sequences may hold."""


def place(
    config: ModelConfig,
    *,
    window_tokens: int,
    device: str = "auto",
    precision: str = "auto",
    kv_memory: int | None = None,
) -> Placement:
    """Choose device and precision and check that the weights and the cache of one window fit.

    Args:
        config: The model's shape.
        window_tokens: Tokens that are read in one go.
        device: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`.
        precision: `auto`, `fp32` or `bf16`.
        kv_memory: Bytes for recent caches; None for a share of what is free.

    Raises:
        SettingsError: If this machine has no such device.
        DoesNotFit: If they do not; says what would.
    """
    where = choose_device(device)
    dtype = choose_dtype(where, precision)
    cache = window_tokens * config.kv_bytes_per_token(dtype.itemsize)
    needed = config.n_parameters * dtype.itemsize + cache + MARGIN_BYTES
    free = free_bytes(where)
    if needed > free:
        raise DoesNotFit(
            f"The model needs {needed / 1e9:.1f} GB of memory in {str(dtype).removeprefix('torch.')} for windows of "
            f"{window_tokens:,} tokens, and {where.type} has {free / 1e9:.1f} GB free.",
            hint="Close other programs, choose a smaller --window or model, or another --device.",
        )
    pool = int((free - needed) * POOL_SHARE) if kv_memory is None else kv_memory
    return Placement(where, dtype, CHUNK_TOKENS[where.type], pool)


def choose_device(wanted: str) -> torch.device:
    """The device asked for, or the fastest that is there.

    Raises:
        SettingsError: If it is not there.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    device = torch.device(wanted)
    there = {"cpu": True, "mps": mps, "cuda": cuda and (device.index or 0) < torch.cuda.device_count()}
    if not there.get(device.type, False):
        raise SettingsError(f"This machine has no device {wanted!r} that torch can use.", hint="Use --device auto.")
    return device


def choose_dtype(device: torch.device, wanted: str) -> torch.dtype:
    """The precision asked for, else bf16 where the processor multiplies it, else fp32."""
    if wanted != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16}[wanted]
    if device.type == "cpu":
        return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
    return torch.bfloat16


def free_bytes(device: torch.device) -> int:
    """Memory that can be taken on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    return available_memory()


def available_memory() -> int:
    """Bytes of main memory that programs can still take without swapping, within a container's limit."""
    import psutil  # type: ignore[import-untyped]

    return min(int(psutil.virtual_memory().available), container_room())


def container_room(group: Path = Path("/sys/fs/cgroup")) -> int:
    """What a Linux control group still allows, in bytes; psutil does not look there.

    Files that were read count as used until something else needs the room; the idle ones among them are free here.
    """
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        rows = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return limit - used + int(rows["inactive_file"])
    except (OSError, ValueError, KeyError):  # none, or no limit ("max")
        return 1 << 62

"""What this machine's devices have, asked of torch; from there to a plan of memory, before anything is allocated."""

from __future__ import annotations

from dataclasses import replace

import torch

from nemo_docs.engine.machine import FP8_CAPABILITY, available_memory
from nemo_docs.engine.memory_plan import CHUNK_TOKENS as CHUNK_TOKENS
from nemo_docs.engine.memory_plan import Device, MemoryPlan, Size, Wishes
from nemo_docs.engine.planning import plan_memory
from nemo_docs.errors import DoesNotFit, SettingsError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""By the name that a plan gives its arithmetic."""


def place(size: Size, *, window_tokens: int, device: str = "auto", wishes: Wishes | None = None) -> MemoryPlan:
    """Choose a device, and what memory is taken for there.

    Args:
        size: The model.
        window_tokens: Tokens that are read in one go.
        device: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`.
        wishes: What the user asks for.

    Raises:
        SettingsError: If this machine has no such device, or it cannot do what is wished for.
        DoesNotFit: If memory cannot hold it; says what would fit.
    """
    where, wishes = describe(choose_device(device)), wishes or Wishes()
    try:
        return plan_memory(size, where, window_tokens, wishes)
    except DoesNotFit as refusal:
        if device != "auto" or where.kind != "cuda":
            raise
        try:
            beside = plan_memory(size, describe(torch.device("cpu")), window_tokens, wishes)
        except (DoesNotFit, SettingsError):
            raise refusal from None
        refusal.hint += f" In main memory it fits, and is slow there: --device cpu ({beside.way})."
        raise


def choose_device(wanted: str) -> torch.device:
    """The device asked for, or the fastest that is there.

    Raises:
        SettingsError: If it is not there.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        wanted = "cuda" if cuda else "mps" if mps else "cpu"
    device = torch.device(wanted)
    there = {"cpu": True, "mps": mps, "cuda": cuda and (device.index or 0) < torch.cuda.device_count()}
    if not there.get(device.type, False):
        raise SettingsError(f"This machine has no device {wanted!r} that torch can use.", hint="Use --device auto.")
    if device.type == "cuda" and device.index is None:  # what counts memory wants to know which one
        return torch.device("cuda", torch.cuda.current_device())
    return device


def describe(device: torch.device) -> Device:
    """What a device has and can do, as plain data."""
    found = Device(str(device), device.type, free_bytes(device), host_bytes=available_memory())
    if device.type == "cpu":
        return replace(found, has_bf16=torch.ops.mkldnn._is_mkldnn_bf16_supported(), host_bytes=0)
    if device.type == "cuda":
        return replace(found, has_fp8=torch.cuda.get_device_capability(device) >= FP8_CAPABILITY)
    return found


def free_bytes(device: torch.device) -> int:
    """Memory that can be taken on a device. A cap that was set for this process counts."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        capped = int(torch.cuda.get_per_process_memory_fraction(device) * total)
        return min(free, capped - torch.cuda.memory_reserved(device))
    if device.type == "mps":  # it is main memory, of which torch takes more than there is, by swapping
        room = int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
        return min(room, available_memory())
    return available_memory()

"""What this machine has to run a model on, told without torch: for a face that says what a question would cost.

The engine asks torch, which knows best (`placing`). Until a model is loaded the app cannot, because importing torch
takes seconds and hundreds of megabytes; what is said here is what torch would say, or close to it.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from nemo_docs.engine.memory_plan import Device

FP8_CAPABILITY = (8, 9)
"""CUDA's number for the first generation that multiplies fp8 (Ada)."""
_MIB = 1024**2
_ASK_GPUS = ("--query-gpu=memory.free,compute_cap", "--format=csv,noheader,nounits")
_ASKED_WITHIN_S = 10
_APPLE_SHARE = 0.7  # of main memory may be the GPU's


def expected_device(wanted: str) -> Device | None:
    """The device that would be chosen; None if it is not there.

    Args:
        wanted: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`.
    """
    kind, _, number = wanted.partition(":")
    gpus = _gpus() if kind in ("auto", "cuda") else []
    if kind == "cuda":
        return next(iter(gpus[int(number or 0) :]), None)
    is_apple = sys.platform == "darwin" and platform.machine() == "arm64"
    free = available_memory()
    apple = Device("mps", "mps", int(_APPLE_SHARE * free)) if is_apple else None
    if kind == "mps":
        return apple
    cpu = Device("cpu", "cpu", free, has_bf16=processor_has_bf16())
    return cpu if kind == "cpu" else next(iter(gpus), None) or apple or cpu


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


def processor_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether torch's library multiplies bf16 on this processor: AVX-512 as servers have it, or Arm's own; on Linux."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((set(line.split()) for line in lines if line.startswith(("flags", "Features"))), set())
    return {"avx512bw", "avx512vl", "avx512dq"} <= flags or "bf16" in flags


def _gpus() -> list[Device]:
    """NVIDIA's, as its own tool tells, if the torch that is installed can use them."""
    tool = shutil.which("nvidia-smi")
    if tool is None or not _torch_has_cuda():
        return []
    try:
        done = subprocess.run([tool, *_ASK_GPUS], capture_output=True, text=True, timeout=_ASKED_WITHIN_S, check=True)
        rows = [line.split(",") for line in done.stdout.splitlines()]
        return [
            Device(
                f"cuda:{index}",
                "cuda",
                int(free) * _MIB,
                has_fp8=tuple(map(int, capability.split("."))) >= FP8_CAPABILITY,
                host_bytes=available_memory(),
            )
            for index, (free, capability) in enumerate(rows)
        ]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def _torch_has_cuda() -> bool:
    """Read off the installed files: importing them would take seconds."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    try:
        text = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"^cuda\b[^=]*=\s*['\"]", text, re.MULTILINE) is not None

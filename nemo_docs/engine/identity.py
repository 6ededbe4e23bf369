"""What stored keys and values depend on, told of a model that is loaded.

A stored block is only ever found again under the very same identity, so a field too many costs a second reading and a
field too few a wrong answer: when in doubt, it is in. Processor, threads and libraries are in it because they choose
the order in which numbers are summed up.
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import torch

from nemo_docs.kv.identity import Identity

if TYPE_CHECKING:
    from nemo_docs.engine.memory_plan import MemoryPlan
    from nemo_docs.model.folder import ModelFiles
    from nemo_docs.model.transformer import Transformer
    from nemo_docs.model.weights.random import RandomModel

_KERNELS = ("numba", "triton")
"""Packages whose kernels compute where they are installed."""


def identity_of(files: ModelFiles | RandomModel, plan: MemoryPlan, model: Transformer) -> Identity:
    """The identity of what a loaded model computes.

    Args:
        files: Its content; digests of weight files are remembered, the first time takes a while.
        plan: In which numbers it was loaded.
        model: It.
    """
    kernels = {name: _version(name) for name in _KERNELS}
    return Identity(
        weights=files.weights.fingerprint(),
        adapter=files.adapter.fingerprint() if files.adapter else "",
        config=json.dumps(files.config.as_dict(), sort_keys=True),
        precision=plan.precision,
        arithmetic=plan.arithmetic,
        kv=plan.kv,
        chunk_tokens=plan.chunk_tokens,
        device=_device_class(model.device),
        torch=torch.__version__,
        kernels=json.dumps({"operations": type(model.operations).__name__, **kernels}, sort_keys=True),
        tokenizer=files.tokenizer_fingerprint(),
    )


def _device_class(device: torch.device) -> str:
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        return f"cuda {properties.name} {properties.major}.{properties.minor} cudnn {cudnn}"
    if device.type == "cpu":
        return f"cpu {torch.backends.cpu.get_cpu_capability()} threads {torch.get_num_threads()}"
    return device.type


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""

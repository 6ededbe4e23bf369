"""The one place that gives a model the forms that suit its device."""

from __future__ import annotations

from nemo_docs.kv.form import Form, Int8
from nemo_docs.model.transformer import Transformer


def accelerate(model: Transformer) -> None:
    """Triton's kernels on an NVIDIA GPU, Numba's on a CPU, few shapes on an Apple GPU; else a model stays as it is."""
    match model.device.type:
        case "cuda":
            from nemo_docs.model.cuda import accelerating

            accelerating.accelerate(model)
        case "mps":
            from nemo_docs.model.apple.attention import AppleOperations

            model.operations = AppleOperations()
        case "cpu":
            from nemo_docs.model.cpu.compiler import NUMBA
            from nemo_docs.model.cpu.decoder import CpuDecoder

            if NUMBA and CpuDecoder.suits(model):
                decoder = CpuDecoder(model)
                decoder.warm_up()
                model.decoder = decoder


def eight_bits(kind: str) -> Form:
    """The eight-bit form of keys and values, as a kind of device (`cpu`, `mps`, `cuda`) unpacks it best."""
    if kind == "mps":
        from nemo_docs.model.apple.unpacking import Int8InBuckets

        return Int8InBuckets()
    return Int8()

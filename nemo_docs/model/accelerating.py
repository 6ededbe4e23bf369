"""The one place that gives a model the faster forms that its device has."""

from __future__ import annotations

from nemo_docs.model.transformer import Transformer


def accelerate(model: Transformer) -> None:
    """Triton's kernels on an NVIDIA GPU, Numba's on a CPU; where there are none, a model stays as it is."""
    match model.device.type:
        case "cuda":
            from nemo_docs.model.cuda import accelerating

            accelerating.accelerate(model)
        case "cpu":
            from nemo_docs.model.cpu.compiler import NUMBA
            from nemo_docs.model.cpu.decoder import CpuDecoder

            if NUMBA and CpuDecoder.suits(model):
                decoder = CpuDecoder(model)
                decoder.warm_up()
                model.decoder = decoder

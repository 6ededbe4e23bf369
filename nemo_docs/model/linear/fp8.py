"""Weights in eight-bit floating point, which tensor cores of Ada and Hopper multiply at twice the rate of bf16.

A weight is an e4m3 code (four significant bits, so within 1/16 of its value, whatever the size of its neighbours) times
one fp32 scale a row. Where many tokens go through at once their activations become e4m3 too, with a scale a token, and
one `torch._scaled_mm` does the rest. Where a few do, as in decode, reading the weights is all that costs: activations
stay as they are. Devices without such tensor cores never round activations, since that would cost and bring nothing.

What fast accumulation costs: Hopper adds fp8 products in a register that keeps 13 bits behind the largest term, and
only without it are partial sums moved to fp32 every 128 columns. So its error grows with the columns K: relative to the
norm of the output 0.13 % at K = 4,096 and 0.29 % at 14,336, NeMo's longest (bench_precision imitates such a register).
Rounding both operands to e4m3 costs 3.7 %, which hides it, and sums in fp32 are known to be much slower. For attention,
where a sum goes over a whole context, the same register is not good enough.

Sources: OCP "8-bit Floating Point Specification" 1.0; DeepSeek-V3, arXiv:2412.19437 section 3.3.2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nemo_docs.model.linear.slices import row_slices

LARGEST = torch.finfo(torch.float8_e4m3fn).max
"""448. Beyond it a cast gives NaN or wraps, so values are clamped before."""
FEW_TOKENS = 16
"""Up to so many tokens, reading weights costs more than multiplying: their activations are not rounded."""
TILE = 16
"""`torch._scaled_mm` takes rows and columns in multiples of it."""
_LEAST = 2.0**-100  # of a row's largest absolute value, so that a scale's reciprocal is finite


class Fp8(NamedTuple):
    """A matrix in e4m3, a scale a row."""

    codes: Tensor
    """e4m3 [rows, columns]"""
    scales: Tensor
    """fp32 [rows, 1]"""

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The values, computed in fp32. Shapes: [rows, columns]."""
        return (self.codes.float() * self.scales).to(dtype)


def quantise_activations(x: Tensor) -> Fp8:
    """Each row on its own, on the fly: its largest value becomes the largest that e4m3 has.

    Shapes: x [T, in], finite.
    """
    largest = torch.linalg.vector_norm(x, ord=torch.inf, dim=-1, keepdim=True, dtype=torch.float32)  # [T, 1]
    scales = largest.clamp_min(_LEAST) / LARGEST
    return Fp8((x / scales).clamp_(-LARGEST, LARGEST).to(torch.float8_e4m3fn), scales)


def quantise_weights(weight: Tensor) -> Fp8:
    """The same for weights, some rows at a time, so that beside them hardly more than the codes is held.

    Shapes: weight [out, in].

    Raises:
        ValueError: If a weight is infinite or no number.
    """
    rows = weight.shape[0]
    codes = torch.empty(weight.shape, dtype=torch.float8_e4m3fn, device=weight.device)
    scales = torch.empty((rows, 1), dtype=torch.float32, device=weight.device)
    for part in row_slices(weight):
        codes[part], scales[part] = quantise_activations(weight[part])
    if not scales.isfinite().all():
        raise ValueError("it holds weights that are infinite or no numbers")
    return Fp8(codes, scales)


def multiplies_fp8(device: torch.device) -> bool:
    """Whether the device has tensor cores for e4m3: compute capability 8.9, Ada, and later."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 9)


class Fp8Rows:
    """A product with weights in e4m3.

    Args:
        weight: The weights, codes [out, in].
        rounds_activations: Whether the activations of many tokens become e4m3 too; by default where tensor cores gain
            by it. On any other device the result is the same up to the order of summation: for tests, and to measure
            on a CPU what it does to quality.
    """

    def __init__(self, weight: Fp8, *, rounds_activations: bool | None = None) -> None:
        self.weight = weight
        device = weight.codes.device
        self._rounds_activations = multiplies_fp8(device) if rounds_activations is None else rounds_activations
        self._has_kernel = multiplies_fp8(device) and not any(size % TILE for size in weight.codes.shape)

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self.weight.codes.nbytes + self.weight.scales.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """Shapes: x [T, in] -> [T, out]."""
        if not self._rounds_activations or x.shape[0] <= FEW_TOKENS:
            return weights_only(x, self.weight)
        rounded = quantise_activations(x)
        if not self._has_kernel:
            return _exact_product(rounded, self.weight).to(x.dtype)
        return torch._scaled_mm(
            rounded.codes,
            self.weight.codes.t(),
            scale_a=rounded.scales,
            scale_b=self.weight.scales.t(),
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        ).to(x.dtype)

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, in]."""
        codes = self.weight.codes.view(torch.uint8)[ids].view(torch.float8_e4m3fn)  # indexing knows whole numbers only
        return Fp8(codes, self.weight.scales[ids]).dense(dtype)


def weights_only(x: Tensor, weight: Fp8) -> Tensor:
    """The product with exact activations: the place of a kernel that reads codes and never writes them out wide.

    e4m3 is exact in bf16 and in fp32, so the scale of a row may wait for the sum. Shapes: x [T, in] -> [T, out].
    """
    sums = F.linear(x, weight.codes.to(x.dtype))  # [T, out]
    return (sums * weight.scales.t()).to(x.dtype)


def _exact_product(x: Fp8, weight: Fp8) -> Tensor:
    """Shapes: x.codes [T, in] -> fp32 [T, out]."""
    return F.linear(x.codes.float(), weight.codes.float()) * x.scales * weight.scales.t()

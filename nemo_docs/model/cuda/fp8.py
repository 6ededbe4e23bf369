# mypy: disable-error-code="no-untyped-def"
"""Products with weights in eight-bit floating point on an NVIDIA GPU.

For a few rows of activations the weights are read in a kernel of rows and the activations stay as they are. For many,
activations become e4m3 with a scale a token, in one kernel that reads them once: in plain torch that step reads and
writes eight times as much, at NeMo's size almost a second for 128k tokens. Then `torch._scaled_mm` multiplies.

Source: the rounding is that of `linear/fp8.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nemo_docs.model.cuda.language import jit, power_of_two, tl
from nemo_docs.model.cuda.products import BARE, MOST_ROWS, Around, DenseRows


@jit
def _round(x, codes, scales, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    held = tl.load(x + token * WIDTH + column, mask=inside, other=0.0).to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(held), axis=0), 1e-30) / 448.0  # the largest e4m3; beyond it a cast gives NaN
    held = tl.minimum(tl.maximum(held / scale, -448.0), 448.0)
    tl.store(codes + token * WIDTH + column, held.to(tl.float8e4nv), mask=inside)
    tl.store(scales + token, scale)


def rounded(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's largest value becomes the largest that e4m3 has. Shapes: x [T, C] -> e4m3 [T, C], fp32 [T, 1]."""
    tokens, width = x.shape
    codes = torch.empty(x.shape, dtype=torch.float8_e4m3fn, device=x.device)
    scales = torch.empty(tokens, 1, dtype=torch.float32, device=x.device)
    block = power_of_two(width)
    _round[(tokens,)](x.contiguous(), codes, scales, WIDTH=width, BLOCK=block, num_warps=8)
    return codes, scales


class Fp8Product:
    """A product with weights in e4m3, as a model's layers and its decoder call it.

    Args:
        codes: The weights, e4m3. [N, C]
        scales: One a row, fp32. [N, 1]
    """

    def __init__(self, codes: Tensor, scales: Tensor) -> None:
        self._codes, self._scales = codes, scales
        self._few = DenseRows(codes, scales)

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self._codes.nbytes + self._scales.nbytes

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Shapes: ids [T] -> [T, C]."""
        return (self._codes[ids].float() * self._scales[ids]).to(dtype)

    def __call__(self, x: Tensor, out: Tensor | None = None, around: Around = BARE) -> Tensor:
        """Shapes: x [M, C] -> [M, N], or [M, N / 2] with a gate; into `out` for up to `MOST_ROWS` rows, if given."""
        if len(x) <= MOST_ROWS:
            out = x.new_empty(len(x), len(self._codes)) if out is None else out
            self._few(x, out, around)
            return out
        codes, scales = rounded(x)
        found: Tensor = torch._scaled_mm(
            codes,
            self._codes.t(),
            scale_a=scales,
            scale_b=self._scales.view(1, -1),
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
        return found.to(x.dtype)

"""Weights in e4m3: what they lose, that both forms of the product say the same, and what is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.model.linear.fp8 import FEW_TOKENS, LARGEST, Fp8, Fp8Rows, quantise_activations, quantise_weights
from tests.properties import examples

ROUNDING = 2.0**-4
"""Half the distance of two neighbours in e4m3, relative to the lower one."""


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@examples(60)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 9),
    columns=st.integers(1, 70),
    exponent=st.integers(-60, 60),
)
def test_no_weight_is_off_by_more_than_a_sixteenth_of_itself(seed: int, rows: int, columns: int, exponent: int) -> None:
    weight = drawn(rows, columns, seed=seed) * 2.0**exponent
    rounded = quantise_weights(weight)
    smallest_step = 2.0**-9 * rounded.scales  # between subnormal codes
    bound = torch.maximum(ROUNDING * weight.abs(), smallest_step / 2) * (1 + 1e-5)
    assert ((rounded.dense(torch.float32) - weight).abs() <= bound).all()
    assert (rounded.codes.float().abs().amax(-1) == LARGEST).all()


def test_a_row_is_quantised_alone() -> None:
    weight = drawn(4, 32)
    louder = weight.clone()
    louder[2] *= 1000
    rounded, other = quantise_weights(weight), quantise_weights(louder)
    alike = [0, 1, 3]
    assert torch.equal(rounded.codes[alike].float(), other.codes[alike].float())
    assert torch.equal(rounded.scales[alike], other.scales[alike])


def test_slices_of_rows_make_one_matrix() -> None:
    weight = drawn(3000, 256)  # several slices
    whole, alone = quantise_weights(weight), quantise_activations(weight)
    assert torch.equal(whole.codes.float(), alone.codes.float())
    assert torch.equal(whole.scales, alone.scales)


@pytest.mark.parametrize("value", [0.0, 1e-38, -1e-45, 1.0, 3e38])
def test_rows_of_one_value_come_back(value: float) -> None:
    back = quantise_weights(torch.full((2, 16), value)).dense(torch.float32)
    assert back == pytest.approx(torch.full((2, 16), value), rel=1e-6, abs=1e-35)


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_what_is_no_number_is_refused(value: float) -> None:
    weight = drawn(5, 16)
    weight[3, 7] = value
    with pytest.raises(ValueError, match="infinite or no numbers"):
        quantise_weights(weight)


@pytest.mark.parametrize("tokens", [1, FEW_TOKENS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_few_tokens_meet_the_weights_as_they_are(tokens: int, dtype: torch.dtype) -> None:
    weight = quantise_weights(drawn(48, 64))
    x = drawn(tokens, 64, seed=1).to(dtype)
    y = Fp8Rows(weight, rounds_activations=True)(x)
    expected = x.double() @ weight.dense(torch.float32).double().t()
    assert y.dtype == dtype
    error = (y.double() - expected).norm() / expected.norm()
    assert error < (1e-6 if dtype == torch.float32 else 5e-3)


def test_many_tokens_are_rounded_one_by_one() -> None:
    """Each product is of two e4m3 codes, times the two scales: written out in double precision."""
    weight, x = quantise_weights(drawn(48, 64)), drawn(FEW_TOKENS + 1, 64, seed=1)
    x[5] *= 1e4  # an outlier costs no other token anything
    scales = x.abs().amax(-1, keepdim=True) / LARGEST
    codes = (x / scales).to(torch.float8_e4m3fn)
    expected = (codes.double() @ weight.codes.double().t()) * scales.double() * weight.scales.double().t()
    y = Fp8Rows(weight, rounds_activations=True)(x)
    assert ((y - expected).norm(dim=-1) / expected.norm(dim=-1)).max() < 1e-6
    exact = Fp8Rows(weight, rounds_activations=False)(x)
    off = (y - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert off.min() > 0.005, "activations are rounded"
    assert off.max() < 0.06


def test_a_processor_never_rounds_activations_by_itself() -> None:
    weight, x = quantise_weights(drawn(16, 16)), drawn(100, 16, seed=1)
    assert torch.equal(Fp8Rows(weight)(x), Fp8Rows(weight, rounds_activations=False)(x))


def test_rows_are_those_of_the_matrix() -> None:
    weight = quantise_weights(drawn(20, 16))
    ids = torch.tensor([3, 3, 19, 0])
    rows = Fp8Rows(weight).rows(ids, torch.bfloat16)
    assert torch.equal(rows, weight.dense(torch.bfloat16)[ids])


def test_a_weight_takes_a_byte() -> None:
    product = Fp8Rows(Fp8(torch.zeros(64, 128).to(torch.float8_e4m3fn), torch.ones(64, 1)))
    assert product.n_bytes == 64 * 128 + 64 * 4

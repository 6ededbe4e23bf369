"""Weights rounded on load: bounds that hold for every weight, gains that the search and the balance must bring."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.model.linear.balance import Balanced, column_sizes
from nemo_docs.model.linear.base import Dense
from nemo_docs.model.linear.grouped import Grid
from nemo_docs.model.linear.rounding import GROUP, round_int4, round_int8
from tests.properties import examples


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def error(grid: Grid, weight: torch.Tensor) -> float:
    return float((grid.dense(torch.float32) - weight).norm() / weight.norm())


def nearest(weight: torch.Tensor) -> torch.Tensor:
    """To the nearest of 16 steps between the extremes of each group."""
    groups = weight.view(-1, GROUP)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    step = (high - low) / 15
    return (((groups - low) / step).round() * step + low).view_as(weight)


matrices = st.builds(
    lambda seed, rows, groups, exponent, heavy: (
        drawn(rows, groups * GROUP, seed=seed) ** (3 if heavy else 1) * 2.0**exponent
    ).clamp(-60_000, 60_000),
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(-40, 12),
    st.booleans(),
)


@examples(60)
@given(matrices)
def test_eight_bits_are_never_off_by_more_than_half_a_step(weight: torch.Tensor) -> None:
    grid = round_int8(weight)
    steps = grid.scales.float().repeat_interleave(GROUP, dim=1)
    assert ((grid.dense(torch.float32) - weight).abs() <= 0.5001 * steps).all()


@examples(60)
@given(matrices)
def test_four_bits_are_off_by_more_than_half_a_step_only_beyond_the_ends(weight: torch.Tensor) -> None:
    grid = round_int4(weight)
    scales, minimums = grid.scale_and_minimum()
    assert minimums is not None
    step, low = scales.repeat_interleave(GROUP, dim=1), minimums.repeat_interleave(GROUP, dim=1)
    within = (weight >= low) & (weight <= low + 15 * step)
    off = (grid.dense(torch.float32) - weight).abs()
    rounding = 1e-6 * weight.abs()  # of the arithmetic itself
    assert (off <= 0.5001 * step + rounding)[within].all()


@examples(40)
@given(matrices)
def test_the_search_is_never_worse_than_the_extremes(weight: torch.Tensor) -> None:
    ours = (round_int4(weight).dense(torch.float32) - weight).view(-1, GROUP).square().sum(-1)
    theirs = (nearest(weight) - weight).view(-1, GROUP).square().sum(-1)
    size = weight.view(-1, GROUP).abs().amax(-1)
    half_precision = 2.0**-10 * size + GROUP**0.5 * 2.0**-24  # of the scales and minimums; theirs are exact
    assert (ours.sqrt() <= 1.002 * theirs.sqrt() + half_precision).all()


@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy-tailed"])
def test_the_search_takes_a_tenth_off_the_error_of_the_nearest(heavy: bool) -> None:
    tail = (drawn(256, 256, seed=1).square() + drawn(256, 256, seed=2).square()).sqrt() if heavy else 1
    weight = drawn(256, 256) / tail
    theirs = float((nearest(weight) - weight).norm() / weight.norm())
    assert error(round_int4(weight), weight) < 0.9 * theirs


def test_what_lies_on_a_grid_stays_there() -> None:
    codes = torch.randint(0, 16, (8, 4, GROUP), generator=torch.Generator().manual_seed(0))
    codes[..., 0], codes[..., 1] = 0, 15
    weight = (codes * 0.25 - 2).view(8, -1)
    assert torch.equal(round_int4(weight).dense(torch.float32), weight)
    eight = torch.randint(-127, 128, (8, 128), generator=torch.Generator().manual_seed(0)).float()
    eight[:, ::GROUP] = 127
    assert torch.equal(round_int8(eight / 64).dense(torch.float32), eight / 64)


@pytest.mark.parametrize("form", [round_int4, round_int8])
def test_groups_without_spread_come_back(form: type) -> None:
    weight = torch.zeros(4, 2 * GROUP)
    weight[1], weight[2, GROUP:], weight[3] = 0.37, -5.1, 1e-9
    back = form(weight).dense(torch.float32)
    assert torch.equal(back[0], weight[0])
    assert back[:3] == pytest.approx(weight[:3], rel=1e-3)
    assert back[3] == pytest.approx(weight[3], abs=6e-8)


@pytest.mark.parametrize("form", [round_int4, round_int8])
@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan, 1e30, -1e30])
def test_what_no_grid_can_hold_is_refused(form: type, value: float) -> None:
    weight = drawn(3, 64)
    weight[1, 40] = value
    with pytest.raises(ValueError, match="too large for a scale"):
        form(weight)


@pytest.mark.parametrize("form", [round_int4, round_int8])
def test_rows_that_do_not_come_in_groups_are_refused(form: type) -> None:
    with pytest.raises(ValueError, match="rows of 40 weights"):
        form(drawn(3, 40))


@pytest.mark.parametrize(("form", "bits"), [(round_int4, 5.0), (round_int8, 8.5)])
def test_a_grid_takes_the_bits_that_it_says(form: type, bits: float) -> None:
    assert form(drawn(16, 128)).n_bytes * 8 == 16 * 128 * bits


@pytest.mark.parametrize("form", [round_int4, round_int8])
def test_slices_of_rows_make_one_grid(form: type) -> None:
    weight = drawn(1500, 128)  # several slices
    whole, tail = form(weight), form(weight[-100:])
    assert torch.equal(whole.dense(torch.float32)[-100:], tail.dense(torch.float32))


def test_weights_are_left_as_they_were() -> None:
    weight = drawn(64, 64)
    before = weight.clone()
    round_int4(weight, column_sizes(weight))
    round_int8(weight)
    assert torch.equal(weight, before)


def test_sizes_of_columns_are_found_whatever_the_rows_are() -> None:
    true = torch.exp(drawn(96))
    true /= true.log().mean().exp()
    weight = drawn(4096, 96, seed=1) * true * torch.exp(2 * drawn(4096, 1, seed=2))
    found = column_sizes(weight)
    assert (found.float() / true).log().abs().max() < 0.1


def test_columns_and_rows_of_zeros_have_no_size_that_matters() -> None:
    weight = drawn(64, 64)
    weight[:, 7], weight[9] = 0, 0
    sizes = column_sizes(weight)
    assert sizes.isfinite().all()
    assert (sizes > 0).all()
    assert (column_sizes(torch.zeros(4, 32)) == 1).all()


def test_a_balanced_product_is_the_same_product() -> None:
    weight, x = drawn(48, 64), drawn(5, 64, seed=1)
    sizes = torch.exp(drawn(64, seed=2)).bfloat16()
    product = Balanced(Dense(weight / sizes), sizes)
    assert torch.allclose(product(x), x @ weight.t(), atol=1e-4)
    ids = torch.tensor([1, 47, 1])
    assert torch.allclose(product.rows(ids, torch.float32), weight[ids])


def test_balance_saves_what_small_columns_with_large_inputs_would_lose() -> None:
    """As in trained models: a few inputs are large, and the weights that meet them small."""
    sizes_of_inputs = torch.ones(256)
    sizes_of_inputs[::50] = 30
    weight = drawn(128, 256) / sizes_of_inputs
    x = drawn(64, 256, seed=1) * sizes_of_inputs
    exact = x @ weight.t()

    def output_error(rounded: torch.Tensor) -> float:
        return float((x @ rounded.t() - exact).norm() / exact.norm())

    sizes = column_sizes(weight)
    balanced = output_error(round_int4(weight, sizes).dense(torch.float32) * sizes)
    assert balanced < 0.75 * output_error(round_int4(weight).dense(torch.float32))
    assert balanced < 0.1

"""What a form promises: a small error, the same again when stored again, and nothing that hides a broken number."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from nemo_docs.kv.form import LARGEST_CODE, PLAIN, SMALLEST_SCALE, Int8, Rows
from tests.tiny import CPU

INT8 = Int8()
arithmetic = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
every_form = pytest.mark.parametrize("form", [PLAIN, INT8], ids=["plain", "int8"])

numbers = st.floats(-(2.0**119), 2.0**119, width=32) | st.floats(-8, 8, width=32)
rows = st.integers(1, 9).flatmap(lambda size: st.lists(st.lists(numbers, min_size=size, max_size=size), min_size=1))


@example([[0.0, 1e-42, 3e-42]])
@given(rows)
def test_error_is_at_most_half_a_scale(values):
    x = torch.tensor(values)
    stored = INT8.store(x)
    error = (INT8.load(stored, torch.float32).double() - x.double()).abs()  # [T, D]
    assert (error <= 0.5 * (1 + 1e-6) * stored.scales.double().unsqueeze(-1)).all()


@given(rows)
def test_half_a_scale_is_a_254th_of_the_largest_number(values):
    x = torch.tensor(values).double()
    largest = x.abs().amax(-1)
    scales = INT8.store(x).scales.double()
    assert (scales <= (largest / LARGEST_CODE * (1 + 2**-8)).clamp(min=SMALLEST_SCALE)).all()


@given(rows)
def test_what_was_loaded_is_stored_as_it_was(values):
    once = INT8.store(torch.tensor(values))
    again = INT8.store(INT8.load(once, torch.float32))
    assert torch.equal(again.codes, once.codes)
    assert torch.equal(again.scales, once.scales)


@pytest.mark.parametrize("exponent", [-126, -20, 0, 1, 119])
def test_every_code_with_every_scale_is_stored_as_it_was(exponent):
    scales = ((torch.arange(128) + 128) / 128 * 2.0**exponent).bfloat16()  # all that there are of this size
    codes = torch.arange(-127, 128, dtype=torch.int8).expand(128, -1)
    again = INT8.store(INT8.load(Rows(codes, scales), torch.float32))
    assert torch.equal(again.scales, scales)
    assert torch.equal(again.codes, codes)


@given(rows, st.integers(0, 6))
def test_rows_are_stored_alone(values, cut):
    x = torch.tensor(values)
    together, first, rest = INT8.store(x), INT8.store(x[:cut]), INT8.store(x[cut:])
    assert torch.equal(together.codes, torch.cat((first.codes, rest.codes)))
    assert torch.equal(together.scales, torch.cat((first.scales, rest.scales)))


@every_form
@arithmetic
def test_zeros_stay_zeros(form, dtype):
    assert torch.equal(form.load(form.store(torch.zeros(3, 5)), dtype), torch.zeros(3, 5, dtype=dtype))


@every_form
@arithmetic
def test_an_outlier_beyond_half_precision_keeps_its_size(form, dtype):
    x = torch.tensor([[1e30, -2e30, 0.0, 3.0]])
    loaded = form.load(form.store(x), dtype).float()
    torch.testing.assert_close(loaded[0, :2], x[0, :2], rtol=0.01, atol=0)


@every_form
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_broken_number_is_not_hidden(form, broken):
    x = torch.ones(2, 4)
    x[0, 1] = broken
    loaded = form.load(form.store(x), torch.float32)
    assert not loaded[0].isfinite().all()
    assert loaded[1].isfinite().all()


@every_form
@arithmetic
def test_a_row_takes_the_bytes_it_says(form, dtype):
    held = form.empty(5, 7, 16, dtype=dtype, device=CPU)
    assert sum(t.nbytes for t in (held.codes, held.scales) if t is not None) == 5 * 7 * form.row_bytes(16, dtype)


def test_filling_takes_codes_and_scales():
    x = torch.randn(2, 6, 16)
    held = INT8.empty(2, 10, 16, dtype=torch.float32, device=CPU)
    held[:, 3:9].fill(INT8.store(x))
    assert torch.equal(INT8.load(held[:, 3:9], torch.float32), INT8.load(INT8.store(x), torch.float32))

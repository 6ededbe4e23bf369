"""The plan of memory: tables of machines, and laws that hold for all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.engine.footprint import stored
from nemo_docs.engine.memory_plan import Device, MemoryPlan, Size, Wishes
from nemo_docs.engine.planning import longest_window, plan_memory
from nemo_docs.errors import DoesNotFit, SettingsError
from nemo_docs.model.catalogue import entry_for
from nemo_docs.model.weights.base import expected_shapes
from tests.benchmarks.random_nemo import NEMO, TINY

GB = 10**9
SMOLLM2 = entry_for("smollm2").config
BIG, SMALL = Size(NEMO, 131_072), Size(SMOLLM2, 8_192)


def on_grids(size: Size, bits: float, output_bits: float) -> Size:
    """A model as a file keeps it on grids of these bits a weight."""
    shapes = {name: shape for name, shape in expected_shapes(size.config).items() if len(shape) == 2}
    grids = {
        name: int(rows * columns * (output_bits if name == "output.weight" else bits) / 8)
        for name, (rows, columns) in shapes.items()
    }
    return replace(size, stored=stored(size.config, grids))


FOUR_BITS, EIGHT_BITS = on_grids(BIG, 4.625, 8.5625), on_grids(BIG, 8.5, 8.5)
SMALL_ON_GRID = on_grids(SMALL, 5.0, 5.0)
ORDER = [
    (precision, kv, home)
    for precision in ("file", "fp32", "bf16", "fp8", "int8", "int4")
    for kv in ("full", "int8")
    for home in ("device", "host")
]


def card(gigabytes: float, *, fp8: bool = True) -> Device:
    return Device("cuda:0", "cuda", int(gigabytes * GB), has_fp8=fp8, host_bytes=32 * GB)


def processor(gigabytes: float, *, bf16: bool = True) -> Device:
    return Device("cpu", "cpu", int(gigabytes * GB), has_bf16=bf16)


def apple(gigabytes: float) -> Device:
    return Device("mps", "mps", int(gigabytes * GB))


def form(plan: MemoryPlan) -> tuple[str, str, str]:
    return plan.precision, plan.kv, plan.embedding


@pytest.mark.parametrize(
    ("device", "at_16k", "at_128k"),
    [
        (card(80), ("bf16", "full", "device"), ("bf16", "int8", "device")),
        (card(46.5), ("bf16", "full", "device"), ("bf16", "int8", "device")),
        (card(40), ("bf16", "full", "device"), ("bf16", "int8", "device")),
        (card(40, fp8=False), ("bf16", "full", "device"), ("bf16", "int8", "device")),
        (card(32), ("bf16", "full", "device"), ("fp8", "int8", "device")),
        (card(32, fp8=False), ("bf16", "full", "device"), ("int8", "int8", "device")),
        (card(23.5), ("fp8", "full", "device"), ("int4", "int8", "device")),
        (card(23.5, fp8=False), ("int8", "full", "device"), ("int4", "int8", "device")),
        (card(15.6), ("fp8", "full", "host"), 78_000),
        (card(15.6, fp8=False), ("int8", "int8", "host"), 78_000),
        (card(11.7), ("int4", "full", "host"), 33_000),
        (card(7.8), None, None),
        (processor(60), ("bf16", "full", "device"), ("bf16", "int8", "device")),
        (processor(14.4), ("int4", "full", "device"), 60_000),
        (processor(16, bf16=False), ("int4", "full", "device"), 70_000),
        (processor(7), None, None),
        (apple(54), ("bf16", "full", "device"), ("bf16", "int8", "device")),
        (apple(24), ("int8", "full", "device"), ("int4", "int8", "device")),
        (apple(11.4), ("int4", "int8", "device"), 17_000),
        (apple(8), None, None),
    ],
    ids=lambda each: f"{each.name}-{each.free_bytes / GB:g}" if isinstance(each, Device) else "",
)
def test_each_machine_gets_its_best(
    device: Device, at_16k: tuple[str, ...] | None, at_128k: tuple[str, ...] | int | None
) -> None:
    """A number stands for a window that does not fit: at least so many tokens do, and the refusal says so."""
    for tokens, expected in ((16_384, at_16k), (131_072, at_128k)):
        if isinstance(expected, tuple):
            assert form(plan_memory(BIG, device, tokens)) == expected
            continue
        with pytest.raises(DoesNotFit, match=rf"{tokens:,} tokens .* {device.free_bytes / GB:.1f} GB free") as refused:
            plan_memory(BIG, device, tokens)
        longest = longest_window(BIG, device)
        if expected is None:
            assert longest is None
            assert "No window of this model would fit" in refused.value.hint
        else:
            assert longest is not None
            assert expected <= longest.window_tokens < tokens
            assert f"--window {longest.window_tokens} --precision {longest.precision}" in refused.value.hint


def test_a_long_window_is_kept_in_eight_bits_unless_asked_otherwise() -> None:
    assert [plan_memory(BIG, card(80), tokens).kv for tokens in (32_768, 32_769)] == ["full", "int8"]
    assert plan_memory(BIG, card(80), 131_072, Wishes(kv="full")).kv == "full"


@pytest.mark.parametrize("device", [card(7.8), processor(7), processor(2), processor(2, bf16=False)])
def test_the_embedded_default_fits_small_machines_as_it_is(device: Device) -> None:
    plan = plan_memory(SMALL, device, 8_192)
    assert form(plan) == ("bf16" if device.has_bf16 else "fp32", "full", "device")


def test_a_file_on_a_grid_of_its_own_stays_on_it() -> None:
    for free in (80, 23.5):
        assert plan_memory(FOUR_BITS, card(free), 16_384).precision == "file"
    assert form(plan_memory(FOUR_BITS, card(23.5), 131_072)) == ("file", "int8", "device")
    with pytest.raises(DoesNotFit):
        plan_memory(FOUR_BITS, card(7.8), 16_384)
    plan = plan_memory(FOUR_BITS, processor(12), 4_096)
    assert plan.weights_bytes / NEMO.n_parameters * 8 == pytest.approx(4.625 + 0.055 * (8.5625 - 4.625), abs=0.02)


def test_nemo_from_a_four_bit_file_takes_less_than_ten_gigabytes_of_main_memory() -> None:
    assert plan_memory(FOUR_BITS, processor(10), 8_192).fits


def test_a_small_model_on_a_grid_is_kept_dense_as_well_where_that_costs_little() -> None:
    rich, poor = (plan_memory(SMALL_ON_GRID, processor(free), 4_096) for free in (16, 2))
    assert (rich.keeps_dense, poor.keeps_dense) == (True, False)
    assert rich.weights_bytes - poor.weights_bytes == 2 * SMOLLM2.n_parameters


def test_a_file_without_a_grid_is_kept_dense() -> None:
    assert plan_memory(BIG, card(80), 4_096, Wishes("file")).precision == "bf16"
    assert plan_memory(SMALL, processor(8, bf16=False), 4_096, Wishes("file")).precision == "fp32"


def test_a_file_that_another_way_would_fit_says_so() -> None:
    """Eight bits in the file and a card for four: nothing is rounded again unasked, but the way is named."""
    with pytest.raises(DoesNotFit) as refused:
        plan_memory(EIGHT_BITS, card(12), 16_384)
    assert "the same window --precision int4 --kv full" in refused.value.hint


def test_weights_and_cache_are_those_of_the_model() -> None:
    plan = plan_memory(BIG, card(80), 131_072, Wishes(kv="full"))
    assert plan.weights_bytes == 2 * NEMO.n_parameters == 24_495_564_800
    assert plan.kv_bytes == 20 * 1024**3
    assert plan_memory(BIG, card(80), 131_072, Wishes(kv="int8")).kv_bytes == 2 * 40 * 8 * 130 * 131_072
    small = plan_memory(SMALL, processor(8), 8_192, Wishes("fp32"))
    assert small.weights_bytes == 4 * SMOLLM2.n_parameters


def test_the_sum_of_the_items_is_the_total() -> None:
    plan = plan_memory(BIG, card(80), 16_384)
    assert sum(item.n_bytes for item in plan.items) == plan.total_bytes
    assert {"weights", "kv", "activations", "libraries", "pool", "margin"} <= {item.name for item in plan.items}


def test_attention_on_an_apple_gpu_takes_no_more_however_long_the_past() -> None:
    """What grows is the cache, and the table of positions."""
    short, long = (plan_memory(BIG, apple(60), tokens, Wishes(kv="full")) for tokens in (16_384, 131_072))
    assert short.workspace[0] == long.workspace[0]
    assert short.workspace[0].name == "activations"


def test_why_names_the_next_better_way() -> None:
    way = "bf16 with 8-bit KV, in small chunks"
    assert plan_memory(BIG, card(28), 32_768).why.startswith(f"{way} needs 28.")
    assert plan_memory(BIG, card(80), 131_072).why == ""


def test_a_card_that_is_short_of_memory_reads_in_small_chunks() -> None:
    assert [plan_memory(BIG, card(free), 131_072, Wishes(kv="full")).chunk_tokens for free in (80, 47.2)] == [
        8_192,
        2_048,
    ]


def test_the_embedding_stays_on_the_device_where_main_memory_cannot_hold_it() -> None:
    assert form(plan_memory(BIG, card(15.6), 16_384)) == ("fp8", "full", "host")
    assert form(plan_memory(BIG, replace(card(15.6), host_bytes=GB // 2), 16_384)) == ("fp8", "int8", "device")


@pytest.mark.parametrize(
    ("size", "device", "wishes", "said"),
    [
        (BIG, card(80, fp8=False), Wishes("fp8"), "does not multiply fp8"),
        (BIG, processor(80), Wishes("fp8"), "cpu does not multiply fp8"),
    ],
)
def test_a_wish_that_can_never_be_followed_is_refused(size: Size, device: Device, wishes: Wishes, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        plan_memory(size, device, 4_096, wishes)


def test_a_wish_that_does_not_fit_is_refused_with_what_would() -> None:
    with pytest.raises(DoesNotFit, match=r"131,072 tokens \(bf16 with bf16 KV") as refused:
        plan_memory(BIG, card(40), 131_072, Wishes("bf16", "full"))
    assert "the same window --kv int8" in refused.value.hint
    assert "--window 9" in refused.value.hint


sizes = st.sampled_from([BIG, SMALL, FOUR_BITS, SMALL_ON_GRID, Size(TINY, 131_072)])
devices = st.builds(
    Device,
    st.just("there"),
    st.sampled_from(["cpu", "mps", "cuda"]),
    st.integers(0, 100 * GB),
    has_bf16=st.booleans(),
    has_fp8=st.booleans(),
    host_bytes=st.integers(-GB, 40 * GB),
).filter(lambda device: device.kind == "cuda" or not device.has_fp8)
windows = st.integers(1, 131_072)
wishes = st.builds(
    Wishes,
    st.sampled_from(["auto", "auto", "auto", "fp32", "bf16", "fp8", "int8", "int4", "file"]),
    st.sampled_from(["auto", "full", "int8"]),
    st.none() | st.integers(0, 200 * GB),
)


def planned(size: Size, device: Device, tokens: int, wished: Wishes) -> MemoryPlan | None:
    try:
        return plan_memory(size, device, tokens, wished)
    except (SettingsError, DoesNotFit):
        return None


@given(sizes, devices, windows, wishes)
def test_a_plan_takes_no_more_than_is_free_and_does_what_was_asked(
    size: Size, device: Device, tokens: int, wished: Wishes
) -> None:
    plan = planned(size, device, tokens, wished)
    if plan is None:
        return
    assert plan.total_bytes <= device.free_bytes
    assert plan.host_bytes <= max(0, device.host_bytes)
    assert plan.window_tokens == tokens
    assert wished.precision in ("auto", "file", plan.precision)
    assert wished.kv in ("auto", plan.kv)
    assert plan.caches_bytes <= (plan.caches_bytes if wished.kv_memory is None else wished.kv_memory)
    assert plan.embedding == "device" or device.kind == "cuda"


@given(sizes, devices, windows, wishes, st.integers(0, 50 * GB))
def test_more_memory_never_gives_a_worse_plan(
    size: Size, device: Device, tokens: int, wished: Wishes, more: int
) -> None:
    less = planned(size, device, tokens, wished)
    if less is None:
        return
    rich = planned(size, replace(device, free_bytes=device.free_bytes + more), tokens, wished)
    assert rich is not None
    assert ORDER.index(form(rich)) <= ORDER.index(form(less))
    if form(rich) == form(less):
        assert (rich.chunk_tokens, rich.keeps_dense, rich.caches_bytes) >= (
            less.chunk_tokens,
            less.keeps_dense,
            less.caches_bytes,
        )


@given(sizes, devices, wishes)
def test_the_longest_window_fits_and_a_longer_one_does_not(size: Size, device: Device, wished: Wishes) -> None:
    if planned(size, device, 512, wished) is None:
        return
    longest = longest_window(size, device, wished)
    assert longest is not None
    assert planned(size, device, longest.window_tokens, wished) == replace(
        longest, why=plan_memory(size, device, longest.window_tokens, wished).why
    )
    if longest.window_tokens < size.window_tokens:
        assert planned(size, device, longest.window_tokens + 256, wished) is None

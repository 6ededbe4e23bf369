"""A model is placed by what torch says of this machine, before anything is allocated."""

from __future__ import annotations

import pytest

from nemo_docs.engine.memory_plan import Size, Wishes
from nemo_docs.engine.placing import place
from nemo_docs.errors import DoesNotFit, SettingsError
from tests.tiny import TINY

ANY = Size(TINY, 10**12)


def test_the_cache_of_one_window_must_fit_beside_the_weights() -> None:
    assert place(ANY, window_tokens=1, device="cpu").device == "cpu"
    with pytest.raises(DoesNotFit, match="1,000,000,000,000 tokens"):
        place(ANY, window_tokens=10**12, device="cpu")


def test_what_the_user_grants_recent_caches_is_theirs() -> None:
    assert place(ANY, window_tokens=1, device="cpu", wishes=Wishes(kv_memory=12_345)).caches_bytes == 12_345


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_that_was_asked_for_is_taken(precision: str) -> None:
    plan = place(ANY, window_tokens=1, device="cpu", wishes=Wishes(precision))
    assert (plan.precision, plan.arithmetic) == (precision, precision)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="cuda:99"):
        place(ANY, window_tokens=1, device="cuda:99")

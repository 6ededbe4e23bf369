"""A seed depends on every single thing that could change a number."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import pytest

from nemo_docs.kv.chain import block_plan, chain
from nemo_docs.kv.identity import Identity
from tests.unit.kv.stored import IDENTITY, blocks_of, fill, open_store


def changed(name: str) -> Identity:
    value = getattr(IDENTITY, name)
    return replace(IDENTITY, **{name: value + 1 if isinstance(value, int) else value + "x"})


@pytest.mark.parametrize("name", [field.name for field in fields(Identity)])
def test_any_field_changed_alone_finds_nothing_that_was_stored(name, tmp_path):
    ids = list(range(300))
    keys = fill(open_store(tmp_path / "kv"), blocks_of(ids, [300]))
    other = open_store(tmp_path / "kv", changed(name))
    wanted = chain(other.seed, ids, block_plan([300]))
    assert not set(keys) & set(wanted)
    assert other.held(wanted) == other.held(keys) == 0
    assert open_store(tmp_path / "kv").held(keys) == 2


def test_a_value_cannot_pass_from_one_field_to_the_next():
    assert replace(IDENTITY, weights="ab", adapter="c").seed != replace(IDENTITY, weights="a", adapter="bc").seed


def test_an_identity_is_read_back_from_its_fields_alone():
    said = {**asdict(IDENTITY), "asks": ["default"]}
    assert Identity.from_fields(said) == IDENTITY
    for name in asdict(IDENTITY):
        assert Identity.from_fields({key: value for key, value in said.items() if key != name}) is None
        assert Identity.from_fields({**said, name: [1]}) is None

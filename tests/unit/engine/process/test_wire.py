"""Messages survive the socket unchanged, and nothing else is taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.engine import protocol
from nemo_docs.engine.memory_plan import Item, MemoryPlan
from nemo_docs.engine.process import wire
from nemo_docs.engine.spec import ModelSpec

ids = st.lists(st.integers(0, 131_071), max_size=5).map(tuple)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
steps = st.one_of(
    st.builds(protocol.Force, ids),
    st.builds(protocol.Free, st.integers(1, 99), ids, st.builds(protocol.Bans, ids, ids, ids)),
    st.builds(
        protocol.Copy,
        ids,
        st.lists(st.builds(protocol.Start, st.integers(0, 9), numbers), max_size=3).map(tuple),
        ids,
        max_tokens=st.integers(1, 99),
        model_weight=numbers,
    ),
    st.builds(
        protocol.Choose,
        st.lists(st.builds(protocol.Option, ids, numbers, st.none() | st.integers(0, 9)), max_size=3).map(tuple),
    ),
)
prompts = st.lists(ids, max_size=3).map(tuple)
behind = st.none() | st.builds(protocol.Windows, prompts, st.lists(prompts, max_size=3).map(tuple), numbers)
plain = st.builds(protocol.Request, prompts, st.lists(steps, max_size=4).map(tuple), behind=behind)
requests = st.one_of(
    plain,
    st.builds(protocol.ScoreRequest, prompts, prompts, st.integers(0, 9), behind),
    st.builds(protocol.BatchRequest, st.lists(plain, max_size=3).map(tuple)),
)
specs = st.builds(ModelSpec, st.text(), st.integers(1, 999), kv_memory=st.none() | st.integers(0, 2**50))
one = st.one_of(
    st.builds(protocol.Prefilled, st.integers(), st.integers(), st.integers(), st.none() | numbers),
    st.builds(protocol.Token, st.integers(), st.integers(), st.none() | st.integers()),
    st.builds(protocol.Scored, st.lists(numbers).map(tuple)),
    st.builds(protocol.StepEnded, st.integers(), st.text(), st.none() | st.integers()),
)
events = one | st.builds(protocol.OfOne, st.integers(), one)


@given(
    st.one_of(st.builds(wire.Run, specs, requests), st.builds(wire.Look, specs, prompts), st.builds(wire.Load, specs))
)
def test_what_a_client_says_arrives_as_it_was(message: wire.FromClient) -> None:
    assert wire.decode(wire.encode(message), type(message)) == message


plans = st.builds(
    MemoryPlan,
    *[st.text()] * 6,
    *[st.integers()] * 2,
    st.booleans(),
    *[st.integers()] * 2,
    st.lists(st.builds(Item, st.text(), st.integers()), max_size=3).map(tuple),
    *[st.integers()] * 4,
)


@given(
    st.builds(
        wire.Status,
        st.integers(),
        numbers,
        st.none() | specs,
        st.text(),
        st.text(),
        st.none() | plans,
        *[st.integers()] * 5,
        *[numbers] * 2,
    )
)
def test_how_the_engine_is_arrives_as_it_was(message: wire.Status) -> None:
    assert wire.decode(wire.encode(message), wire.Status) == message


@given(st.builds(wire.Happened, events))
def test_what_the_engine_says_arrives_as_it_was(message: wire.Happened) -> None:
    assert wire.decode(wire.encode(message), wire.Happened) == message


@given(
    st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(data, wire.Run | wire.Cancel)


@pytest.mark.parametrize(
    "message",
    [
        {"v": 2, "message": {"is": "Cancel"}},
        {"v": 1, "message": {"is": "Popen", "args": ["true"]}},
        {"v": 1, "message": {"is": "Done"}},
        {"v": 1, "message": {"is": "Cancel", "more": 1}},
        {"v": 1, "message": {"is": ["Cancel"]}},
        {"v": 1, "message": {"is": "Run"}},
    ],
)
def test_other_versions_kinds_and_fields_are_refused(message: dict[str, Any]) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(json.dumps(message).encode(), wire.Run | wire.Cancel)

"""A real engine process for each test, on the tiny random model, ended with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nemo_docs.engine.process.link import Link
from nemo_docs.engine.process.shared import SharedEngine
from nemo_docs.engine.spec import ModelSpec


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def spec(tiny_folder: Path) -> ModelSpec:
    return ModelSpec(str(tiny_folder), window_tokens=32_768, device="cpu", precision="fp32", threads=1)


@pytest.fixture
def new_link(state: Path) -> Iterator[Callable[[], Link]]:
    """Links as faces of their own would have them."""
    yield lambda: Link(state, idle_s=120.0)
    Link(state, idle_s=120.0).stop()


@pytest.fixture
def link(new_link: Callable[[], Link]) -> Link:
    return new_link()


@pytest.fixture
def engine(spec: ModelSpec, link: Link) -> SharedEngine:
    return SharedEngine(spec, link)

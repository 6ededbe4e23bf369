"""The command line as a user meets it: arguments in; stdout, stderr and an exit code out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nemo_docs.cli import run


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every line of stdout as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


NemoDocs = Callable[..., Result]


@pytest.fixture
def nemo_docs(capfd: pytest.CaptureFixture[str]) -> NemoDocs:
    """Run one command in this process."""

    def call(*arguments: str | Path) -> Result:
        capfd.readouterr()
        code = run([str(each) for each in arguments])
        return Result(code, *capfd.readouterr())

    return call


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text document and return its path."""

    def make(name: str, text: str) -> Path:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return file

    return make

"""The command line as a user meets it: arguments in; stdout, stderr and an exit code out."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nemo_docs.cli import run
from nemo_docs.commands import machine_check


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every line of stdout as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


NemoDocs = Callable[..., Result]
Pipe = Callable[..., Result]
HomeWith = Callable[[Mapping[str, str]], Path]


@pytest.fixture(scope="session", autouse=True)
def torch_is_asked_once() -> Iterator[None]:
    """What torch says to `doctor`, in a process of its own that takes seconds, changes with its surroundings alone."""
    ask = machine_check.torch
    answers = cache(lambda wanted, *surroundings: ask(wanted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine_check, "torch", lambda wanted: answers(wanted, os.getcwd(), os.environ.get("PYTHONPATH")))
        yield


@pytest.fixture
def nemo_docs(capfd: pytest.CaptureFixture[str]) -> NemoDocs:
    """Run one command in this process."""

    def call(*arguments: str | Path) -> Result:
        capfd.readouterr()
        code = run([str(each) for each in arguments])
        return Result(code, *capfd.readouterr())

    return call


@pytest.fixture
def pipe(nemo_docs: NemoDocs, monkeypatch: pytest.MonkeyPatch) -> Pipe:
    """Run a command with these bytes on standard input."""

    def call(content: bytes | str, *arguments: str | Path) -> Result:
        data = content.encode() if isinstance(content, str) else content
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        return nemo_docs(*arguments)

    return call


@pytest.fixture(scope="session")
def home_with(tmp_path_factory: pytest.TempPathFactory) -> HomeWith:
    """Make a home whose library holds these texts, by their names: for tests that only read it."""

    def make(texts: Mapping[str, str]) -> Path:
        folder = tmp_path_factory.mktemp("made")
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NEMO_DOCS_HOME", str(folder / "home"))
            assert run(["add", *(str(folder / name) for name in texts)]) == 0
        return folder / "home"

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text document and return its path."""

    def make(name: str, text: str) -> Path:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return file

    return make

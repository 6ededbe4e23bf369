"""Who imports what, proved in processes of their own: module names, never milliseconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "textual", "sqlite_utils", "tomlkit", "pypdf", "huggingface_hub", "transformers", "numpy"}

RUN = """
import json, sys
from nemo_docs.cli import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""

NUMBERS_ALONE = """
import importlib, pkgutil, sys
from importlib import metadata

from packaging.requirements import Requirement

allowed, queue = set(), ["torch", "numpy", "safetensors"]
while queue:
    name = queue.pop().lower().replace("_", "-")
    if name not in allowed:
        allowed.add(name)
        try:
            wanted = map(Requirement, metadata.requires(name) or ())
        except metadata.PackageNotFoundError:
            continue
        queue += [each.name for each in wanted if not each.marker or each.marker.evaluate({"extra": ""})]
installed = metadata.packages_distributions()

class Refuse:
    def find_spec(self, name, path=None, target=None):
        owners = {owner.lower().replace("_", "-") for owner in installed.get(name, ())}
        if owners and not owners & allowed and name != "nemo_docs":
            raise ImportError(f"{name} is not torch, numpy or safetensors")

import torch, numpy, safetensors
sys.meta_path.insert(0, Refuse())
for room in sys.argv[1:]:
    package = importlib.import_module(room)
    for module in pkgutil.walk_packages(package.__path__, room + "."):
        importlib.import_module(module.name)
print("done")
"""

SIDE_EFFECTS = """
import importlib, os, pkgutil, sys
import nemo_docs

def watch(event, arguments):
    written = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if written or event in {"socket.connect", "socket.bind", "os.mkdir", "sqlite3.connect", "subprocess.Popen"}:
        print("while importing", name, event, arguments, file=sys.stderr)

import numpy, torch
name = ""
sys.addaudithook(watch)
for module in pkgutil.walk_packages(nemo_docs.__path__, "nemo_docs."):
    name = module.name
    importlib.import_module(name)
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one document, only read here."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "lease.txt").write_text("The rent is due on the first day of each month.\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEMO_DOCS_HOME", str(folder / "home"))
        done = python(RUN, "add", str(folder / "lease.txt"))
    assert json.loads(done.stderr.splitlines()[-1])[0] == 0, done.stderr
    return folder / "home"


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("show", "a"), ("show", "a:1"), ("pages", "a"), ("search", "rent"), ("--help",), ("config",)],
)
def test_light_commands_import_nothing_heavy(
    library: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMO_DOCS_HOME", str(library))
    code, modules = json.loads(python(RUN, *arguments).stderr.splitlines()[-1])
    assert code == 0
    assert not HEAVY & set(modules)


def test_model_cache_and_engine_import_with_torch_numpy_and_safetensors_alone() -> None:
    done = python(NUMBERS_ALONE, "nemo_docs.kv", "nemo_docs.model", "nemo_docs.engine")
    assert done.stdout == "done\n", done.stderr


def test_importing_writes_nothing_and_calls_nobody(home: Path) -> None:
    done = python(SIDE_EFFECTS)
    assert (done.returncode, done.stderr) == (0, "")
    assert not home.exists()

"""What a machine has, told without torch, is what torch says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nemo_docs.engine import machine
from nemo_docs.engine.loading import expected_plan, load_engine
from nemo_docs.engine.machine import container_room, expected_device, processor_has_bf16
from nemo_docs.engine.placing import describe
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.model.folder import ModelFiles


def test_files_that_lie_idle_in_a_containers_memory_are_room(tmp_path: Path) -> None:
    """A container that had read a model's file was said to be full of it."""
    (tmp_path / "memory.max").write_text("16000\n")
    (tmp_path / "memory.current").write_text("15000\n")
    (tmp_path / "memory.stat").write_text("anon 3000\nfile 12000\ninactive_file 11000\nactive_file 1000\n")
    assert container_room(tmp_path) == 12_000


@pytest.mark.parametrize("limit", ["max\n", ""])
def test_without_a_containers_limit_there_is_no_bound(tmp_path: Path, limit: str) -> None:
    (tmp_path / "memory.max").write_text(limit)
    assert container_room(tmp_path / "absent") == container_room(tmp_path) > 10**15


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the processor's flags are not looked up")
def test_the_processor_is_what_torch_takes_it_for() -> None:
    assert processor_has_bf16() == torch.ops.mkldnn._is_mkldnn_bf16_supported()
    expected, found = expected_device("cpu"), describe(torch.device("cpu"))
    assert expected is not None
    assert (expected.name, expected.kind, expected.has_bf16) == (found.name, found.kind, found.has_bf16)
    assert expected.free_bytes == pytest.approx(found.free_bytes, rel=0.2)


@pytest.mark.parametrize(
    ("flags", "has"), [("fpu avx2", False), ("avx512bw avx512vl avx512dq", True), ("fp asimd bf16", True), ("", False)]
)
def test_flags_of_processors(tmp_path: Path, flags: str, has: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    assert processor_has_bf16(tmp_path / "cpuinfo") == has
    assert not processor_has_bf16(tmp_path / "absent")


@pytest.mark.skipif(sys.platform == "win32", reason="the tool is a shell script here")
def test_gpus_are_those_that_nvidias_tool_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '23500, 8.9'\necho '15000, 8.6'\n")
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    if torch.version.cuda is None:
        assert expected_device("cuda") is None, "a torch without CUDA has no use for them"
        monkeypatch.setattr(machine, "_torch_has_cuda", lambda: True)
    first, second = expected_device("auto"), expected_device("cuda:1")
    assert first is not None
    assert second is not None
    assert (first.name, first.free_bytes, first.has_fp8) == ("cuda:0", 23_500 * 1024**2, True)
    assert (second.name, second.has_fp8) == ("cuda:1", False)
    assert expected_device("cuda:2") is None
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert expected_device("cuda") is None


def test_what_is_expected_is_what_is_loaded(tiny_folder: Path) -> None:
    spec = ModelSpec(str(tiny_folder), window_tokens=4_096, device="cpu", threads=1, kv_memory=10**7)
    expected, loaded = expected_plan(ModelFiles(tiny_folder), spec), load_engine(spec).plan
    assert expected is not None
    assert loaded is not None
    assert (expected.way, expected.items) == (loaded.way, loaded.items)


def test_a_plan_is_made_without_torch(tiny_folder: Path) -> None:
    code = """
import sys
from pathlib import Path
from nemo_docs.engine.loading import expected_plan
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.model.folder import ModelFiles
plan = expected_plan(ModelFiles(Path(sys.argv[1])), ModelSpec(sys.argv[1], 4096))
print(plan.way, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tiny_folder)], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"

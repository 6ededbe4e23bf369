"""What every test shares: a home of its own, and the models of the machine.

No test sees the user's library or settings. Models are shared, since a test only reads them.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_docs import settings
from tests.properties import load_profile

load_profile()
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # several test processes at once: their threads would spin on each other
# Kernels run on the CPU where there is no GPU; said before anything imports Triton.
os.environ.setdefault("TRITON_INTERPRET", "0" if Path("/dev/nvidia0").exists() else "1")
_MODELS = Path(os.environ.get("NEMO_DOCS_TEST_MODELS") or settings.load().paths.models)  # before any test has a home
if (_MODELS / settings.Settings().model).is_dir():
    os.environ["NEMO_DOCS_TEST_MODELS"] = str(_MODELS)
_DATA = Path(os.environ.get("NEMO_DOCS_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """No test calls anybody: `Private, provably` is a promise."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
        if not host.startswith("127.") and host not in {"::1", "localhost"}:
            raise AssertionError(f"a test called {host}")


sys.addaudithook(_refuse_network)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for settings, library and logs, for this process and those it starts."""
    for name in settings.names():
        monkeypatch.delenv(f"NEMO_DOCS_{name.upper()}", raising=False)
    folder = tmp_path / "home"
    monkeypatch.setenv("NEMO_DOCS_HOME", str(folder))
    monkeypatch.setenv("NEMO_DOCS_IN_PROCESS", "true")  # else every test would start an engine of its own
    return folder


@pytest.fixture(scope="session", autouse=True)
def vocabulary_is_read_once() -> Iterator[None]:
    """NeMo's vocabulary takes half a second to read, and nothing changes it: equal files share what was read of one."""
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    read, known = Tekkenizer.from_file, dict[bytes, Tekkenizer]()

    def from_file(path: str | Path) -> Tekkenizer:
        content = hashlib.sha256(Path(path).read_bytes()).digest()
        if content not in known:
            known[content] = read(path)
        return known[content]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tekkenizer, "from_file", from_file)
        yield


@pytest.fixture(scope="session")
def default_model() -> Path:
    """Folder of the embedded default; `make test` has always fetched it."""
    folder = _MODELS / settings.Settings().model
    if not folder.is_dir():
        pytest.skip(f"the default model is not at {folder}: run `nemo-docs model pull smollm2`")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model on disk with NeMo's own vocabulary and prompt format: every part is real, only small."""
    from tests.tiny import write_tiny_nemo

    return write_tiny_nemo(tmp_path_factory.mktemp("tiny-nemo"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real documents that stands beside the checkout."""
    if not _DATA.is_dir():
        pytest.skip(f"there are no test documents at {_DATA}: set NEMO_DOCS_TEST_DATA")
    return _DATA

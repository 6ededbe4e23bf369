"""What all tests share: a private home, and the test data where it lies beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("NEMO_DOCS_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def data_dir() -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("NEMO_DOCS_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set NEMO_DOCS_TEST_DATA to have this test")
    return folder

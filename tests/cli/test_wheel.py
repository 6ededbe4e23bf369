"""The built wheel, without the checkout: what a user installs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_installed_wheel_has_samples_licence_and_types_and_works_on_its_own(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, CHECKOUT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("nemo_docs-*.whl")
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True, capture_output=True)
    assert (site / "nemo_docs" / "py.typed").is_file()
    assert [*site.glob("nemo_docs-*.dist-info/licenses/LICENSE")]

    def installed(*arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(site)}
        command = [sys.executable, "-m", "nemo_docs", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment).stdout

    installed("add", "--samples")
    languages = {json.loads(line)["language"] for line in installed("list", "--json").splitlines()}
    assert languages == {"en", "fr", "de", "es", "it", "pt", "zh", "ja", "ko", "ar", "hi"}

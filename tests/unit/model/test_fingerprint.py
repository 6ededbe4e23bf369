from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.weights.fingerprint import FingerprintCache

from .layouts import Layouts

LONG_AGO = (1_600_000_000, 1_600_000_000)


def old_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, LONG_AGO)
    return path


def test_digest_is_the_contents_sha256_and_is_remembered_privately(tmp_path: Path) -> None:
    file = old_file(tmp_path / "weights", b"abc")
    cache = FingerprintCache(tmp_path / "cache")
    assert cache.sha256(file) == cache.sha256(file) == hashlib.sha256(b"abc").hexdigest()
    written = tmp_path / "cache" / "fingerprints.json"
    assert str(file) in written.read_text()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_remembered_digest_is_used_without_reading_the_file(tmp_path: Path) -> None:
    file = old_file(tmp_path / "weights", b"abc")
    cache = FingerprintCache(tmp_path / "cache")
    true = cache.sha256(file)
    written = tmp_path / "cache" / "fingerprints.json"
    written.write_text(written.read_text().replace(true, "0" * 64))
    assert cache.sha256(file) == "0" * 64


def test_changed_content_of_equal_size_and_time_is_noticed(tmp_path: Path) -> None:
    file = old_file(tmp_path / "weights", b"abc")
    cache = FingerprintCache(tmp_path / "cache")
    cache.sha256(file)
    old_file(file, b"abd")
    assert cache.sha256(file) == hashlib.sha256(b"abd").hexdigest()


def test_file_that_was_just_written_is_not_remembered(tmp_path: Path) -> None:
    """A second write within one tick of the clock would leave size and times as they are."""
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    FingerprintCache(tmp_path / "cache").sha256(file)
    assert not (tmp_path / "cache" / "fingerprints.json").exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"x": 1}'])
def test_damaged_memory_costs_time_only(damage: str, tmp_path: Path) -> None:
    file = old_file(tmp_path / "weights", b"abc")
    (tmp_path / "fingerprints.json").write_text(damage)
    assert FingerprintCache(tmp_path).sha256(file) == hashlib.sha256(b"abc").hexdigest()


def test_fingerprint_covers_every_shard(tmp_path: Path, tiny_layouts: Layouts) -> None:
    import shutil

    path = Path(shutil.copytree(tiny_layouts["sharded"], tmp_path / "m"))
    before = ModelFiles(path).weights.fingerprint()
    shard = path / "model-00002-of-00003.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    assert ModelFiles(path).weights.fingerprint() != before


def test_fingerprint_of_one_file_is_its_sha256(tiny_layouts: Layouts, tmp_path: Path) -> None:
    weights = ModelFiles(tiny_layouts["gguf"], cache_dir=tmp_path).weights
    assert weights.fingerprint() == hashlib.sha256(tiny_layouts["gguf"].read_bytes()).hexdigest()

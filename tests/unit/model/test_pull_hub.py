"""The hub's client against a hub on this machine, which speaks the few requests that a fetch needs."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from nemo_docs.model.catalogue import CATALOGUE
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.folder import open_model
from nemo_docs.model.pull import is_whole
from nemo_docs.model.tokenizers.tekken import bundled_nemo
from nemo_docs.model.weights.base import expected_shapes

from .layouts import write_native
from .test_pull import pull_nemo

pytestmark = pytest.mark.slow

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "mistralai/Mistral-Nemo-Instruct-2407"


@dataclass
class Hub:
    """What the hub has, how it answers, and what it was asked."""

    folder: Path
    endpoint: str = ""
    refuse_downloads: int = 0
    """HTTP status with which files are refused; 0 to serve them."""
    lie_about: str = ""
    """File whose content is not what the hub's own record says."""
    cut_after: int = 0
    """Bytes of a file after which the connection is dropped; 0 never."""
    ranges: list[str] = field(default_factory=list)
    """Range headers that were asked for."""

    @property
    def environment(self) -> dict[str, str]:
        home = str(self.folder.parent / "hf-home")
        return {"HF_ENDPOINT": self.endpoint, "HF_HOME": home, "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}

    def record(self, name: str) -> dict[str, object]:
        content = (self.folder / name).read_bytes()
        if name == self.lie_about:
            content = content[:-1] + bytes([content[-1] ^ 1])
        git_id = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        row: dict[str, object] = {"type": "file", "path": name, "size": len(content), "oid": git_id}
        if name != "params.json":
            sha256 = hashlib.sha256(content).hexdigest()
            row["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
        return row


def handler_for(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            rows = [hub.record(name) for name in ("params.json", "tekken.json", "consolidated.safetensors")]
            self.answer(200, json.dumps(rows).encode(), {"Content-Type": "application/json"})

        def do_GET(self) -> None:
            if self.path.startswith("/api/models/"):
                body = json.dumps({"id": REPOSITORY, "sha": COMMIT, "siblings": []}).encode()
                return self.answer(200, body, {"Content-Type": "application/json"})
            return self.file()

        def do_HEAD(self) -> None:
            self.file()

        def file(self) -> None:
            if hub.refuse_downloads:
                headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."}
                return self.answer(hub.refuse_downloads, b"", headers)
            name = self.path.rsplit("/", 1)[1]
            content = (hub.folder / name).read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            wanted = self.headers.get("Range")
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            if wanted and self.command == "GET":
                hub.ranges.append(f"{name} {wanted}")
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            if hub.cut_after and self.command == "GET" and name == "consolidated.safetensors" and not start:
                self.send_response(200)
                for key, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(content[: hub.cut_after])
                self.wfile.flush()
                self.close_connection = True
                return None
            return self.answer(206 if wanted and self.command == "GET" else 200, content[start:], headers)

    return Handler


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub with a very small NeMo: Mistral's three files, the vocabulary being the real one."""
    config = ModelConfig(
        dim=8, n_layers=1, head_dim=4, hidden_dim=16, n_heads=4, n_kv_heads=1, norm_eps=1e-5, vocab_size=131072,
        rope_theta=1e6, tied=False,
    )  # fmt: skip
    tensors = {name: torch.ones(shape) for name, shape in expected_shapes(config).items()}
    folder = write_native(tmp_path / "hub", config, tensors)
    shutil.copy(bundled_nemo(), folder / "tekken.json")
    hub = Hub(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(hub))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


def test_nemo_is_fetched_and_checked(hub: Hub, tmp_path: Path) -> None:
    models = tmp_path / "models"
    assert pull_nemo(models, hub.environment) == "done\n"
    assert is_whole(CATALOGUE["nemo"], models)
    files = open_model("nemo", models)
    assert (files.entry, files.template.name) == (CATALOGUE["nemo"], "v3-tekken")
    assert {path.name for path in files.path.iterdir()} == {
        "consolidated.safetensors",
        "nemo-docs.json",
        "params.json",
        "tekken.json",
    }


@pytest.mark.parametrize("file", ["params.json", "consolidated.safetensors"])
def test_file_that_is_not_what_the_hub_says_is_refused(file: str, hub: Hub, tmp_path: Path) -> None:
    hub.lie_about = file
    said = pull_nemo(tmp_path / "models", hub.environment)
    assert said.startswith(f"PullFailed {file} of {REPOSITORY} is not what the hub says it is.")
    assert not (tmp_path / "models" / "nemo").exists()
    hub.lie_about = ""
    assert pull_nemo(tmp_path / "models", hub.environment) == "done\n"


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_says_how_to_accept_the_licence(status: int, hub: Hub, tmp_path: Path) -> None:
    hub.refuse_downloads = status
    said = pull_nemo(tmp_path / "models", hub.environment)
    assert said.startswith("PullFailed The Hugging Face Hub does not give")
    assert "hf auth login" in said
    assert "HF_TOKEN" in said
    assert f"https://huggingface.co/{REPOSITORY}" in said


def test_killed_fetch_is_resumed_where_it_ended(hub: Hub, tmp_path: Path) -> None:
    models = tmp_path / "models"
    content = (hub.folder / "consolidated.safetensors").read_bytes()
    part = f"consolidated.safetensors.{hashlib.sha256(content).hexdigest()}.part"
    ready = models / ".pull-nemo" / "ready"
    ready.mkdir(parents=True)
    (ready / part).write_bytes(content[:3_000_000])
    (ready / "consolidated.safetensors.of-another-commit.part").write_bytes(b"x")
    assert pull_nemo(models, hub.environment) == "done\n"
    assert hub.ranges == ["consolidated.safetensors bytes=3000000-"]
    assert is_whole(CATALOGUE["nemo"], models)
    assert not list((models / "nemo").glob("*.part"))


def test_dropped_connection_keeps_what_came(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = 3_000_000
    said = pull_nemo(tmp_path / "models", hub.environment)
    assert said.startswith("PullFailed")
    assert "what was fetched is kept" in said
    assert (tmp_path / "models" / ".pull-nemo" / "ready" / "tekken.json").is_file()
    hub.cut_after = 0
    assert pull_nemo(tmp_path / "models", hub.environment) == "done\n"

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nemo_docs.backends.local import LocalBackend
from nemo_docs.engine.engine import Engine
from nemo_docs.engine.in_process import InProcessEngine
from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.tokenizers.base import Tokenizer
from nemo_docs.model.tokenizers.tekken import TekkenTokenizer, bundled_nemo
from nemo_docs.model.transformer import Transformer
from tests.tiny import CPU

OpenBackend = Callable[..., LocalBackend]


@pytest.fixture(scope="session")
def tekken() -> Tokenizer:
    return TekkenTokenizer(bundled_nemo())


@pytest.fixture(scope="session", params=["tekken", "byte-level"])
def tokenizer(request: pytest.FixtureRequest, tekken: Tokenizer) -> Tokenizer:
    """NeMo's tokenizer and the embedded default's, which lacks whole Chinese characters and a byte or two."""
    if request.param == "tekken":
        return tekken
    return ModelFiles(request.getfixturevalue("default_model")).tokenizer


@pytest.fixture(scope="session")
def open_backend(tiny_folder: Path) -> OpenBackend:
    """The tiny model behind the real engine, with windows as small as a test wants them."""
    files = ModelFiles(tiny_folder, name="tiny")
    tokenizer = files.tokenizer  # loading it takes a second
    model = Transformer(files.weights, device=CPU, dtype=torch.float32)

    def make(*, window: int = 8_192, effective: int = 4_096) -> LocalBackend:
        files = ModelFiles(tiny_folder, name="tiny")
        files.tokenizer = tokenizer
        files.window_tokens, files.effective_window_tokens = window, effective
        engine = Engine(model, window_tokens=window, chunk_tokens=64, pool_bytes=2**28)
        return LocalBackend(files, InProcessEngine(lambda _: engine))

    return make

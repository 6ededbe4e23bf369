"""From settings to a backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nemo_docs.backends.local import LocalBackend
from nemo_docs.backends.speed import Speed
from nemo_docs.engine.in_process import InProcessEngine
from nemo_docs.engine.loading import TokenEngine, load_engine
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.model.folder import ModelFiles, open_model
from nemo_docs.model.weights.random import RandomModel
from nemo_docs.settings import Settings


def open_backend(
    settings: Settings,
    *,
    models: Path,
    state: Path,
    kv: Path | None = None,
    on_layer: Callable[[int, int], None] = lambda done, of: None,
) -> LocalBackend:
    """The model that the settings name, opened and checked; its weights are loaded at the first request.

    Args:
        settings: Which model, where, in which precision, and whether in this process.
        models: The folder of models.
        state: Where the shared engine is found, and the speed of reading remembered.
        kv: Where what was read is kept beyond the engine's life; None for nowhere.
        on_layer: Told of progress while the weights are loaded; may raise to stop.

    Raises:
        ModelError: If the model is unknown, missing or damaged.
    """
    files = open_model(settings.model, models, adapter=settings.adapter)
    window = min(settings.window or files.effective_window_tokens, files.window_tokens)
    spec = model_spec(settings, files, window, kv)
    engine: TokenEngine
    if settings.in_process:
        engine = InProcessEngine(lambda told: load_engine(spec, told), on_layer)
    else:
        from nemo_docs.engine.process.link import Link
        from nemo_docs.engine.process.shared import SharedEngine

        engine = SharedEngine(spec, Link(state, settings.engine_idle), on_layer)
    way = f"{files.name} on {settings.device} in {settings.precision}, KV in {settings.kv}"
    return LocalBackend(files, engine, Speed(state / "speeds.json", way), spec)


def model_spec(
    settings: Settings, files: ModelFiles | RandomModel, window_tokens: int, kv: Path | None = None
) -> ModelSpec:
    """How the settings want a model to be run, for windows of so many tokens."""
    return ModelSpec(
        path=str(files.path.absolute()),
        window_tokens=window_tokens,
        device=settings.device,
        precision=settings.precision,
        kv=settings.kv,
        threads=settings.threads,
        kv_memory=settings.kv_memory,
        adapter=str(files.adapter.path.absolute()) if files.adapter else "",
        store="" if kv is None or settings.store_size == 0 else str(kv.absolute()),
        store_bytes=settings.store_size,
        store_floor=settings.store_floor,
        host_bytes=settings.host_memory,
    )

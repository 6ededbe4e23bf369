"""From settings to a backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nemo_docs.backends.local import LocalBackend
from nemo_docs.backends.speed import Speed
from nemo_docs.model.folder import open_model
from nemo_docs.settings import Settings

if TYPE_CHECKING:
    from nemo_docs.engine.engine import Engine


def open_backend(
    settings: Settings,
    *,
    models: Path,
    state: Path,
    on_layer: Callable[[int, int], None] = lambda done, of: None,
) -> LocalBackend:
    """The model that the settings name, opened and checked; its weights are loaded at the first request.

    Args:
        settings: Which model, where, and in which precision.
        models: The folder of models.
        state: Where the speed of reading is remembered.
        on_layer: Told of progress while the weights are loaded; may raise to stop.

    Raises:
        ModelError: If the model is unknown, missing or damaged.
        SettingsError: If this machine has no such device.
    """
    from nemo_docs.engine.placing import choose_device, choose_dtype

    files = open_model(settings.model, models)
    device = choose_device(settings.device)
    precision = str(choose_dtype(device, settings.precision)).removeprefix("torch.")

    def load() -> Engine:
        import torch

        from nemo_docs.engine.engine import Engine
        from nemo_docs.engine.placing import place
        from nemo_docs.model.transformer import Transformer

        if settings.threads:
            torch.set_num_threads(settings.threads)
        where = place(
            files.config,
            window_tokens=min(settings.window or files.effective_window_tokens, files.window_tokens),
            device=settings.device,
            precision=settings.precision,
            kv_memory=settings.kv_memory,
        )
        model = Transformer(files.weights, device=where.device, dtype=where.dtype, on_layer=on_layer)
        return Engine(
            model,
            window_tokens=files.window_tokens,
            chunk_tokens=where.chunk_tokens,
            pool_bytes=where.pool_bytes,
        )

    return LocalBackend(files, load, Speed(state / "speeds.json", f"{files.name} on {device} in {precision}"))

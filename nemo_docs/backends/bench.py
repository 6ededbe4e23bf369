"""From settings to measurements: a model is opened, or drawn, and its engine measured in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from nemo_docs.backends.opening import model_spec
from nemo_docs.engine.in_process import InProcessEngine
from nemo_docs.engine.loading import load_engine
from nemo_docs.errors import UsageError
from nemo_docs.model.config import NEMO
from nemo_docs.model.folder import ModelFiles, open_model
from nemo_docs.model.weights.random import RandomModel, RandomWeights
from nemo_docs.settings import Settings

if TYPE_CHECKING:
    from nemo_docs.engine.measuring import Figure, Skipped

SHAPES = {"nemo": NEMO}
"""Models that can be measured with random weights."""
_RANDOM_WINDOW = 132_096
"""Random weights know no limit; this holds a prompt of 131,072 tokens and what is written behind it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and what the machine was measured to do at best."""

    model: str
    """As the user calls it."""
    device: str
    """Where it runs."""
    precision: str
    """Number format of the arithmetic."""
    threads: int
    """CPU threads."""
    parameters: int
    """Weights in the model."""
    streamed_bytes: int
    """Weights that one token's pass reads."""
    kv_bytes_per_token: int
    """What each token adds to the cache."""
    load_s: float
    """Seconds that loading took, or drawing."""
    bytes_per_s: float
    """Memory read, or copied in both directions, whichever is faster."""
    operations_per_s: float
    """Of a large matrix product; a multiplication and an addition are two."""


def bench(
    settings: Settings,
    *,
    models: Path,
    random_weights: str | None = None,
    lengths: tuple[int, ...] = (),
    seconds: float,
    cancelled: Callable[[], bool] = lambda: False,
    on_layer: Callable[[int, int], None] = lambda done, of: None,
    on_tokens: Callable[[int, int], None] = lambda done, of: None,
) -> Iterator[Subject | Figure | Skipped]:
    """Measure the model that the settings name, or one of random weights.

    Args:
        settings: Which model, where, in which precision.
        models: The folder of models.
        random_weights: A name in `SHAPES`, in place of the settings' model.
        lengths: Tokens of the prompts; empty for those that suit the device.
        seconds: How long measuring may take, once the model is loaded.
        cancelled: Once it says True, nothing more comes.
        on_layer: Told of layers read and layers in all.
        on_tokens: Told of tokens read and tokens in all of each prompt.

    Raises:
        ModelError: If the model is unknown, missing or damaged, or memory cannot hold it.
        UsageError: If a length does not fit the model's window.
        SettingsError: If this machine has no such device.
    """
    import torch

    from nemo_docs.engine.ceilings import measure_ceilings
    from nemo_docs.engine.measuring import WRITTEN_TOKENS, Measurement, default_lengths, longest_prompt
    from nemo_docs.engine.placing import choose_device

    files: ModelFiles | RandomModel
    if random_weights:
        files = RandomModel(
            f"random weights of {random_weights}", RandomWeights(SHAPES[random_weights]), _RANDOM_WINDOW
        )
    else:
        files = open_model(settings.model, models, adapter=settings.adapter)
    lengths = lengths or default_lengths(choose_device(settings.device), files.window_tokens)
    if max(lengths) > longest_prompt(files.window_tokens):
        raise UsageError(
            f"A prompt of {max(lengths):,} tokens and what is written behind it do not fit the model's window of "
            f"{files.window_tokens:,}.",
            hint=f"The longest that can be measured is {longest_prompt(files.window_tokens):,}.",
        )
    spec = model_spec(settings, files, max(lengths) + WRITTEN_TOKENS)
    began = perf_counter()
    here = InProcessEngine(lambda told: load_engine(spec, told, files=files), on_layer)
    here.load(cancelled)
    if (engine := here.loaded) is None:
        return
    model, load_s = engine.model, perf_counter() - began
    ceilings = measure_ceilings(model.device, model.dtype, cancelled)
    if ceilings is None:
        return
    yield Subject(
        model=files.name,
        device=str(model.device),
        precision=str(model.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        parameters=model.config.n_parameters,
        streamed_bytes=model.streamed_bytes,
        kv_bytes_per_token=model.kv_layout.bytes_per_token,
        load_s=load_s,
        bytes_per_s=ceilings.bytes_per_s,
        operations_per_s=ceilings.operations_per_s,
    )
    yield from Measurement(engine, ceilings, seconds=seconds, cancelled=cancelled, on_tokens=on_tokens).run(lengths)

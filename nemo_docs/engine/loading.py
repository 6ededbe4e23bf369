"""From what a model is to be run as (`ModelSpec`) to an engine, by a plan of memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from nemo_docs.engine.exhaustion import is_exhaustion, let_go, ran_out
from nemo_docs.engine.footprint import stored
from nemo_docs.engine.memory_plan import MemoryPlan, Size
from nemo_docs.engine.planning import least, plan_memory
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.errors import DoesNotFit, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

    from nemo_docs.engine.engine import Engine
    from nemo_docs.engine.keeper import Keeper
    from nemo_docs.engine.protocol import BatchRequest, EngineEvent, Request, ScoreRequest
    from nemo_docs.model.folder import ModelFiles
    from nemo_docs.model.linear.base import LinearLoader
    from nemo_docs.model.transformer import TensorSource
    from nemo_docs.model.weights.adapter import Adapter
    from nemo_docs.model.weights.random import RandomModel

OnLayer = Callable[[int, int], None]
"""Told of layers read and layers in all while weights are loaded; may raise to stop."""
Cancelled = Callable[[], bool]
"""Says True once the caller no longer wants the result."""


class TokenEngine(Protocol):
    """An engine wherever it runs: token ids in, events out."""

    def load(self, cancelled: Cancelled) -> None:
        """Load the model, unless it is; returns early, without it, when cancelled.

        Raises:
            ModelError: If it cannot be loaded.
            EngineError: If there is no engine to load it.
        """

    def run(self, request: Request | ScoreRequest | BatchRequest, cancelled: Cancelled) -> Iterator[EngineEvent]:
        """Answer one request; the last event is `Finished`."""

    def holds_anything(self) -> bool:
        """Whether any prompt at all could be found in a cache."""

    def cached(self, segments: Sequence[Sequence[int]]) -> int:
        """How many leading tokens of a prompt that begins with these segments would not be computed again."""

    def forget(self, labels: Set[str]) -> None:
        """Let go of everything in memory that holds one of these texts, and save nothing more of it. Loads nothing."""

    def plan(self) -> MemoryPlan | None:
        """What memory the loaded model takes; None before it is loaded. Loads nothing."""


def load_engine(
    spec: ModelSpec, on_layer: OnLayer = lambda done, of: None, *, files: ModelFiles | RandomModel | None = None
) -> Engine:
    """Plan memory, then load a model by that plan.

    Args:
        spec: Which, and how it is to be run.
        on_layer: Told of progress.
        files: The model, where it is not what `spec` has the path of.

    Raises:
        ModelError: If it is missing or damaged, or memory cannot hold it.
        SettingsError: If this machine has no such device, or it cannot do what is asked for.
    """
    try:
        return _loaded(spec, on_layer, files)
    except Exception as error:
        if not is_exhaustion(error):
            raise
        let_go(error)
    raise ran_out("loaded")


def size_of(files: ModelFiles | RandomModel) -> Size:
    """What a plan of memory must know of a model. No torch is imported for it."""
    grids = getattr(files.weights, "grids", None)  # of a layout whose numbers may lie on a grid
    adapted = files.adapter.n_parameters if files.adapter else 0
    return Size(files.config, files.window_tokens, stored(files.config, grids() if grids else {}), adapted)


def expected_plan(files: ModelFiles, spec: ModelSpec) -> MemoryPlan | None:
    """The plan by which a model would most likely be loaded, told without torch; the smallest way where none fits.

    None where the device that is asked for is not there, or cannot do what is asked for.
    """
    from nemo_docs.engine.machine import expected_device

    device = expected_device(spec.device)
    if device is None:
        return None
    wanted = (size_of(files), device, min(spec.window_tokens, files.window_tokens), spec.wishes)
    try:
        return plan_memory(*wanted)
    except DoesNotFit:
        return least(*wanted)
    except SettingsError:
        return None


def _loaded(spec: ModelSpec, on_layer: OnLayer, files: ModelFiles | RandomModel | None) -> Engine:
    from pathlib import Path

    import torch

    from nemo_docs.engine.placing import place
    from nemo_docs.model.folder import ModelFiles

    files = files or ModelFiles(Path(spec.path), adapter=Path(spec.adapter) if spec.adapter else None)
    if spec.threads:
        torch.set_num_threads(spec.threads)
    plan = place(
        size_of(files),
        window_tokens=min(spec.window_tokens, files.window_tokens),
        device=spec.device,
        wishes=spec.wishes,
    )
    engine = engine_for(
        files.weights, plan, window_tokens=files.window_tokens, adapter=files.adapter, on_layer=on_layer
    )
    if spec.store:
        engine.keep(_keeper(spec, files, plan, engine))
    return engine


def _keeper(spec: ModelSpec, files: ModelFiles | RandomModel, plan: MemoryPlan, engine: Engine) -> Keeper:
    """The store beside an engine that was loaded."""
    from pathlib import Path

    from nemo_docs.engine.host_tier import host_bytes
    from nemo_docs.engine.identity import identity_of
    from nemo_docs.engine.keeper import Keeper
    from nemo_docs.kv.store import BlockStore

    store = BlockStore(
        Path(spec.store),
        identity_of(files, plan, engine.model),
        asks=spec.asks,
        budget_bytes=spec.store_bytes,
        floor_bytes=spec.store_floor,
    )
    return Keeper(store, engine.model, host_bytes=host_bytes(spec.host_bytes, engine.model.device))


def engine_for(
    source: TensorSource,
    plan: MemoryPlan,
    *,
    window_tokens: int,
    adapter: Adapter | None = None,
    on_layer: OnLayer = lambda done, of: None,
) -> Engine:
    """Load weights as a plan of memory says.

    Args:
        source: Where they are read from.
        plan: Where they go, in which numbers, and what caches may take.
        window_tokens: The longest prompt and answer together.
        adapter: What lies over the weights.
        on_layer: Told of progress; may raise to stop.
    """
    import torch

    from nemo_docs.engine.engine import Engine
    from nemo_docs.engine.placing import DTYPES
    from nemo_docs.kv.form import PLAIN
    from nemo_docs.model.accelerating import accelerate, eight_bits
    from nemo_docs.model.transformer import Transformer

    model = Transformer(
        source,
        device=torch.device(plan.device),
        dtype=DTYPES[plan.arithmetic],
        linears=_linears(source, plan, adapter),
        kv_form=eight_bits(plan.kind) if plan.kv == "int8" else PLAIN,
        on_layer=on_layer,
    )
    accelerate(model)
    return Engine(
        model,
        window_tokens=window_tokens,
        chunk_tokens=plan.chunk_tokens,
        pool_bytes=plan.caches_bytes,
        plan=plan,
    )


def _linears(source: TensorSource, plan: MemoryPlan, adapter: Adapter | None) -> LinearLoader:
    """What makes the products in the precision of the plan, each where the plan has it."""
    import torch

    from nemo_docs.engine.placing import DTYPES
    from nemo_docs.model.linear.host import HostEmbedding
    from nemo_docs.model.linear.loading import linears_for
    from nemo_docs.model.linear.lora import AdaptedLoader

    def loader(device: str) -> LinearLoader:
        return linears_for(
            source,
            device=torch.device(device),
            dtype=DTYPES[plan.arithmetic],
            precision=plan.precision,
            keep_dense=plan.keeps_dense,
        )

    linears = loader(plan.device)
    if plan.embedding == "host":
        linears = HostEmbedding(linears, loader("cpu"))
    if adapter is None:
        return linears
    return AdaptedLoader(linears, adapter, device=torch.device(plan.device), dtype=DTYPES[plan.arithmetic])

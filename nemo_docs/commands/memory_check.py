"""What `nemo-docs doctor` says of memory: the plan by which a model would be loaded here, or what would fit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from nemo_docs.engine.loading import size_of
from nemo_docs.engine.memory_plan import Device, MemoryPlan, Size, Wishes
from nemo_docs.engine.planning import alternatives, least, longest_window, plan_memory
from nemo_docs.errors import DoesNotFit, NemoDocsError
from nemo_docs.model.catalogue import CATALOGUE
from nemo_docs.model.folder import open_model
from nemo_docs.plain import size as shown
from nemo_docs.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one model."""

    fits: bool
    detail: str
    """In one line."""
    hint: str
    facts: dict[str, Any]
    """The same as plain data."""


def memory_of(name: str, models: Path, settings: Settings, device: Device, loaded: MemoryPlan | None = None) -> Finding:
    """The plan for a model on a device.

    Args:
        name: A model that is here, or one of the catalogue.
        models: The folder of models.
        settings: The window, precision and form of the cache that are wished for.
        device: Where it would go.
        loaded: The plan that an engine follows which holds this model already.

    Raises:
        NemoDocsError: If the model cannot be opened, or a wish can never be followed.
    """
    size, effective = _sized(name, models)
    tokens = min(settings.window or effective, size.window_tokens)
    wishes = Wishes(settings.precision, settings.kv, settings.kv_memory)
    if loaded is not None:
        return Finding(True, f"loaded: {_told(loaded)}", "", {"loaded": True, "plan": as_data(loaded)})
    longest = longest_window(size, device, wishes)
    facts: dict[str, Any] = {
        "loaded": False,
        "window_tokens": tokens,
        "longest_window_tokens": longest.window_tokens if longest else 0,
        "plan": None,
    }
    try:
        plan = plan_memory(size, device, tokens, wishes)
    except DoesNotFit as refusal:
        facts["needed"] = as_data(least(size, device, tokens, wishes))
        facts["alternatives"] = [as_data(way) for way in alternatives(size, device, tokens, wishes)]
        return Finding(False, refusal.message, refusal.hint, facts)
    facts["plan"] = as_data(plan)
    assert longest is not None
    longer = f"; the longest window that fits is {longest.window_tokens:,} tokens"
    if longest.way != plan.way:
        longer += f" in {longest.way}"
    better = f"; {plan.why}" if plan.why else ""
    return Finding(True, f"{_told(plan)}{longer}{better}", "", facts)


def as_data(plan: MemoryPlan) -> dict[str, Any]:
    """A plan as plain data, with its sums."""
    sums = {"needed_bytes": plan.needed_bytes, "total_bytes": plan.total_bytes, "pool_bytes": plan.pool_bytes}
    items = {item.name.replace(" ", "_"): item.n_bytes for item in plan.items}
    return {**dataclasses.asdict(plan), **sums, "items": items}


def _sized(name: str, models: Path) -> tuple[Size, int]:
    """What a plan must know of a model, and the window that it reads well."""
    try:
        files = open_model(name, models)
    except NemoDocsError:
        entry = CATALOGUE.get(name)
        if entry is None:
            raise
        return Size(entry.config, entry.window_tokens), entry.effective_window_tokens
    return size_of(files), files.effective_window_tokens


def _told(plan: MemoryPlan) -> str:
    items = ", ".join(f"{item.name} {shown(item.n_bytes)}" for item in plan.items if item.n_bytes)
    return (
        f"{plan.way} on {plan.device}, {shown(plan.needed_bytes)} of {shown(plan.free_bytes)} free for windows of "
        f"{plan.window_tokens:,} tokens ({items})"
    )

"""How much of each text is read for the model in use: told from the store alone, for lists that must come at once.

Neither the model is opened nor torch imported. The store remembers with every model what was asked for when it was
read: its path, the device, the precisions. The same settings ask for the same, so what they lead to is found by that.
What it tells is for display; whether a block serves is for the engine to say, which compares all that the numbers
depend on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nemo_docs.engine.spec import ModelSpec
from nemo_docs.errors import NemoDocsError
from nemo_docs.kv import catalogue
from nemo_docs.kv.identity import Identity
from nemo_docs.model.catalogue import CATALOGUE
from nemo_docs.model.inventory import added_models
from nemo_docs.paths import expanded
from nemo_docs.settings import Settings


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a text is read."""

    tokens: int
    """In the store."""
    of: int | None
    """In the whole text; None before any of it is read."""

    @property
    def percent(self) -> int:
        """100 only for all of it, 0 only for none."""
        if not self.tokens or not self.of:
            return 0
        return 100 if self.tokens >= self.of else max(1, min(99, 100 * self.tokens // self.of))


def shares_in_use(settings: Settings, *, models: Path, kv: Path) -> Mapping[str, Share] | None:
    """For every label in the store of the model in use, how much of that text is read; None if it is not here.

    Args:
        settings: Which model, where, in which precision.
        models: The folder of models.
        kv: The folder of the store.
    """
    asked = asked_for(settings, models)
    if asked is None:
        return None
    found = Identity.from_fields(catalogue.find_identity(kv, asked) or {})
    if found is None:
        return {}
    return {label: Share(*counts) for label, counts in catalogue.shares(kv, found.seed).items()}


def asked_for(settings: Settings, models: Path) -> str | None:
    """What the settings ask of the engine, in the one spelling in which the store keeps it; None without the model."""
    try:
        path, adapter = _place(settings.model, models)
        if settings.adapter:
            adapter = expanded(settings.adapter).absolute()
        if not os.path.exists(path):
            return None
        if adapter is not None:
            from nemo_docs.model.weights.adapter import weight_file

            adapter = weight_file(adapter)
    except NemoDocsError:  # whoever asks a question is told; a list goes without
        return None
    return ModelSpec(
        path=str(path.absolute()),
        window_tokens=0,
        device=settings.device,
        precision=settings.precision,
        kv=settings.kv,
        threads=settings.threads,
        adapter=str(adapter.absolute()) if adapter else "",
    ).asks


def name_of(asked: str, models: Path) -> str:
    """What the user calls the model that was asked for; its path, if it has no name."""
    try:
        fields = json.loads(asked)
        path, adapter = Path(fields["path"]), str(fields["adapter"])
    except (ValueError, TypeError, KeyError):
        return "another model"
    names = {models.absolute() / name: name for name in CATALOGUE}
    with suppress(NemoDocsError):
        names |= {added.path.absolute(): name for name, added in added_models(models).items()}
    name = names.get(path, str(path))
    return f"{name} with {adapter}" if adapter else name


def _place(name: str, models: Path) -> tuple[Path, Path | None]:
    """Where a model is or would be, and the adapter that it was added with."""
    if added := added_models(models).get(name):
        return added.path, added.adapter
    if name in CATALOGUE:
        return models / name, None
    return expanded(name), None

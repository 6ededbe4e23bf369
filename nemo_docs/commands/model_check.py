"""What `nemo-docs doctor` says of models: which are here, whether each opens and fits, and who holds one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nemo_docs.commands.check import Check, Status, existing
from nemo_docs.engine.memory_plan import Device
from nemo_docs.errors import DoesNotFit, NemoDocsError
from nemo_docs.plain import size
from nemo_docs.settings import Configuration

if TYPE_CHECKING:
    from nemo_docs.engine.process.wire import Status as EngineStatus
    from nemo_docs.model.catalogue import Entry


def models(configuration: Configuration) -> Iterator[Check]:
    """Which models are here, whether each opens, and whether NeMo would fit."""
    from nemo_docs.model.catalogue import CATALOGUE
    from nemo_docs.model.folder import open_model
    from nemo_docs.model.inventory import inventory
    from nemo_docs.model.pull import is_whole

    folder, chosen = configuration.paths.models, configuration.settings.model
    try:
        here = [listed.name for listed in inventory(folder) if listed.present]
    except NemoDocsError as error:
        yield Check("models", Status.BROKEN, error.message, error.hint)
        return
    yield Check("models", Status.OK, f"{', '.join(here) or 'none'} in {folder}")
    for name in dict.fromkeys((chosen, *here)):
        if name in here and name in CATALOGUE and not is_whole(CATALOGUE[name], folder):
            hint = f"Fetch it again: nemo-docs model pull {name}"
            yield Check(f"model {name}", Status.BROKEN, "a file is missing or is not what was fetched", hint)
            continue
        try:
            opened = open_model(name, folder, adapter=configuration.settings.adapter if name == chosen else "")
            detail = f"whole, {opened.config.n_parameters / 1e6:,.0f} million weights, {opened.template.name} prompts"
            if opened.adapter:
                detail += f", with the adapter {opened.adapter.path}"
            yield Check(f"model {name}", Status.OK, detail)
        except NemoDocsError as error:
            status = Status.BROKEN if name == chosen else Status.WARNING
            yield Check(f"model {name}", status, error.message, error.hint)
    if "nemo" not in here:
        yield _room_for(CATALOGUE["nemo"], folder)


def memory(configuration: Configuration, device: Device, status: EngineStatus | None) -> Iterator[Check]:
    """The plan of memory for the model in use, and for NeMo."""
    from nemo_docs.commands.memory_check import memory_of
    from nemo_docs.model.folder import open_model

    chosen, folder = configuration.settings.model, configuration.paths.models
    for name in dict.fromkeys((chosen, "nemo")):
        loaded = None
        try:
            if status is not None and status.model is not None and name == chosen:
                is_held = status.model.path == str(open_model(name, folder).path.absolute())
                loaded = status.plan if is_held else None
            found = memory_of(name, folder, configuration.settings, device, loaded)
        except NemoDocsError as error:
            yield Check(f"memory {name}", Status.BROKEN if name == chosen else Status.OK, error.message, error.hint)
            continue
        bad = not found.fits and name == chosen
        yield Check(f"memory {name}", Status.BROKEN if bad else Status.OK, found.detail, found.hint, facts=found.facts)


def engine(configuration: Configuration) -> tuple[Check, EngineStatus | None]:
    """Whether the shared engine runs and answers, and what it says of itself."""
    from nemo_docs.engine.process.link import Link

    link = Link(configuration.paths.state, configuration.settings.engine_idle)
    try:
        status = link.status()
    except NemoDocsError as error:
        return Check("engine", Status.BROKEN, error.message, "End it: nemo-docs engine stop"), None
    if status is None:
        if link.place.is_held():
            broken = Check("engine", Status.BROKEN, "one runs and does not answer", "End it: nemo-docs engine stop")
            return broken, None
        return Check("engine", Status.OK, "not running; the next question starts it"), None
    holds = status.model.path if status.model else "no model"
    if status.model and status.model.adapter:
        holds += f" with {status.model.adapter}"
    return Check("engine", Status.OK, f"process {status.pid} holds {holds} in {size(status.memory_bytes)}"), status


def _room_for(entry: Entry, folder: Path) -> Check:
    """Whether a pull would be refused, by the pull's own measure."""
    from nemo_docs.model.pull import check_disk, check_memory, memory_needed

    name = f"room for {entry.name}"
    try:
        check_disk(entry, existing(folder))
        check_memory(entry)
    except DoesNotFit as refusal:
        return Check(name, Status.OK, f"no: {refusal.message}")
    needs = f"{size(entry.disk_bytes)} of disk and {size(memory_needed(entry))} of memory"
    return Check(name, Status.OK, f"yes: it needs {needs}; fetch it with: nemo-docs model pull {entry.name}")

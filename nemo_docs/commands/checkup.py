"""Each thing that `nemo-docs doctor` looks at: real probes, each on its own, so that one failure hides no other.

Looking changes nothing: no folder is made, no file is mended, nothing is fetched.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

from nemo_docs.engine.memory_plan import Device
from nemo_docs.errors import DoesNotFit, NemoDocsError
from nemo_docs.paths import Paths
from nemo_docs.plain import size
from nemo_docs.settings import Configuration, Settings, load

if TYPE_CHECKING:
    from nemo_docs.engine.process.wire import Status as EngineStatus
    from nemo_docs.model.catalogue import Entry

_LOW_DISK_BYTES = 2 * 10**9
_TORCH_PROBE = """
import dataclasses, json, sys, torch
from nemo_docs.engine.placing import choose_device, describe
from nemo_docs.errors import SettingsError

accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
name = torch.cuda.get_device_name() if accelerator and accelerator.type == "cuda" else ""
facts = [torch.__version__, str(accelerator or "cpu"), name, torch.get_num_threads()]
try:
    print(json.dumps([*facts, dataclasses.asdict(describe(choose_device(sys.argv[1])))]))
except SettingsError as error:
    print(json.dumps([*facts, error.message]))
"""


class Status(StrEnum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"
    """Works, but should be looked at."""
    BROKEN = "broken"
    """Something that the user needs does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    """What was looked at."""
    status: Status
    detail: str
    """What was found, in one line."""
    hint: str = ""
    """What to do; empty where nothing need be done."""
    facts: Mapping[str, Any] | None = None
    """The same in more detail, as plain data."""


def check_all(options: Mapping[str, object] | None = None) -> Iterator[Check]:
    """Look at everything; what the settings name only if they can be read.

    Args:
        options: Settings of the command line.
    """
    yield Check("python", Status.OK, f"{platform.python_version()} on {platform.platform()}")
    yield _sqlite()
    yield _machine()
    try:
        configuration = load(options=options)
    except NemoDocsError as error:
        yield _torch("auto")[0]
        yield Check("settings", Status.BROKEN, error.message, error.hint)
        return
    torch, device = _torch(configuration.settings.device)
    yield torch
    yield _settings(configuration)
    yield _disk(configuration.paths)
    yield _modes(configuration.paths)
    yield _library(configuration.paths.library)
    yield _queue(configuration.paths.library)
    yield _ocr(configuration.settings)
    yield _meaning(configuration.paths.library)
    yield _store(configuration)
    yield from _models(configuration)
    engine, status = _engine(configuration)
    if device is not None:
        yield from _memory(configuration, device, status)
    yield engine


def _sqlite() -> Check:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("create virtual table probe using fts5(text)")
        except sqlite3.OperationalError as error:
            return Check(
                "sqlite",
                Status.BROKEN,
                f"{sqlite3.sqlite_version} has no FTS5: {error}",
                "Use another Python.",
            )
    return Check("sqlite", Status.OK, f"{sqlite3.sqlite_version} with FTS5")


def _settings(configuration: Configuration) -> Check:
    changed = sum(origin != "default" for origin in configuration.origins.values())
    return Check("settings", Status.OK, f"{configuration.paths.config}, {changed} not at their default")


def _machine() -> Check:
    memory = psutil.virtual_memory()
    return Check(
        "machine",
        Status.OK,
        f"{os.cpu_count()} cores, {size(memory.available)} of {size(memory.total)} memory available",
    )


def _disk(paths: Paths) -> Check:
    free = free_bytes(paths.library)
    if free < _LOW_DISK_BYTES:
        return Check("disk", Status.WARNING, f"{size(free)} free at {paths.library.parent}", "Make room.")
    return Check("disk", Status.OK, f"{size(free)} free at {paths.library.parent}")


def _modes(paths: Paths) -> Check:
    """Whether others on this machine could read what is the user's alone."""
    if os.name != "posix":
        return Check("privacy", Status.OK, "the folders inherit the user's own access list")
    open_to_others = [
        path
        for path in (paths.config, paths.library, paths.library.parent, paths.kv, paths.state)
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_to_others:
        listed = ", ".join(str(path) for path in open_to_others)
        command = shlex.join(["chmod", "go-rwx", *map(str, open_to_others)])
        return Check("privacy", Status.WARNING, f"others may read {listed}", command)
    return Check("privacy", Status.OK, "files and folders are readable by their owner alone")


def _ocr(settings: Settings) -> Check:
    """Whether text in pictures can be read; a library without scans needs none of it."""
    from nemo_docs.library.readers.tesseract import LANGUAGES, how_to_install, installed

    found = installed()
    if found is None:
        return Check("ocr", Status.OK, "none; pages that are pictures have no text", how_to_install())
    here = [code for code, name in LANGUAGES.items() if name in found.languages]
    others = sorted(set(found.languages) - set(LANGUAGES.values()))
    missing = [code for code in LANGUAGES if code not in here]
    detail = f"tesseract {found.version} reads {', '.join([*here, *others])}"
    hint = "" if len(missing) < len(LANGUAGES) else how_to_install()
    facts = {"version": found.version, "languages": list(found.languages), "missing": missing}
    state = "; switched off by the setting ocr" if settings.ocr == "off" else ""
    return Check("ocr", Status.OK, detail + state, hint, facts)


def _library(path: Path) -> Check:
    if not path.exists():
        return Check("library", Status.OK, f"none yet; it will be {path}")
    from nemo_docs.library.reader import LibraryReader

    try:
        with LibraryReader(path) as library:
            documents = library.documents()
            damage = library.damage()
    except NemoDocsError as error:
        return Check("library", Status.BROKEN, error.message, error.hint)
    if damage:
        return Check("library", Status.BROKEN, f"{path} is damaged: {damage}", "Restore it from a copy.")
    pages = sum(document.pages for document in documents)
    unread = sum(document.pages_read < document.pages for document in documents)
    detail = f"{path}, {size(path.stat().st_size)}, {len(documents)} documents, {pages:,} pages, sound"
    if unread:
        return Check("library", Status.WARNING, f"{detail}; {unread} not read to the end", "Add those files again.")
    return Check("library", Status.OK, detail)


def _meaning(path: Path) -> Check:
    """Whether documents can be found by meaning, and how many of their pages."""
    from nemo_docs.library.meaning import model
    from nemo_docs.library.reader import LibraryReader

    if absence := model.absence():
        return Check("meaning", Status.OK, f"search goes by words alone: {absence.message}", absence.hint)
    try:
        model.check_weights()
        with LibraryReader(path) as library:
            shares = library.meaning_shares().values()
            pages = sum(page.text_sha256 != "" for each in library.documents() for page in library.pages(each))
    except NemoDocsError as error:
        return Check("meaning", Status.BROKEN, error.message, error.hint)
    done = sum(share.pages for share in shares)
    hint = "The app goes on while it is open; or: nemo-docs index" if done < pages else ""
    return Check("meaning", Status.OK, f"{model.NAME}, {done:,} of {pages:,} pages can be found by it", hint)


def _store(configuration: Configuration) -> Check:
    """What was read and is kept, and whether there is room for more."""
    from nemo_docs.commands.kv_report import room

    found = room(configuration)
    if not found.budget_bytes:
        held = f", which still hold {size(found.n_bytes)}" if found.blocks else ""
        return Check("store", Status.OK, f"nothing that is read is kept in {found.folder} (store_size = 0){held}")
    taken = f"{size(found.n_bytes)} of at most {size(found.budget_bytes)}"
    detail = f"{found.folder}, {found.blocks:,} blocks, {taken}, {size(found.free_bytes)} free"
    if found.free_bytes < found.floor_bytes:
        return Check(
            "store",
            Status.WARNING,
            f"{detail}, less than the {size(found.floor_bytes)} that stay free: nothing more is kept",
            "Make room, or choose another floor: nemo-docs config set store_floor AMOUNT.",
        )
    return Check("store", Status.OK, detail)


def _torch(wanted: str) -> tuple[Check, Device | None]:
    """Ask in a process of its own: a broken build can end the process that imports it.

    Args:
        wanted: The device that the settings name; what is free there comes back, too.
    """
    command = [sys.executable, "-P", "-c", _TORCH_PROBE, wanted]  # -P: a torch.py where the user stands is not torch
    here = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=180, check=True, env={**os.environ, "PYTHONPATH": here}
        )
        version, device, name, threads, found = json.loads(answer.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        said = str(error.stderr or "") if isinstance(error, subprocess.CalledProcessError) else ""
        reason = (said.strip() or str(error)).splitlines()[-1]
        return Check("torch", Status.BROKEN, f"cannot be used: {reason}", "Install torch again."), None
    if isinstance(found, str):
        return Check("torch", Status.BROKEN, f"{version}: {found}", "Use --device auto."), None
    name = "Apple GPU, not measured yet" if device.startswith("mps") else name
    detail = f"{version} on {f'{device} ({name})' if name else device}, {threads} threads"
    return Check("torch", Status.OK, detail), Device(**found)


def _memory(configuration: Configuration, device: Device, status: EngineStatus | None) -> Iterator[Check]:
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


def _queue(path: Path) -> Check:
    """What waits to be added, and what could not be."""
    from nemo_docs.library.adding_queue import AddingQueue, FileState

    try:
        states = Counter(item.state for item in AddingQueue(path).items())
    except NemoDocsError as error:
        return Check("files to add", Status.BROKEN, error.message, error.hint)
    detail = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items())) or "none"
    if states[FileState.FAILED]:
        hint = "See why with: nemo-docs add --queue; then --retry, or --forget."
        return Check("files to add", Status.WARNING, detail, hint)
    return Check("files to add", Status.OK, detail)


def _models(configuration: Configuration) -> Iterator[Check]:
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


def _engine(configuration: Configuration) -> tuple[Check, EngineStatus | None]:
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


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def free_bytes(path: Path) -> int:
    """Bytes free on the disk that holds `path`, or will once it is made."""
    return shutil.disk_usage(existing(path)).free

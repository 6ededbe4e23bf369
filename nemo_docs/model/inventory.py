"""Which models are on this machine: those that were fetched, and those that a user keeps elsewhere.

Added models are recorded as name, path, prompt format and adapter in `models.toml`, a file that may be edited by hand;
their weights stay where they are. Nothing here imports torch, so a list costs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nemo_docs.errors import SettingsError, UnknownModel
from nemo_docs.model.catalogue import CATALOGUE, Entry, unknown_model
from nemo_docs.paths import private_folder, write_private

REGISTRY = "models.toml"
MANIFEST = "nemo-docs.json"
"""Written beside fetched weights, last; names the catalogue's entry."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Added:
    """A model that a user keeps elsewhere."""

    path: Path
    """Its folder or GGUF file."""
    template: str
    """Prompt format that the user named; empty to take the model's own."""
    adapter: Path | None = None
    """Folder or file of the LoRA adapter over it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the inventory."""

    name: str
    """What a user types."""
    path: Path
    """Where its files are or would be."""
    present: bool
    """Whether they are there."""
    size_bytes: int
    """Bytes on disk; 0 when absent."""
    entry: Entry | None
    """The catalogue's entry; None for a model that the user added."""


def inventory(models_dir: Path) -> list[Listed]:
    """Every model that can be named: the catalogue first, then the user's own in the order in which they were added.

    Raises:
        SettingsError: If `models.toml` cannot be read.
    """
    rows = []
    for entry in CATALOGUE.values():
        folder = models_dir / entry.name
        present = (folder / MANIFEST).is_file()
        rows.append(Listed(entry.name, folder, present, _size(folder) if present else 0, entry))
    for name, added in added_models(models_dir).items():
        rows.append(Listed(name, added.path, added.path.exists(), _size(added.path), None))
    return rows


def added_models(models_dir: Path) -> dict[str, Added]:
    """Name -> model of those that the user added.

    Raises:
        SettingsError: If `models.toml` cannot be read.
    """
    import tomllib

    file = models_dir / REGISTRY
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("added", {})
        return {
            name: Added(
                path=Path(row["path"]),
                template=str(row.get("template", "")),
                adapter=Path(row["adapter"]) if "adapter" in row else None,
            )
            for name, row in table.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{file}: cannot be read ({error!r}).", hint="Mend it by hand, or delete it.") from None


def add_model(models_dir: Path, name: str, path: Path, *, template: str = "", adapter: Path | None = None) -> None:
    """Record a model that stays where it is, and the LoRA adapter over it if there is one.

    Raises:
        SettingsError: If the name is the catalogue's or no name, or `models.toml` cannot be read or written.
    """
    import tomlkit

    if name in CATALOGUE or not _NAME.fullmatch(name):
        reason = "is taken by the catalogue" if name in CATALOGUE else "is no name"
        raise SettingsError(f"{name!r} {reason}.", hint="Use lower-case letters, digits, dots, dashes and underscores.")
    added_models(models_dir)  # refuse to write into a file that cannot be read
    file = models_dir / REGISTRY
    document = tomlkit.parse(file.read_text(encoding="utf-8")) if file.is_file() else tomlkit.document()
    row = tomlkit.table()
    row.update({"path": str(path.resolve()), **({"template": template} if template else {})})
    if adapter is not None:
        row["adapter"] = str(adapter.resolve())
    document.setdefault("added", tomlkit.table(is_super_table=True))[name] = row
    _write(file, tomlkit.dumps(document))


def forget_model(models_dir: Path, name: str) -> None:
    """Take a model out of `models.toml`; its files stay.

    Raises:
        UnknownModel: If it was not added.
        SettingsError: If `models.toml` cannot be read.
    """
    import tomlkit

    added = added_models(models_dir)
    if name not in added:
        error: UnknownModel = unknown_model(name, tuple(added) or tuple(CATALOGUE))
        raise error
    document = tomlkit.parse((models_dir / REGISTRY).read_text(encoding="utf-8"))
    del document["added"][name]
    _write(models_dir / REGISTRY, tomlkit.dumps(document))


def _write(file: Path, text: str) -> None:
    private_folder(file.parent)
    try:
        write_private(file, text)
    except OSError as error:
        raise SettingsError(f"{file}: cannot be written ({error.strerror or error}).") from error


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.glob("*") if file.is_file()) if path.is_dir() else 0

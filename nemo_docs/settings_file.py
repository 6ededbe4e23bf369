"""Editing the settings file without losing a comment.

Reading needs the standard library alone; only a change needs tomlkit. The file is replaced whole, so a crash leaves the
old one.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_docs.errors import SettingsError
from nemo_docs.paths import private_folder, write_private
from nemo_docs.settings import check, refuse_clash, shown
from nemo_docs.settings_text import KEYS, read_text

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def set_value(path: Path, name: str, text: str) -> str:
    """Write one setting and return it as it was understood.

    Raises:
        SettingsError: No such setting, a value out of its bounds, or the file is not TOML or cannot be written.
    """
    value = check(name, text, "command line")
    document = _open(path)
    if name.startswith(f"{KEYS}."):
        _set_key(document, name.removeprefix(f"{KEYS}."), value, path)
    else:
        document[name] = "auto" if value is None else value
    _write(path, document)
    return shown(value)


def unset(path: Path, name: str) -> bool:
    """Take a key, known or not, out of the file; return whether it was there.

    Raises:
        SettingsError: The file is not TOML or cannot be written.
    """
    document = _open(path)
    table, _, key = name.rpartition(".") if name.startswith(f"{KEYS}.") else ("", "", name)
    place: Any = document.get(table) if table else document
    if not isinstance(place, MutableMapping) or key not in place:
        return False
    del place[key]
    if table and not place:
        del document[table]
    _write(path, document)
    return True


def _set_key(document: TOMLDocument, action: str, keys: tuple[str, ...], path: Path) -> None:
    """Give an action other keys, unless they would mean two things.

    Raises:
        SettingsError: They would, or what the file says of keys is no table.
    """
    table: Any = document.setdefault(KEYS, {})
    if not isinstance(table, MutableMapping):
        raise SettingsError(f"{KEYS} in {path} is not a table.", hint=f"Run `nemo-docs config unset {KEYS}`.")
    others = {name: check(f"{KEYS}.{name}", value, str(path)) for name, value in table.items() if name != action}
    origins = {f"{KEYS}.{name}": str(path) for name in others}
    refuse_clash({**others, action: keys}, {**origins, f"{KEYS}.{action}": "command line"})
    table[action] = shown(keys)


def _open(path: Path) -> TOMLDocument:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(read_text(path))
    except TOMLKitError as error:
        raise SettingsError(
            f"The settings file {path} cannot be edited: {error}.", hint="Mend or remove the file."
        ) from error


def _write(path: Path, document: TOMLDocument) -> None:
    import tomlkit

    private_folder(path.parent)
    try:
        write_private(path, tomlkit.dumps(document))
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be written: {error.strerror or error}.") from error

"""Editing the settings file without losing a comment.

Reading needs the standard library alone; only a change needs tomlkit. The file is replaced whole, so a crash leaves the
old one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nemo_docs.errors import SettingsError
from nemo_docs.paths import private_folder, write_private
from nemo_docs.settings import check, read_text, shown

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def set_value(path: Path, name: str, text: str) -> str:
    """Write one setting and return it as it was understood.

    Raises:
        SettingsError: No such setting, a value out of its bounds, or the file is not TOML or cannot be written.
    """
    value = check(name, text, "command line")
    document = _open(path)
    document[name] = "auto" if value is None else value
    _write(path, document)
    return shown(value)


def unset(path: Path, name: str) -> bool:
    """Take a key, known or not, out of the file; return whether it was there.

    Raises:
        SettingsError: The file is not TOML or cannot be written.
    """
    document = _open(path)
    if name not in document:
        return False
    del document[name]
    _write(path, document)
    return True


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

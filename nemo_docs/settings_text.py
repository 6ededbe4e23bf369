"""What the settings file says, and on which line: TOML by the standard library, so that reading costs no import.

A message names the line of a wrong value. tomllib tells of none, so the line is looked for in the text afterwards.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_docs.errors import SettingsError

KEYS = "keys"
"""The table of the file that gives actions other keys; `keys.<action>` is the name of one of its settings."""


def read_text(path: Path) -> str:
    """Return the settings file's text; empty where there is none.

    Raises:
        SettingsError: It cannot be read.
    """
    try:
        if path.is_fifo():  # would be waited on for ever
            raise SettingsError(f"The settings file {path} is not a regular file.", hint="Move what is there away.")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            f"The settings file {path} cannot be read: {reason}.", hint="Check its permissions, or move it away."
        ) from error


def parse(text: str, path: Path) -> dict[str, Any]:
    """Settings by name, `keys.quit` among them; their values are not checked.

    Args:
        text: Of the file.
        path: Of the file, for messages.

    Raises:
        SettingsError: It is not TOML, or `keys` is not a table.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers of thousands of digits, which tomllib lets through
        raise SettingsError(
            f"The settings file {path} is not valid TOML: {error}.", hint="Mend that line, or remove the file."
        ) from error
    return _flat(table, path, text)


def line_of(name: str, text: str) -> int:
    """Line of a key or table, for a message; 1 where it is written in a way that hides it."""
    table, _, key = name.rpartition(".")
    dotted = r"[ \t]*\.[ \t]*".join(rf"[\"']?{re.escape(part)}[\"']?" for part in name.split(".") if part)
    match = re.search(rf"^[ \t]*\[*[ \t]*{dotted}[ \t]*[=.\]]", text, re.MULTILINE)
    if match is None and table:
        within = rf"^[ \t]*\[[ \t]*{re.escape(table)}[ \t]*\][^\[]*?^[ \t]*(?P<key>[\"']?{re.escape(key)}[\"']?[ \t]*=)"
        match = re.search(within, text, re.MULTILINE)
        return 1 if match is None else text.count("\n", 0, match.start("key")) + 1
    return 1 if match is None else text.count("\n", 0, match.start()) + 1


def _flat(table: Mapping[str, Any], path: Path, text: str) -> dict[str, Any]:
    flat = {name: value for name, value in table.items() if name != KEYS}
    keys = table.get(KEYS, {})
    if not isinstance(keys, dict):
        raise SettingsError(
            f"{KEYS} = {keys!r} ({path} line {line_of(KEYS, text)}) must be a table of actions and their keys.",
            hint='Such as `keys.quit = "ctrl+x"`.',
        )
    return {**flat, **{f"{KEYS}.{name}": value for name, value in keys.items()}}

"""Reading a configuration file key by key, so that a key which is absent or of the wrong kind fails by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.weights.base import REFETCH, require_file


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises:
        WeightsCorrupt: If the file is missing, empty, not UTF-8 JSON, or not an object.
    """
    require_file(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise WeightsCorrupt(f"{path}: not valid JSON ({error}).", hint=REFETCH) from None
    if not isinstance(value, dict):
        raise WeightsCorrupt(f"{path}: holds a JSON {type(value).__name__} where an object is due.", hint=REFETCH)
    return value


def integer(fields: dict[str, Any], key: str, where: Path) -> int:
    """The whole number at `key`.

    Raises:
        WeightsCorrupt: If it is absent or not a whole number.
    """
    value = _present(fields, key, where)
    if isinstance(value, bool) or not isinstance(value, int):
        raise WeightsCorrupt(f"{where}: {key} is {value!r}, a whole number is due.", hint=REFETCH)
    return value


def number(fields: dict[str, Any], key: str, where: Path) -> float:
    """The number at `key`.

    Raises:
        WeightsCorrupt: If it is absent or not a number.
    """
    value = _present(fields, key, where)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WeightsCorrupt(f"{where}: {key} is {value!r}, a number is due.", hint=REFETCH)
    return float(value)


def _present(fields: dict[str, Any], key: str, where: Path) -> object:
    if key not in fields:
        raise WeightsCorrupt(f"{where}: the key {key} is missing.", hint=REFETCH)
    return fields[key]

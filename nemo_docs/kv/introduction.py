"""What a seed's folder holds, said in the folder itself: how rows were computed, and what was asked for to get them.

A question whether a document has been read must not load a model to know how it would be read. So each folder also
remembers the requests that led to it, which a caller can make without torch.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from nemo_docs.kv import places
from nemo_docs.kv.files import changed, make_folder, read_json, write_json
from nemo_docs.kv.identity import Identity

MAX_ASKS = 16
"""How many requests a folder remembers, the latest last."""


def introduce(home: Path, identity: Identity, asks: str) -> None:
    """Make the folder of an identity, and say there what it is.

    Raises:
        OSError: The disk refuses.
    """
    make_folder(home)
    file = home / places.IDENTITY_FILE
    earlier = [each for each in read_asks(home) if each != asks]
    write_json(file, {**asdict(identity), "asks": [*earlier, asks][-MAX_ASKS:]})


def read_identity(home: Path) -> Identity | None:
    """What a folder says of itself, if it is true: its name follows from it."""
    identity = Identity.from_fields(_mapping(read_json(home / places.IDENTITY_FILE)))
    return identity if identity and places.seed_folder(home.parent, identity.seed) == home else None


def find_identity(folder: Path, asks: str) -> dict[str, Any] | None:
    """The fields of the identity that a request led to when it was last made; None if it never was, or is forgotten."""
    found = []
    for home in places.seed_folders(folder):
        identity = read_identity(home)
        if identity and asks in read_asks(home):
            found.append((changed(home / places.IDENTITY_FILE), asdict(identity)))
    return max(found, key=lambda each: each[0])[1] if found else None


def read_asks(home: Path) -> list[str]:
    """The requests that led to a folder, the latest last."""
    asks = _mapping(read_json(home / places.IDENTITY_FILE)).get("asks")
    return [each for each in asks if isinstance(each, str)] if isinstance(asks, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

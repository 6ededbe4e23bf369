"""What stored keys and values depend on: everything that, changed, would change a single one of their bits.

Blocks are found by hashes that begin with this fingerprint, so a block that was computed any other way is simply not
there: no comparison is made that could be forgotten. It is strict on purpose. Another version of torch may round a
product differently, and then a warm answer would no longer be the cold one; what it costs is reading once more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256

NUMERICS = 2
"""Raised by hand whenever our code computes other numbers than before."""
LAYOUT = 1
"""Raised by hand whenever a block's file is laid out otherwise."""


@dataclass(frozen=True, slots=True)
class Identity:
    """How keys and values were computed. Every field is part of the seed."""

    weights: str
    """SHA-256 of the content of every weight file: shapes and sizes are the same for a base model and its chat form."""
    adapter: str
    """SHA-256 of an adapter's content and its scaling; empty without one."""
    config: str
    """Canonical JSON of the model's configuration."""
    precision: str
    """In which numbers weights are held."""
    arithmetic: str
    """What keys and values are computed in."""
    kv: str
    """The form that they are kept in."""
    chunk_tokens: int
    """Length of a prefill's chunks: bf16 differs between products of different shapes."""
    device: str
    """Class of the processor."""
    torch: str
    """Version of torch."""
    kernels: str
    """Canonical JSON of what computes: operations, and versions of the packages that kernels come from."""
    tokenizer: str
    """SHA-256 of the tokenizer's files."""
    layout: int = LAYOUT
    """Version of a block's file."""
    numerics: int = NUMERICS
    """Version of our own arithmetic."""

    @property
    def seed(self) -> bytes:
        """What every hash chain begins with: 32 bytes, SHA-256 of the fields as canonical JSON."""
        return sha256(json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()).digest()

    @classmethod
    def from_fields(cls, values: Mapping[str, object]) -> Identity | None:
        """The identity that a mapping describes, other keys aside; None where a field is missing or of another type."""
        kept = {field.name: values.get(field.name) for field in fields(cls)}
        if not all(type(kept[field.name]).__name__ == field.type for field in fields(cls)):
            return None
        return cls(**kept)  # type: ignore[arg-type]

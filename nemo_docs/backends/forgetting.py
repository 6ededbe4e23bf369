"""Forgetting what was read: on disk, and in the memory of the engine that all share.

A text is known here by its label alone. What was read behind it in the same window goes with it, because those numbers
come from it, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nemo_docs.errors import StoreError
from nemo_docs.kv import catalogue
from nemo_docs.settings import Settings


@dataclass(frozen=True, slots=True)
class Freed:
    """What the store held."""

    blocks: int = 0
    n_bytes: int = 0

    def __add__(self, other: Freed) -> Freed:
        """Both together."""
        return Freed(self.blocks + other.blocks, self.n_bytes + other.n_bytes)


def purge(folder: Path, labels: Collection[str]) -> Freed:
    """Delete what was read of these texts, for every model, and their pins.

    Args:
        folder: Of the store.
        labels: Of the texts.

    Raises:
        StoreError: If a file cannot be deleted.
    """
    freed = Freed()
    with store_errors(folder):
        for label in labels:
            freed += Freed(*catalogue.purge(folder, label))
    return freed


def purge_all(folder: Path, *, pinned_too: bool) -> Freed:
    """Delete all that was read, for every model.

    Args:
        folder: Of the store.
        pinned_too: Whether that of pinned texts goes, too.

    Raises:
        StoreError: If a file cannot be deleted.
    """
    with store_errors(folder):
        return Freed(*catalogue.purge(folder, pinned_too=pinned_too))


def let_go(labels: Set[str], settings: Settings, *, state: Path) -> None:
    """Return once the shared engine of this library, if one runs, holds none of these texts in memory.

    An engine of other code than this is ended: nobody knows what it would understand, and the next question would end
    it as well.

    Args:
        labels: Of the texts.
        settings: How long an engine waits.
        state: The folder in which the engine is found.

    Raises:
        EngineStopped: If it does not answer.
    """
    from nemo_docs.engine.process.link import Link
    from nemo_docs.engine.process.shared import forget

    if labels:
        forget(Link(state, settings.engine_idle), labels)


@contextmanager
def store_errors(folder: Path) -> Iterator[None]:
    """What the disk refuses, as StoreError with one sentence."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"What was read cannot be changed in {error.filename or folder}: {error.strerror or error}.",
            hint="If another program has it open, end that (`nemo-docs engine stop`) and try again.",
        ) from error

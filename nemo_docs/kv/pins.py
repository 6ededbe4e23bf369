"""Texts whose blocks are evicted last: a list of labels beside the blocks of every identity."""

from __future__ import annotations

from pathlib import Path

from nemo_docs.kv.files import make_folder, read_json, write_json
from nemo_docs.kv.places import PINS_FILE


def pinned(folder: Path) -> set[str]:
    """Labels that are pinned."""
    labels = read_json(folder / PINS_FILE)
    return {label for label in labels if isinstance(label, str)} if isinstance(labels, list) else set()


def pin(folder: Path, label: str) -> None:
    """Evict a text's blocks last, those that are yet to come too.

    Raises:
        OSError: The disk refuses.
    """
    _write(folder, pinned(folder) | {label})


def unpin(folder: Path, label: str) -> None:
    """Treat a text's blocks as all others.

    Raises:
        OSError: The disk refuses.
    """
    if label in (labels := pinned(folder)):
        _write(folder, labels - {label})


def _write(folder: Path, labels: set[str]) -> None:
    if not folder.is_dir():  # which may be a link
        make_folder(folder)
    write_json(folder / PINS_FILE, sorted(labels))

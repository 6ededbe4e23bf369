"""Removing one text while another is being read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nemo_docs.kv.catalogue import purge
from tests.unit.kv.stored import blocks_of, open_store

_removals: list[Path] = []
"""Folders in which another text is removed right before the next file gets its name."""


def _remove(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "os.rename" and _removals and ".kv" in str(arguments[1]):
        purge(_removals.pop(), "removed")


def test_what_is_being_written_of_another_text_survives_a_removal(tmp_path: Path) -> None:
    """A removal takes files that are half-written, and saving ended for the rest of the document being read."""
    (block,) = blocks_of(range(256), [256], [(("being read", 256),)])
    store = open_store(tmp_path / "kv")
    sys.addaudithook(_remove)
    _removals.extend([tmp_path / "kv"] * 3)
    assert store.write(block.key, block.data)
    assert not _removals, "it was removed three times"
    assert store.held([block.key]) == 1

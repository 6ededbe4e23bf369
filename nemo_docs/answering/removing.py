"""Removal of a document from everywhere: the library, the store of what was read, the memory of the engine.

What was read goes first: where it cannot be deleted nothing else is, and the same command can be given again. Then the
document goes from the library, so that nobody begins to read it; the engine lets go of it, so that nobody goes on; and
what was saved in between goes, too. A text that the library also has under another handle stays read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Set
from pathlib import Path

from nemo_docs.backends.forgetting import Freed, purge
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.store import Library


def remove(handle: str, *, library: Path, kv: Path, let_go: Callable[[Set[str]], None]) -> Freed:
    """Remove a document with all that came of it.

    Args:
        handle: The document's.
        library: The database.
        kv: The folder of the store.
        let_go: Has an engine forget texts; returns once it has.

    Returns:
        What was freed in the store.

    Raises:
        NothingFound: If there is no such document.
        StoreError: If what was read of it cannot be deleted; the document stays if that shows at once.
        EngineStopped: If an engine does not answer; the document is gone, but its numbers may be in that memory.
        LibraryError: As `Library.remove` says.
    """
    with LibraryReader(library) as reader:
        labels = labels_alone(reader, {handle})
    freed = purge(kv, labels)
    with Library(library) as store:
        store.remove(handle)
    try:
        let_go(labels)
    finally:
        freed += purge(kv, labels)
    return freed


def labels_alone(reader: LibraryReader, handles: Collection[str]) -> frozenset[str]:
    """Labels of the texts that no other documents have than these: of all their versions."""
    return frozenset(label for label, owners in reader.version_hashes().items() if owners <= set(handles))

"""Tidying up behind reading: a document that is removed while it is read leaves nothing either.

The engine stops saving what it reads at the moment of a removal, but whoever asked goes on for a moment, or for a whole
question, and what he asks for next is saved anew. So he looks, when he is done, whether all of it is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Set
from pathlib import Path
from typing import TypeVar

from nemo_docs.answering.queue_events import NotRead
from nemo_docs.backends.forgetting import purge
from nemo_docs.library.reader import LibraryReader

Event = TypeVar("Event")


def tidied(
    events: Iterator[Event],
    labels: Collection[str],
    *,
    library: Path,
    kv: Path,
    let_go: Callable[[Set[str]], None],
) -> Iterator[Event]:
    """The same events; behind the last, and when one says that a document was not read, what was removed goes.

    Args:
        events: Of reading.
        labels: Of the texts that are read; may grow meanwhile.
        library: The database.
        kv: The folder of the store.
        let_go: Has the engine forget texts; returns once it has.

    Raises:
        StoreError: If what was read of a removed document cannot be deleted.
    """

    def tidy() -> None:
        with LibraryReader(library) as reader:
            removed = {label for label in labels if label} - reader.version_hashes().keys()
        if removed:
            let_go(removed)
            purge(kv, removed)

    try:
        for event in events:
            if isinstance(event, NotRead):
                tidy()
            yield event
    finally:
        if isinstance(events, Generator):
            events.close()  # whatever it still does ends before
        tidy()

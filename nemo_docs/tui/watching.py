"""Noticing what other processes do to the library.

The library itself says whether anybody else has committed, which costs microseconds; reading, checkpoints and other
people's open files wake nobody. While it is being upgraded, or cannot be read, what was seen last holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from nemo_docs.errors import LibraryError
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import Document, VersionStatus
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled

INTERVAL_S = 0.5
STALLED_S = 3.0
"""A document of which no page came in for so long is read by nobody."""


class Change:
    """The library is another than it was."""


def changes(path: Path, cancelled: Cancelled, interval_s: float = INTERVAL_S) -> Iterator[Change]:
    """Tell of every change of a library, by whomever, until nobody wants to know.

    Args:
        path: The database; may not exist yet.
        cancelled: Says True once nobody wants to know.
        interval_s: Seconds from one look to the next.
    """
    with ExitStack() as opened:
        reader: LibraryReader | None = None
        seen: object = None
        while not cancelled():
            try:
                if reader is None:
                    reader = opened.enter_context(LibraryReader(path))
                    seen = reader.state() if seen is None else seen
                if (now := reader.state()) != seen:
                    seen = now
                    yield Change()
            except LibraryError:
                opened.close()
                reader = None
            time.sleep(interval_s)


def stalled(desk: Desk, cancelled: Cancelled, wait_s: float = STALLED_S) -> Iterator[list[Document]]:
    """The documents that were left half read by a process that died, those whose files are still there.

    What stands in the queue of files is left to the queue: it may be paused.
    """
    before = _half_read(desk)
    end = time.monotonic() + wait_s
    while before and time.monotonic() < end:
        if cancelled():
            return
        time.sleep(min(INTERVAL_S, wait_s))
    now = _half_read(desk) if before else {}
    queued = {item.path for item in desk.adding_queue().items()} if now else set()
    left = [document for handle, document in now.items() if before.get(handle) == document]
    yield [document for document in left if document.path not in queued and Path(document.path).is_file()]


def _half_read(desk: Desk) -> dict[str, Document]:
    return {each.handle: each for each in desk.documents() if each.status is VersionStatus.READING}

"""The app as a process of its own on a terminal, beside the engine's process: what can be killed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from nemo_docs import settings
from nemo_docs.engine.process.link import Link
from nemo_docs.engine.process.wire import Status
from nemo_docs.errors import EngineStopped
from nemo_docs.library.conversations import Conversations
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import Document, Turn
from tests.terminal import Terminal

LIMIT_S = 90.0
PROMPT = b"Ask a question, or drop files here"
BEGIN_PASTE, END_PASTE = b"\x1b[200~", b"\x1b[201~"


def comes_true(condition: Callable[[], object]) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: It did not within a generous limit.
    """
    end = time.monotonic() + LIMIT_S
    while not _holds(condition):
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.02)


def _holds(condition: Callable[[], object]) -> bool:
    with suppress(EngineStopped):  # it ended while it was asked, or was too busy to say
        return bool(condition())
    return False


def paste(text: str) -> bytes:
    """What a terminal sends for a paste."""
    return BEGIN_PASTE + text.encode("utf-8", "surrogateescape") + END_PASTE


def environment(**more: str) -> Mapping[str, str]:
    """That of this process, with the shared engine and a terminal of known kind."""
    known = {"NEMO_DOCS_IN_PROCESS": "false", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    unwanted = {"TMUX", "TEXTUAL", "TEXTUAL_DRIVER", "NO_COLOR"}
    return {**{name: value for name, value in os.environ.items() if name not in unwanted}, **known, **more}


def open_app(*, columns: int = 240, rows: int = 48, **more: str) -> Terminal:
    """The app, as soon as it can be typed into; wide, so that no sentence is broken into lines."""
    terminal = Terminal([sys.executable, "-m", "nemo_docs"], environment(**more), columns=columns, rows=rows)
    terminal.seen(PROMPT)
    return terminal


def link() -> Link:
    """The way to the engine of the home."""
    return Link(settings.load().paths.state, idle_s=120.0)


def engine() -> Status | None:
    """How the engine of the home is; None if there is none."""
    return link().status()


def is_at_work() -> bool:
    """Whether the engine carries a request out."""
    status = engine()
    return status is not None and status.running > 0


def library() -> Path:
    """The home's library."""
    return settings.load().paths.library


def documents() -> list[Document]:
    """What the home's library holds."""
    with LibraryReader(library()) as reader:
        return reader.documents()


def texts(handle: str) -> list[tuple[int, str]]:
    """The pages of a document, by number."""
    with LibraryReader(library()) as reader:
        return [(page.number, page.text) for page in reader.page_texts(handle)]


def turns() -> list[Turn]:
    """The last conversation, as it is kept."""
    kept = Conversations(library())
    latest = kept.latest()
    return [] if latest is None else kept.turns(latest)

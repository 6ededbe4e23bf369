"""Keeping what becomes of a question: its answer goes on disk before its last event is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nemo_docs.answering.events import Answer, AnswerEvent, Plan, Warn
from nemo_docs.errors import LibraryError

Finish = Callable[[Mapping[str, Any] | None, str, tuple[str, ...]], object]
"""Takes the answer, or None; `answered`, `stopped` or `failed`; and the handles of the documents that were read."""


def kept(events: Iterator[AnswerEvent], finish: Finish) -> Iterator[AnswerEvent]:
    """Pass events on, and hand what came of them to `finish`, however they end.

    An answer that cannot be kept is given all the same, with a warning.
    """
    read: dict[str, None] = {}
    is_finished = False
    try:
        for event in events:
            match event:
                case Plan():
                    read.update(dict.fromkeys(handle for note in event.windows for handle in note.document.split(",")))
                case Answer():
                    is_finished = True
                    try:
                        finish(event.as_dict(), "stopped" if event.finish == "cancelled" else "answered", tuple(read))
                    except LibraryError as error:
                        yield Warn(f"This answer is not kept: {error.message}")
            yield event
    finally:
        if not is_finished:
            finish(None, "failed", tuple(read))

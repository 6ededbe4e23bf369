"""What reading through the queue yields, one stream for every face, as with answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nemo_docs.answering.events import Event, Progress, Warn


@dataclass(frozen=True, slots=True)
class ReadingBegan(Event):
    """The next documents are read; `Progress` tells how far."""

    event: ClassVar[str] = "reading"
    document: str
    """Handles, joined by a comma: several where documents share windows."""
    title: str
    """Of the first."""
    waiting: int
    """How many documents wait behind."""
    batch: int
    """The act in which they were put into the queue."""


@dataclass(frozen=True, slots=True)
class DocumentRead(Event):
    """They are read, and have left the queue."""

    event: ClassVar[str] = "read"
    document: str
    title: str
    windows: int
    tokens: int
    """Of their text, as in `Progress` here: what stands around it in a prompt does not count."""
    tokens_cached: int
    """Of these, read before."""
    seconds: float


@dataclass(frozen=True, slots=True)
class NotRead(Event):
    """They cannot be read; the others go on."""

    event: ClassVar[str] = "not_read"
    document: str
    title: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class ReadingStopped(Event):
    """They are not read to the end now; what was read is kept."""

    event: ClassVar[str] = "stopped"
    document: str
    title: str
    reason: str
    """`cancelled`, `paused`, `dropped`, or `later` where others are wanted first."""
    tokens: int
    """Read so far."""


@dataclass(frozen=True, slots=True)
class Waiting(Event):
    """Nothing is read here for now."""

    event: ClassVar[str] = "waiting"
    reason: str
    """`reader`: another program reads the queue; `question`: one is being answered."""


QueueEvent = ReadingBegan | Progress | Warn | DocumentRead | NotRead | ReadingStopped | Waiting

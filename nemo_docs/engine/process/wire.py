"""What is said on the socket: versioned JSON, one object a message; nothing that is received is ever executed.

The engine's requests and events are frozen dataclasses of numbers, so a generic rule is enough: a dataclass becomes an
object with its class's name under `is`, a tuple becomes a list. JSON costs some milliseconds for a prompt of 100,000
tokens, which is nothing beside reading it, and can be read by people and by other languages.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from nemo_docs import __version__
from nemo_docs.engine import protocol
from nemo_docs.engine.memory_plan import Item, MemoryPlan
from nemo_docs.engine.protocol import BatchRequest, EngineEvent, Request, ScoreRequest
from nemo_docs.engine.spec import ModelSpec

VERSION = 1
"""Of the messages; a process that speaks another one is replaced."""
LONGEST_BYTES = 256 * 1024**2
"""A longer message is refused; a prompt of 128k tokens takes under one megabyte."""


class WireError(ValueError):
    """A message is not one of ours."""


@dataclass(frozen=True, slots=True)
class Hello:
    """First from a client."""

    build: str
    """Which code the client runs (`build_id`)."""
    idle_s: float
    """How long the engine may wait for requests from now on."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """First from the engine."""

    build: str
    pid: int


@dataclass(frozen=True, slots=True)
class Load:
    """Load a model; answered by `Layers` and `Done`."""

    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Run:
    """Carry out a request; answered by `Layers` where the model must be loaded, `Happened`, and `Done`."""

    spec: ModelSpec
    request: Request | ScoreRequest | BatchRequest


@dataclass(frozen=True, slots=True)
class Look:
    """How much of a prompt that begins with these segments is cached? Answered by `Found`, loading nothing."""

    spec: ModelSpec
    segments: tuple[tuple[int, ...], ...]
    """None at all asks whether anything is cached."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The request under way is no longer wanted."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Let go of what holds one of these texts; answered by `Done` once nothing of them is in memory or being saved."""

    labels: tuple[str, ...]
    """As `Text.label`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """How is the engine? Answered by `Status`."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End; answered by `Done` before the process is gone."""

    finish: bool
    """Whether to finish what is under way first."""


@dataclass(frozen=True, slots=True)
class Layers:
    """The model is being loaded."""

    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the request."""

    event: EngineEvent


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to `Look`."""

    tokens: int
    """Leading tokens that are cached; with no segments 1 if anything is, else 0."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked for is over."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was asked for failed; an error of `nemo_docs.errors`."""

    error: str
    """Its class."""
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Status:
    """How the engine is."""

    pid: int
    uptime_s: float
    model: ModelSpec | None
    """The loaded model."""
    device: str
    """Where it is; empty without a model."""
    precision: str
    """In which numbers it computes; empty without a model."""
    plan: MemoryPlan | None
    """What memory it takes for what; None without a model."""
    memory_bytes: int
    """Of the process, beside what a GPU holds."""
    connections: int
    running: int
    """Requests under way."""
    waiting: int
    """Requests that have not begun."""
    cached_tokens: int
    """Held in caches of recent prompts."""
    idle_s: float
    """How long it waits without requests."""
    idle_left_s: float
    """What is left of that."""


FromClient = Hello | Load | Run | Look | Cancel | Forget | Ask | Stop
FromEngine = Welcome | Layers | Happened | Found | Done | Refused | Status
Message = TypeVar("Message")


def _classes(module: ModuleType) -> dict[str, type]:
    return {name: each for name, each in inspect.getmembers(module, dataclasses.is_dataclass) if inspect.isclass(each)}


@cache
def _known() -> dict[str, type]:
    import sys

    return {**_classes(protocol), **_classes(sys.modules[__name__]), Item.__name__: Item}


def encode(message: FromClient | FromEngine) -> bytes:
    """A message as it goes over the socket."""
    return json.dumps({"v": VERSION, "message": message}, default=_plain, separators=(",", ":")).encode()


def decode(data: bytes, expected: type[Message] | Any) -> Message:
    """A message of one of the `expected` classes.

    Raises:
        WireError: If it is anything else.
    """
    try:
        outer = json.loads(data, object_hook=_object)
    except (ValueError, TypeError, RecursionError) as error:
        raise WireError(f"not a message: {error}") from None
    if not isinstance(outer, dict) or outer.get("v") != VERSION:
        raise WireError("a message of another version")
    message = outer.get("message")
    if not isinstance(message, expected):
        raise WireError(f"{type(message).__name__} is not due here")
    return message


def _plain(value: Any) -> dict[str, Any]:
    return {"is": type(value).__name__, **{each.name: getattr(value, each.name) for each in dataclasses.fields(value)}}


def _object(fields: dict[str, Any]) -> Any:
    name = fields.pop("is", None)
    values = {key: _frozen(value) for key, value in fields.items()}
    if name is None:
        return values
    if not isinstance(name, str) or name not in _known():
        raise WireError("an object of an unknown kind")
    return _known()[name](**values)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@cache
def build_id() -> str:
    """Which code this process runs: an engine of another one is replaced, so an update never answers with old code."""
    digest = hashlib.sha256(__version__.encode())
    package = Path(__file__).parents[2]
    for room in ("engine", "kv", "model"):
        for file in sorted((package / room).rglob("*.py")):
            facts = file.stat()
            digest.update(f"{file.name} {facts.st_size} {facts.st_mtime_ns}".encode())
    return f"{__version__}+{digest.hexdigest()[:12]}"

"""The tree of errors that a user can meet, drawn whole.

    NemoDocsError            exit code
    ├── UsageError           2  the command or a setting is wrong
    │   └── SettingsError    2
    ├── NothingFound         3  no such document, no hit, nothing readable
    ├── ReaderError          1  a file cannot be read
    │   ├── Encrypted
    │   ├── NoTextLayer
    │   └── Unreadable
    ├── LibraryError         1  the database cannot be opened or written
    ├── StoreError           1  what was read cannot be deleted or pinned on disk
    ├── ModelError           1
    │   ├── UnknownModel     2
    │   ├── WeightsMissing
    │   ├── WeightsCorrupt
    │   ├── DoesNotFit          disk or memory cannot hold it
    │   └── PullFailed
    └── EngineError          1
        ├── ContextExceeded     the prompt is longer than the window
        └── EngineStopped       the engine's process ended, or does not answer

A message is one sentence that says what is wrong, with its value; the hint says what to do. Assertions are for our own
bugs, never for user input, files or weights.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells the shell. Part of the interface."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING_FOUND = 3
    INTERRUPTED = 130


class NemoDocsError(Exception):
    """Base of every error that is shown to a user.

    Attributes:
        message: One sentence: what is wrong, with its value.
        hint: What to do about it; may be empty.
        exit_code: What the process exits with when this reaches the command line.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(NemoDocsError):
    """The command was given something that it cannot mean."""

    exit_code = ExitCode.USAGE


class SettingsError(UsageError):
    """A setting is unknown or has a value out of its bounds."""


class NothingFound(NemoDocsError):
    """No such document, no hit, nothing readable in a folder."""

    exit_code = ExitCode.NOTHING_FOUND


class ReaderError(NemoDocsError):
    """A file cannot be turned into pages."""


class Encrypted(ReaderError):
    """The file needs a password, or the one given is wrong."""


class NoTextLayer(ReaderError):
    """No page of the file holds any text."""


class Unreadable(ReaderError):
    """The file is empty, damaged, or of a kind that no reader knows."""


class LibraryError(NemoDocsError):
    """The database cannot be opened, read or written."""


class StoreError(NemoDocsError):
    """The store of what was read cannot be changed, or holds what is damaged."""


class ModelError(NemoDocsError):
    """A model cannot be found, fetched or loaded."""


class UnknownModel(ModelError):
    """The catalogue has no model of that name."""

    exit_code = ExitCode.USAGE


class WeightsMissing(ModelError):
    """The model's files are not on this machine."""


class WeightsCorrupt(ModelError):
    """A weight file is empty, cut short, or not what it claims to be."""


class DoesNotFit(ModelError):
    """Disk or memory cannot hold the model."""


class PullFailed(ModelError):
    """The source of a model cannot be reached, or refused."""


class EngineError(NemoDocsError):
    """The engine cannot carry out a request."""


class ContextExceeded(EngineError):
    """A prompt and its answer need more tokens than the window holds."""


class EngineStopped(EngineError):
    """The engine's process ended before it answered, or does not answer."""

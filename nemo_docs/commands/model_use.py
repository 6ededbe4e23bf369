"""What the commands that use the model have in common: its options, how it is opened, how a failure is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nemo_docs.commands.progress import Progress
from nemo_docs.commands.shared import emit_line
from nemo_docs.errors import NemoDocsError
from nemo_docs.settings import Configuration

if TYPE_CHECKING:
    from nemo_docs.backends.local import LocalBackend

MODEL_OPTIONS = ("model", "adapter", "device", "precision", "kv", "in_process")
"""The settings that say which model is used, and how."""


def model_of(configuration: Configuration, progress: Progress) -> LocalBackend:
    """The model that the settings name; loading it is told as progress.

    Raises:
        ModelError: It is unknown, missing or damaged.
    """
    from nemo_docs.backends.opening import open_backend

    paths = configuration.paths
    return open_backend(
        configuration.settings,
        models=paths.models,
        state=paths.state,
        kv=paths.kv,
        on_layer=lambda done, of: progress.update("Loading the model", done, of, "layers"),
    )


@contextmanager
def failure_as_event(as_json: bool) -> Iterator[None]:
    """With --json a failure is the last event, too; the sentence on stderr and the exit code stay."""
    from nemo_docs.answering.events import Failed

    try:
        yield
    except NemoDocsError as error:
        if as_json:
            emit_line(Failed(error.message, error.hint, int(error.exit_code)).as_dict())
        raise

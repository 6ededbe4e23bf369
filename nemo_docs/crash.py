"""What a bug leaves behind: where it happened, and nothing of what was being read.

Messages and local variables can hold document text, so only types, places and versions are written.
"""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime

from nemo_docs import __version__
from nemo_docs.errors import SettingsError
from nemo_docs.paths import Paths, private_folder


def record(error: BaseException) -> tuple[str, str]:
    """Write a log of an unexpected error and return the sentence and the hint for it."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        message = f"The system refused: {error.strerror}{where}."
    else:
        message = f"Something unexpected went wrong ({type(error).__name__})."
    try:
        path = private_folder(Paths.find().state) / f"error-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}.log"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.writelines(_lines(error))
    except (OSError, SettingsError) as trouble:
        return message, f"No log could be written: {trouble}"
    return message, f"Where it happened is in {path}; it holds no text of yours."


def _lines(error: BaseException) -> Iterator[str]:
    yield f"nemo-docs {__version__}, Python {sys.version}, {platform.platform()}\n"
    seen: BaseException | None = error
    while seen is not None:
        yield f"\n{type(seen).__module__}.{type(seen).__qualname__}\n"
        yield from traceback.format_tb(seen.__traceback__)
        seen = seen.__cause__ or seen.__context__

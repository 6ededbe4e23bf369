"""Text to vectors, in a child process: this is the parent's side."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from nemo_docs.errors import LibraryError, ModelError
from nemo_docs.library import child
from nemo_docs.library.meaning import model

_WAKE_EVERY_S = 0.1
_CHILD = "nemo_docs.library.meaning.process"


def _never() -> bool:
    return False


class Embedder:
    """A model that turns passages and questions into vectors. A context manager; not for several threads at once.

    The child starts with the object and loads beside whatever else is done until the first answer is wanted.
    """

    def __init__(self, *, threads: int = 0, in_background: bool = False) -> None:
        """Start the child.

        Args:
            threads: How many it may use; 0 lets OpenMP decide.
            in_background: Yield to whatever else the machine does.

        Raises:
            WeightsMissing: If the model is not on this machine.
        """
        model.require()
        self._process = child.start(_CHILD)
        self._messages = child.Messages(self._process)
        self._ask({"threads": threads, "background": in_background})

    def __enter__(self) -> Embedder:
        """The embedder itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the child."""
        self.close()

    def close(self) -> None:
        """End the child, whatever it does; a second time does nothing."""
        self._process.kill()
        self._messages.close()  # while its pipe is open: a thread reads it
        child.end(self._process)

    def query(self, text: str) -> bytes:
        """The vector of a question: `model.WIDTH` little-endian float32, of length 1.

        Raises:
            LibraryError: If the child ended.
            ModelError: If the weights are not those that were released.
        """
        self._ask({"query": _harmless(text[: model.QUERY_CHARACTERS])})
        found = self._answer(_never)
        assert found is not None
        return found

    def passages(self, texts: Sequence[str], cancelled: Callable[[], bool] = _never) -> bytes | None:
        """The vectors of passages, one after the other: `model.WIDTH` int8 each, see `vectors.quantised`.

        Args:
            texts: The passages; at least one.
            cancelled: Asked several times a second; once it says True this returns None, and the child is of no more
                use.

        Raises:
            LibraryError: If the child ended.
            ModelError: If the weights are not those that were released.
        """
        self._ask({"passages": [_harmless(text) for text in texts]})
        return self._answer(cancelled)

    def _ask(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died; the answer says so
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def _answer(self, cancelled: Callable[[], bool]) -> bytes | None:
        while not cancelled():
            message = self._messages.get(_WAKE_EVERY_S)
            if message is None:
                continue
            if "error" in message:
                raise ModelError(message["error"]["message"], hint=message["error"]["hint"])
            if not message:
                raise LibraryError(
                    "The process that computes meanings ended before it was done.",
                    hint="What it had done is kept; `nemo-docs index` goes on.",
                )
            return base64.b64decode(message["vectors"])
        return None


def _harmless(text: str) -> str:
    """Text that C can take: no NUL, and nothing that is not Unicode."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()

"""Questions as vectors, for as long as a search is open: one child process for all that is typed, started when wanted.

Starting the child takes half a second, a question 40 ms; a search while typing would not bear the first every time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nemo_docs.library.meaning.embedder import Embedder


class Questions:
    """For several threads; what they ask is answered one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._embedder: Embedder | None = None
        self._is_closed = False

    def vector(self, text: str) -> bytes | None:
        """The vector of a question; None once this is closed.

        Raises:
            WeightsMissing: If the model is not on this machine.
            LibraryError: If the child ended.
            ModelError: If the weights are not those that were released.
        """
        from nemo_docs.library.meaning.embedder import Embedder

        with self._lock:
            if self._is_closed:
                return None
            if self._embedder is None:
                self._embedder = Embedder()
            return self._embedder.query(text)

    def close(self) -> None:
        """End the child, as soon as it has answered."""
        with self._lock:
            self._is_closed = True
            if self._embedder is not None:
                self._embedder.close()

"""Notes that wait for the foot of their page. Shared by the formats that have notes: DOCX, ODT, RTF, slides."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from nemo_docs.library.readers.flow import Flow


class Foot:
    """What is to be written when a page, or a section, ends.

    Args:
        flow: Where to write.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._waiting: deque[tuple[str, Callable[[], None]]] = deque()

    def wait(self, mark: str, say: Callable[[], None]) -> None:
        """Keep a note for later.

        Args:
            mark: Stands before it: "[1]", a commenter's name in brackets.
            say: Writes its text; may let further notes wait.
        """
        self._waiting.append((mark, say))

    def write(self) -> None:
        """Write the notes that wait."""
        while self._waiting:
            mark, say = self._waiting.popleft()
            self._flow.block()
            self._flow.verbatim(f"{mark} ")
            say()
        self._flow.block()

    def page(self) -> None:
        """End the page: its notes, then a new one. A heading that the break stands in begins again behind it."""
        is_heading = self._flow.is_heading
        if is_heading:
            self._flow.body()
        self.write()
        self._flow.page()
        if is_heading:
            self._flow.heading()

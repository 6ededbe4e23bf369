"""What takes long within one act of the library, told to whoever listens: an index made anew, an index rewritten.

Each is one transaction, so whoever loses patience loses nothing: Ctrl-C, or the end of the process, leaves the library
as it was before. One listener for the whole process, since such an act may begin wherever the library is opened.
"""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[str, int, int], None]
"""Is told of a task, how many of its units are done, and how many there are; from the thread that does it, often."""

_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Tell this listener from now on, in place of any before it. What it raises ends the act, and takes it back."""
    _listeners[:] = [listener]


def tell(task: str, done: int, of: int) -> None:
    """Tell the listener how far a task is."""
    for listener in _listeners:
        listener(task, done, of)

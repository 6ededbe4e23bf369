"""What comes from the terminal: keys and pastes, on POSIX systems.

Textual reads a paste one character at a time, some nine seconds for 20 MB, and takes an escape within it for the
beginning of a key: what stands behind the escape would be carried out as if it had been typed, Ctrl+Q too. Here a paste
is found by its two marks and never looked into. Bytes that are no UTF-8, as in names of old files, would end the app;
here they come through as Python's own names of files have them.
"""

from __future__ import annotations

import os
import selectors
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator

from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Paste
from textual.message import Message

READ_BYTES = 1 << 16
LOOK_S = 0.1
"""How often it is looked whether an escape was a key of its own, or the app is leaving."""
HUNG_UP = 129
"""What a program exits with whose terminal was closed: 128 and the number of SIGHUP."""


class PasteParser(XTermParser):
    """Textual's parser for everything but what stands within a paste."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._pasted: list[str] | None = None
        """What has come of a paste; None outside of one."""
        self._seen = ""
        """The end of what was looked at last: a mark may come in two pieces."""

    def feed(self, data: str) -> Iterator[Message]:
        """Take in what the terminal sent; nothing at all means that it sends no more."""
        if not data:
            yield from super().feed(data)
        while data:
            if self._pasted is None:
                before, data = self._until_paste(data)
                yield from super().feed(before)
            else:
                after = self._until_end(data)
                if after is None:
                    return
                text, self._pasted, data = "".join(self._pasted), None, after
                # Textual's parser has seen the paste begin: it must see the end, and finds nothing between.
                yield from (each for each in super().feed(BRACKETED_PASTE_END) if not isinstance(each, Paste))
                yield Paste(text.replace("\0", ""))

    def _until_paste(self, data: str) -> tuple[str, str]:
        """Up to the mark with which a paste begins, and what stands behind it."""
        seen, self._seen = self._seen + data, ""
        at = seen.find(BRACKETED_PASTE_START)
        if at < 0:
            self._seen = seen[-len(BRACKETED_PASTE_START) + 1 :]
            return data, ""
        self._pasted = []
        end = at + len(BRACKETED_PASTE_START) - (len(seen) - len(data))
        return data[:end], data[end:]

    def _until_end(self, data: str) -> str | None:
        """Keep what is pasted; what stands behind the mark at its end, or None if that has not come."""
        assert self._pasted is not None
        body, mark, after = (self._seen + data).partition(BRACKETED_PASTE_END)
        if mark:
            self._seen = ""
            self._pasted.append(body)
            return after
        split = max(0, len(body) - len(BRACKETED_PASTE_END) + 1)
        self._pasted.append(body[:split])
        self._seen = body[split:]
        return None


class TerminalDriver(LinuxDriver):
    """Textual's driver with that parser; an app whose terminal has gone leaves."""

    def run_input_thread(self) -> None:
        """Hand on what the terminal sends until the app leaves."""
        parser = PasteParser(self._debug)
        decode = getincrementaldecoder("utf-8")("surrogateescape").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(LOOK_S):
                    data = self._read()
                    if not data:
                        self._app.call_later(self._app.exit, None, HUNG_UP)
                        return
                    if text := decode(data):  # nothing yet of a character of which a part has come
                        self._hand_on(parser.feed(text))
                self._hand_on(parser.tick())

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, READ_BYTES)
        except OSError:
            return b""

    def _hand_on(self, found: Iterable[Message]) -> None:
        for message in found:
            self.process_message(message)

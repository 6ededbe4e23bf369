"""The parent's side of extraction: start the child, take its pages as they come, never wait for ever.

Whatever happens in the child, the caller gets one outcome for each page and can go on: a page that takes too long is
given up and the child started anew behind it; a child that dies costs the page that it was reading.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

from nemo_docs.errors import Encrypted, Unreadable
from nemo_docs.library import child
from nemo_docs.library.clean import clean_line
from nemo_docs.library.readers import RawText
from nemo_docs.library.records import PageFlag, PageStatus


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost.

    Attributes:
        file_bytes: Size of the file.
        memory_bytes: Of the child's address space (POSIX).
        open_s: Wall-clock seconds until the number of pages is known.
        page_s: Wall-clock seconds for one page.
        file_s: Wall-clock seconds for the file in one go; adding it again goes on behind the last page.
    """

    file_bytes: int = 1 << 30
    memory_bytes: int = 4 << 30
    open_s: float = 120.0
    page_s: float = 60.0
    file_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that a reader can read: how many pages it has, what reads it, the SHA-256 of what was read."""

    pages: int
    extractor: str
    sha256: str


_NOTHING = RawText("")


@dataclass(frozen=True, slots=True)
class RawPage:
    """What came of one page: what the reader found, or why there is nothing."""

    number: int
    status: PageStatus
    found: RawText = _NOTHING
    note: str = ""


def extract(
    path: str, reader: str, *, start: int = 1, password: str | None = None, limits: Limits
) -> Generator[Opened | RawPage, None, None]:
    """Read a file in a child process: first what it is, then its pages in order.

    The child lives as long as the generator; close the generator to end it.

    Args:
        path: Absolute path of the file.
        reader: "module:Class", a row of READERS.
        start: First page to read, from 1.
        password: For an encrypted file.
        limits: What it may cost.

    Raises:
        Encrypted: If the file needs a password, or the one given is wrong.
        Unreadable: If it cannot be opened, or takes longer than `limits.file_s`; pages given before are good.
    """
    deadline = time.monotonic() + limits.file_s
    name = clean_line(os.path.basename(path))
    opened: Opened | None = None
    while opened is None or start <= opened.pages:
        with _child(path, reader, start, password, limits) as messages:
            now = _opening(messages, name, limits)
            if opened is None:
                yield now
            elif now != opened:
                raise Unreadable(f"{name} changed while it was read.", hint="Add it again.")
            opened = now
            while start <= opened.pages:
                page = _next_page(messages, start, name, limits, deadline)
                yield page
                start += 1
                if page.status is PageStatus.TIMEOUT or page.note == _DIED:
                    break


_DIED = "the reader died on this page"


def _opening(messages: child.Messages, name: str, limits: Limits) -> Opened:
    message = messages.get(limits.open_s)
    if message is None:
        raise Unreadable(f"{name} cannot be read: it took longer than {limits.open_s:g} seconds to open.")
    if "opened" in message:
        return Opened(**message["opened"])
    failed = message.get("failed", {"kind": "", "reason": "the reader died when it opened it", "hint": ""})
    if failed["kind"] == Encrypted.__name__:
        raise Encrypted(f"{name} cannot be read: {failed['reason']}.", hint="Add it again with --password.")
    raise Unreadable(
        f"{name} cannot be read: {clean_line(failed['reason']).rstrip('.')}.",
        hint=clean_line(failed["hint"]) or "Open it in another program to see whether it is sound.",
    )


def _next_page(messages: child.Messages, number: int, name: str, limits: Limits, deadline: float) -> RawPage:
    left = deadline - time.monotonic()
    message = messages.get(min(limits.page_s, left)) if left > 0 else None
    if message is None and time.monotonic() >= deadline:
        raise Unreadable(
            f"{name} took longer than {limits.file_s:g} seconds; {number - 1} pages were kept.",
            hint="Add it again to go on behind them.",
        )
    if message is None:
        return RawPage(number, PageStatus.TIMEOUT, note=f"it took longer than {limits.page_s:g} seconds")
    if "page" not in message:
        return RawPage(number, PageStatus.ERROR, note=_DIED)
    page = message["page"]
    if page["failure"]:
        return RawPage(number, PageStatus.ERROR, note=clean_line(page["failure"]))
    found = RawText(
        text=page["text"],
        hidden=tuple((int(start), int(end)) for start, end in page["hidden"]),
        extractor=clean_line(page["extractor"]),
        flags=tuple(PageFlag(flag) for flag in page["flags"]),
        label=clean_line(page["label"]),
    )
    return RawPage(number, PageStatus.OK, found)


@contextmanager
def _child(path: str, reader: str, start: int, password: str | None, limits: Limits) -> Iterator[child.Messages]:
    request = {
        "path": os.fsencode(path).hex(),
        "reader": reader,
        "start": start,
        "password": password,
        "file_bytes": limits.file_bytes,
        "memory_bytes": limits.memory_bytes,
        "cpu_s": int(limits.open_s + limits.file_s) + 1,
    }
    process = child.start("nemo_docs.library.extract")
    assert process.stdin is not None
    assert process.stdout is not None
    messages = child.Messages(process)
    try:
        with suppress(BrokenPipeError):  # it died at once; the next message says so
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        with closing(messages):
            try:
                yield messages
            finally:
                process.kill()
    finally:
        child.end(process)

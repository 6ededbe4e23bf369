"""The parent's side of extraction: have a child read, take its pages as they come, never wait for ever.

Whatever happens in the child, the caller gets one outcome for each page and can go on: a page that takes too long is
given up and another child goes on behind it; a child that dies costs the page that it was reading. To start a child
takes half a second, so one that read a file without trouble, and stayed small, reads the next one, too. A long file
that is opened quickly is read by several (`hands`): its pages come in order all the same, and are what one child would
give, since nothing of a page comes from those before it. (One too short to tell its language is told by who stores it.)
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from nemo_docs.errors import Encrypted, Unreadable
from nemo_docs.library import child, ledger, preparing
from nemo_docs.library.clean import clean_line
from nemo_docs.library.hands import Hands
from nemo_docs.library.readers import RawText, is_opened_quickly
from nemo_docs.library.records import PageFlag, PageStatus
from nemo_docs.library.versions import NewPage


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
    """What came of one page: what the reader found, or why there is nothing; and the page as it is to be stored."""

    number: int
    status: PageStatus
    found: RawText = _NOTHING
    note: str = ""
    ready: NewPage | None = None


def extract(
    path: str,
    reader: str,
    *,
    start: int = 1,
    password: str | None = None,
    limits: Limits,
    numbers: Sequence[int] = (),
    extractor: str = "",
    children: child.Children | None = None,
    prepares: bool = True,
) -> Generator[Opened | RawPage, None, None]:
    """Read a file in child processes: first what it is, then its pages in order.

    The children work as long as the generator lives; close the generator to end them.

    Args:
        path: Absolute path of the file.
        reader: "module:Class", a row of READERS.
        start: First page to read, from 1.
        password: For an encrypted file.
        limits: What it may cost.
        numbers: Read these pages, in this order, in place of all from `start` on.
        extractor: Read with this one of `readers.extractor_names`; empty leaves the choice to the reader.
        children: Where the children come from, and go if they can be used again; else it is one of its own.
        prepares: Whether the first child makes pages ready; else this process does, while the child reads on. What
            tells languages takes each child half a second to load.

    Raises:
        Encrypted: If the file needs a password, or the one given is wrong.
        Unreadable: If it cannot be opened, or takes longer than `limits.file_s`; pages given before are good.
    """
    deadline = time.monotonic() + limits.file_s
    name = clean_line(os.path.basename(path))
    opening = {
        "path": os.fsencode(path).hex(),
        "reader": reader,
        "password": password,
        "extractor": extractor,
        "prepares": prepares,
        "file_bytes": limits.file_bytes,
        "memory_bytes": limits.memory_bytes,
        "cpu_s": int(limits.open_s + limits.file_s) + 1,
    }
    lender = children or child.Children(CHILD)
    try:
        with closing(Hands(lender, opening, _most(path, reader), limits.memory_bytes * _KEPT_SHARE)) as hands:
            opened = _opened(hands.open(limits.open_s), name, limits)
            wanted = numbers or range(start, opened.pages + 1)
            hands.deal(wanted)
            yield opened
            for number in wanted:
                if hands.is_short and _opened(hands.replace(limits.open_s), name, limits) != opened:
                    raise Unreadable(f"{name} changed while it was read.", hint="Add it again.")
                page = _next_page(hands, opened.extractor, number, name, limits, deadline)
                yield page if page.ready else replace(page, ready=preparing.prepare(page, opened.extractor))
            hands.finish()
    finally:
        if children is None:
            lender.close()


def _most(path: str, reader: str) -> int:
    """How many children may have a file open at once: each holds all its bytes."""
    if not is_opened_quickly(reader):
        return 1
    try:
        return max(1, _SHARED_BYTES // max(1, os.path.getsize(path)))
    except OSError:  # it is gone; the child says so
        return 1


_DIED = "the reader died on this page"


def _opened(message: dict[str, Any] | None, name: str, limits: Limits) -> Opened:
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


def _next_page(hands: Hands, extractor: str, number: int, name: str, limits: Limits, deadline: float) -> RawPage:
    def nothing(status: PageStatus, note: str) -> RawPage:
        page = RawPage(number, status, note=note)
        return replace(page, ready=ledger.new_page(page, extractor))

    left = deadline - time.monotonic()
    message = hands.next_page(min(limits.page_s, left)) if left > 0 else None
    if message is None and time.monotonic() >= deadline:
        raise Unreadable(
            f"{name} took longer than {limits.file_s:g} seconds; {number - 1} pages were kept.",
            hint="Add it again to go on behind them.",
        )
    if message is None:
        return nothing(PageStatus.TIMEOUT, f"it took longer than {limits.page_s:g} seconds")
    if "page" not in message:
        return nothing(PageStatus.ERROR, _DIED)
    page = message["page"]
    if page["failure"]:
        return nothing(PageStatus.ERROR, clean_line(page["failure"]))
    found = RawText(
        text=page["text"],
        hidden=tuple((int(start), int(end)) for start, end in page["hidden"]),
        extractor=clean_line(page["extractor"]),
        flags=tuple(PageFlag(flag) for flag in page["flags"]),
        label=clean_line(page["label"]),
        order=tuple((int(start), int(end)) for start, end in page["order"]),
    )
    ready = page["ready"] and preparing.from_plain(page["ready"], found.text)
    return RawPage(number, PageStatus.OK, found, ready=ready)


CHILD = "nemo_docs.library.extract"
"""The module that reads."""
_SHARED_BYTES = 1 << 30
"""Of one file, in all children that have it open."""
_KEPT_SHARE = 1 / 8
"""Of the memory that a child may have; one that took more of it starts anew."""

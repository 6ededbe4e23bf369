"""The parent's side of extraction: have a child read, take its pages as they come, never wait for ever.

Whatever happens in the child, the caller gets one outcome for each page and can go on: a page that takes too long is
given up and another child goes on behind it; a child that dies costs the page that it was reading. To start a child
takes half a second, so one that read a file without trouble, and stayed small, reads the next one, too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from nemo_docs.errors import Encrypted, Unreadable
from nemo_docs.library import child, ledger, preparing
from nemo_docs.library.clean import clean_line
from nemo_docs.library.languages import UNKNOWN
from nemo_docs.library.readers import RawText
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
    language: str = UNKNOWN,
    password: str | None = None,
    limits: Limits,
    numbers: Sequence[int] = (),
    extractor: str = "",
    children: child.Children | None = None,
    prepares: bool = True,
) -> Generator[Opened | RawPage, None, None]:
    """Read a file in a child process: first what it is, then its pages in order.

    The child works as long as the generator lives; close the generator to end it.

    Args:
        path: Absolute path of the file.
        reader: "module:Class", a row of READERS.
        start: First page to read, from 1.
        language: Of the page before that one, where it is known.
        password: For an encrypted file.
        limits: What it may cost.
        numbers: Read these pages, in this order, in place of all from `start` on.
        extractor: Read with this one of `readers.extractor_names`; empty leaves the choice to the reader.
        children: Where the child comes from, and goes if it can be used again; else it is one of its own.
        prepares: Whether the child makes pages ready; else this process does, while the child reads on. What tells
            languages takes each child half a second to load.

    Raises:
        Encrypted: If the file needs a password, or the one given is wrong.
        Unreadable: If it cannot be opened, or takes longer than `limits.file_s`; pages given before are good.
    """
    deadline = time.monotonic() + limits.file_s
    name = clean_line(os.path.basename(path))
    request = {
        "path": os.fsencode(path).hex(),
        "reader": reader,
        "password": password,
        "extractor": extractor,
        "prepares": prepares,
        "file_bytes": limits.file_bytes,
        "memory_bytes": limits.memory_bytes,
        "cpu_s": int(limits.open_s + limits.file_s) + 1,
    }
    opened: Opened | None = None
    done = 0
    wanted: Sequence[int] = numbers
    while opened is None or done < len(wanted):
        with _borrowed(children) as used:
            used.child.ask({**request, "start": start + done, "numbers": [*numbers[done:]], "language": language})
            now = _opening(used, name, limits)
            if opened is None:
                wanted = numbers or range(start, now.pages + 1)
                yield now
            elif now != opened:
                raise Unreadable(f"{name} changed while it was read.", hint="Add it again.")
            opened = now
            while done < len(wanted):
                page = _next_page(used.child, opened.extractor, wanted[done], name, limits, deadline)
                if page.ready is None:
                    page = replace(page, ready=preparing.prepare(page, opened.extractor, language))
                yield page
                done += 1
                if page.ready and page.ready.status is PageStatus.OK:
                    language = page.ready.language
                if page.status is PageStatus.TIMEOUT or page.note == _DIED:
                    break
            else:
                used.is_sound = _is_small(used.child, limits)


_DIED = "the reader died on this page"


def _opening(used: _Borrowed, name: str, limits: Limits) -> Opened:
    message = used.child.get(limits.open_s)
    if message is None:
        raise Unreadable(f"{name} cannot be read: it took longer than {limits.open_s:g} seconds to open.")
    if "opened" in message:
        return Opened(**message["opened"])
    failed = message.get("failed", {"kind": "", "reason": "the reader died when it opened it", "hint": ""})
    used.is_sound = failed["kind"] in (Encrypted.__name__, Unreadable.__name__)
    if failed["kind"] == Encrypted.__name__:
        raise Encrypted(f"{name} cannot be read: {failed['reason']}.", hint="Add it again with --password.")
    raise Unreadable(
        f"{name} cannot be read: {clean_line(failed['reason']).rstrip('.')}.",
        hint=clean_line(failed["hint"]) or "Open it in another program to see whether it is sound.",
    )


def _next_page(
    messages: child.Child, extractor: str, number: int, name: str, limits: Limits, deadline: float
) -> RawPage:
    def nothing(status: PageStatus, note: str) -> RawPage:
        page = RawPage(number, status, note=note)
        return replace(page, ready=ledger.new_page(page, extractor, UNKNOWN))

    left = deadline - time.monotonic()
    message = messages.get(min(limits.page_s, left)) if left > 0 else None
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


@dataclass
class _Borrowed:
    child: child.Child
    is_sound: bool = False
    """Whether it may read another file: it came to the end of its last one, and stayed small; or refused it."""


@contextmanager
def _borrowed(children: child.Children | None) -> Iterator[_Borrowed]:
    lender = children or child.Children(CHILD)
    used = _Borrowed(lender.take())
    try:
        yield used
    finally:
        (lender.give_back if used.is_sound else lender.drop)(used.child)
        if children is None:
            lender.close()


def _is_small(used: child.Child, limits: Limits) -> bool:
    done = (used.get(_DONE_S) or {}).get("done")
    return done is not None and bool(done["memory_bytes"] < limits.memory_bytes * _KEPT_SHARE)


CHILD = "nemo_docs.library.extract"
"""The module that reads."""
_DONE_S = 5.0
_KEPT_SHARE = 1 / 8
"""Of the memory that a child may have; one that took more of it starts anew."""

"""Which documents, and which of their pages: `a`, `contract.pdf`, `a:3-7,12`, `a:10-`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from nemo_docs.errors import UsageError

_PAGES = re.compile(r"\d+(-\d*)?(,\d+(-\d*)?)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """A document as the user named it, with the pages asked for."""

    reference: str
    """Handle, path or part of a title; not yet looked up."""
    ranges: tuple[tuple[int, int | None], ...] = ()
    """First and last page, both included; a last page of None is the document's. Empty means all pages."""

    def pages(self, numbers: Iterable[int]) -> frozenset[int]:
        """Return those of a document's page `numbers` that are asked for.

        Raises:
            UsageError: A range names a page that the document does not have.
        """
        have = frozenset(numbers)
        if not self.ranges:
            return have
        last = max(have, default=0)
        wanted: set[int] = set()
        for low, high in self.ranges:
            beyond = low if low > last else high
            if beyond is not None and beyond > last:
                raise UsageError(
                    f"{self.reference} has no page {beyond}.", hint=f"It has {last} page{'' if last == 1 else 's'}."
                )
            wanted.update(range(low, (last if high is None else high) + 1))
        return have & wanted


def parse_scope(text: str) -> Scope:
    """Read `DOC` or `DOC:PAGES`. A colon that no page list follows belongs to the document's name.

    Raises:
        UsageError: Nothing stands before the colon, a page is 0, or a range runs backwards.
    """
    reference, colon, tail = text.rpartition(":")
    if not colon or not _PAGES.fullmatch(tail):
        reference, tail = text, ""
    if not reference.strip():
        raise UsageError(f"{text!r} names no document.", hint="Write DOC or DOC:PAGES, such as a:3-7,12.")
    return Scope(reference, tuple(_range(part, text) for part in tail.split(",") if part))


def _range(part: str, text: str) -> tuple[int, int | None]:
    first, dash, last = part.partition("-")
    low = int(first)
    high = int(last) if last else None if dash else low
    if low < 1 or (high is not None and high < low):
        raise UsageError(f"{text!r} has no such pages as {part!r}.", hint="Pages count from 1, as in a:3-7,12.")
    return low, high

"""Which documents, and which of their pages: `a`, `contract.pdf`, `a:3-7,12`, `a:10-`, or a collection's name.

What a name means is said in `nemo_docs.library.naming`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nemo_docs.errors import UsageError
from nemo_docs.plain import counted

if TYPE_CHECKING:
    from nemo_docs.library.reader import LibraryReader
    from nemo_docs.library.records import Document

_PAGES = re.compile(r"\d+(-\d*)?(,\d+(-\d*)?)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """A document as the user named it, with the pages asked for."""

    reference: str
    """Handle, path, part of a title, or a collection's name; not yet looked up."""
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
                raise UsageError(f"{self.reference} has no page {beyond}.", hint=f"It has {counted(last, 'page')}.")
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


def look_up(library: LibraryReader, scopes: Iterable[Scope]) -> dict[str, tuple[Document, frozenset[int]]]:
    """The documents that scopes name, each once by its handle, with all of its pages that any of them asks for.

    Raises:
        NothingFound: A scope names nothing.
        UsageError: It names several titles, a page that is not there, or pages of a collection.
    """
    from nemo_docs.library.naming import collection_named, document_named

    documents, collections = library.documents(), library.collections()
    wanted: dict[str, tuple[Document, frozenset[int]]] = {}
    for scope in scopes:
        members = collection_named(documents, collections, scope.reference)
        if members and scope.ranges:
            raise UsageError(
                f"{scope.reference!r} is a collection; only a document has pages.", hint="Give the document's handle."
            )
        for document in members or (document_named(documents, scope.reference),):
            pages = scope.pages(page.number for page in library.pages(document))
            held = wanted.get(document.handle, (document, frozenset()))[1]
            wanted[document.handle] = (document, held | pages)
    return wanted


def _range(part: str, text: str) -> tuple[int, int | None]:
    first, dash, last = part.partition("-")
    low = int(first)
    high = int(last) if last else None if dash else low
    if low < 1 or (high is not None and high < low):
        raise UsageError(f"{text!r} has no such pages as {part!r}.", hint="Pages count from 1, as in a:3-7,12.")
    return low, high

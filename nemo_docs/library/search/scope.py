"""Where to look: the passages of some documents, or of some of their pages, as ranges of ids.

A passage's id holds its version in the upper bits (see `indexing`), so documents are ranges, those added one after the
other a single range, and the index reads no entry outside of them.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nemo_docs.library.indexing import VERSION_BITS, id_range
from nemo_docs.library.search.statistics import Rows

_NARROW = 8
_VALUES = 500
"""Values in one query at most."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Ranges of passage ids, in order and apart."""

    ranges: tuple[tuple[int, int], ...] | None
    """First and last id of each; None for the whole library."""
    hidden: frozenset[int] = frozenset()
    """Versions that are still being read while their documents show another; their passages are not to be found."""

    @property
    def is_narrow(self) -> bool:
        """Whether the index is best asked range by range; else it is asked as a whole, and what it says is sifted."""
        return self.ranges is not None and len(self.ranges) <= _NARROW

    @property
    def is_everything(self) -> bool:
        """Whether every passage of the index is to be found."""
        return self.ranges is None and not self.hidden

    def among(self, passages: Iterable[int]) -> list[int]:
        """Those of some passages that are to be found."""
        if self.is_everything:
            return list(passages)
        return [passage for passage in passages if self._holds(passage)]

    def _holds(self, passage: int) -> bool:
        if passage >> VERSION_BITS in self.hidden:
            return False
        if self.ranges is None:
            return True
        at = bisect_right(self.ranges, (passage, 1 << 63)) - 1
        return at >= 0 and passage <= self.ranges[at][1]


def everywhere(rows: Rows) -> Scope:
    """The whole library."""
    hidden = rows(
        """SELECT v.id FROM versions v JOIN documents d ON d.id = v.document
           WHERE v.status = 'reading' AND d.version <> v.id"""
    )
    return Scope(None, frozenset(row["id"] for row in hidden))


def of_documents(rows: Rows, pages: Mapping[str, Iterable[int] | None]) -> Scope:
    """Some documents.

    Args:
        rows: Reads the library.
        pages: By a document's handle the page numbers that are wanted; None for all of them.
    """
    versions = {
        row["handle"]: row["version"]
        for row in _select(rows, "SELECT handle, version FROM documents WHERE handle", list(pages))
    }
    ranges: list[tuple[int, int]] = []
    for handle, numbers in pages.items():
        version = versions.get(handle)
        if version is None:
            continue
        if numbers is None:
            ranges.append(id_range(version))
        else:
            ranges += _page_ranges(rows, version, sorted(numbers))
    return Scope(_merged(ranges))


def _page_ranges(rows: Rows, version: int, numbers: Sequence[int]) -> list[tuple[int, int]]:
    found = []
    for at in range(0, len(numbers), _VALUES):
        some = numbers[at : at + _VALUES]
        found += rows(
            f"""SELECT s.id FROM pages p JOIN passages s ON s.text = p.text
                WHERE p.version = ? AND p.number IN ({", ".join("?" * len(some))})""",
            (version, *some),
        )
    return [(row["id"], row["id"]) for row in found]


def _select(rows: Rows, sql: str, values: Sequence[str]) -> list[sqlite3.Row]:
    return [
        row
        for at in range(0, len(values), _VALUES)
        for row in rows(f"{sql} IN ({', '.join('?' * len(values[at : at + _VALUES]))})", values[at : at + _VALUES])
    ]


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """In order, those that touch made one."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)

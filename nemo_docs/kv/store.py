"""Blocks on disk, one file each, found by their key alone.

There is no index that could be lost, outdated or wrong: what a folder lists is what there is. Writing is atomic (a name
of its own, synced, then renamed), so that any number of processes may share a folder without speaking to each other;
two that write the same block write the same bytes. What was used last is each file's time of change.

A store answers for names and bytes. Whether bytes are the block they claim to be is for `block_file.unpack` to say,
each time that they are read.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from nemo_docs.kv import places
from nemo_docs.kv.entries import Headers, entries
from nemo_docs.kv.eviction import victims
from nemo_docs.kv.files import file_size, is_abandoned, is_folder, make_folder, remove, write_file
from nemo_docs.kv.identity import Identity
from nemo_docs.kv.introduction import introduce
from nemo_docs.kv.pins import pinned
from nemo_docs.kv.shares import write_shares
from nemo_docs.paths import private_folder

FLOOR_BYTES = 2_000_000_000
"""What stays free on the disk unless asked otherwise."""
MOST_REMOVALS = 4
"""So many while it is being written do not keep a block from being kept."""
BUDGET_SHARE = 5
"""Unless asked otherwise a store takes one part in so many of the disk that is free or its own."""
RESCAN_WRITES = 64
"""After so many writes the folder is measured anew: other processes write, too."""
PIECE_BYTES = 1 << 22
"""Read at once, so that a checksum finds it in the processor's cache: main memory is what is slow here. Smaller pieces
cost many threads more, who wait for Python's lock behind each."""
SLACK = 64
"""When there is no room, one part in so many of the budget is freed at once, so that not every write has to search."""


class BlockStore:
    """Blocks of one identity, in a folder that it shares with those of others.

    Safe to use from several threads and processes at once.

    Args:
        folder: Of all blocks; made if it is missing.
        identity: How rows are computed that are read and written here.
        asks: What the model was asked for with, for those who look blocks up without loading one.
        budget_bytes: What all blocks in the folder may take, those of other identities too; None for a fifth of what
            is free on the disk or already theirs.
        floor_bytes: What must stay free on the disk.

    Attributes:
        seed: What chains of keys begin with.
        in_use: Keys that are not evicted, for as long as they are in here.

    Raises:
        SettingsError: The folder cannot be made or written.
        OSError: The disk refuses.
    """

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        *,
        asks: str = "",
        budget_bytes: int | None = None,
        floor_bytes: int = FLOOR_BYTES,
    ) -> None:
        self.seed = identity.seed
        self.in_use: set[str] = set()
        self._folder, self._identity, self._asks = folder, identity, asks
        self._home = places.seed_folder(folder, self.seed)
        self._budget_bytes, self._floor_bytes = budget_bytes, floor_bytes
        self._counting = threading.Lock()
        self._total, self._unscanned = 0, RESCAN_WRITES  # measured with the first write
        self._headers = Headers()
        private_folder(folder)
        introduce(self._home, identity, asks)
        for path in filter(is_abandoned, places.temporary_files(folder)):
            with suppress(OSError):
                path.unlink()

    @property
    def is_empty(self) -> bool:
        """Whether no block of this identity is there."""
        return places.is_empty(self._home)

    def held(self, keys: Sequence[str]) -> int:
        """How many leading blocks are there. Nothing is opened or marked as used."""
        return places.leading(self._home, keys)

    def size_of(self, key: str) -> int:
        """Length of a block's file; 0 if it is not there."""
        return file_size(self._path(key))

    def touch(self, keys: Iterable[str]) -> None:
        """Mark blocks as used now, all with one time. Those that are not there are passed over."""
        now = time.time_ns()
        for key in keys:
            with suppress(OSError):
                if self.size_of(key):
                    os.utime(self._path(key), ns=(now, now))

    def read_into(self, key: str, buffer: memoryview, seen: Callable[[int], None] = lambda read: None) -> int:
        """Read a block's file. Other threads run meanwhile.

        Args:
            key: Of the block.
            buffer: Where it goes.
            seen: Told of how many bytes there are, each time that some more have come.

        Returns:
            How many bytes were read, which is the whole file: `unpack` wants these and no more. 0 if it is gone, cannot
            be read, or does not fit into the buffer.
        """
        try:
            with places.open_block(self._path(key)) as file:
                if file.size > len(buffer):
                    return 0
                done = 0
                while done < file.size:
                    read = file.readinto(buffer[done : min(done + PIECE_BYTES, file.size)])
                    if not read:
                        return 0
                    done += read
                    seen(done)
                return done
        except OSError:
            return 0

    def write(self, key: str, data: memoryview) -> bool:
        """Keep a block.

        Returns:
            Whether it is there now, written or found; False where the budget or the floor does not allow it.

        Raises:
            OSError: The disk refuses, for instance because it is full. Nothing is left behind.
        """
        if self.size_of(key):
            return True
        with self._counting:
            if not is_folder(self._home):  # removed while we ran
                introduce(self._home, self._identity, self._asks)
            if not self._make_room(len(data)):
                return False
            self._total += len(data)
            self._unscanned += 1
        try:
            self._write(key, data)
        except OSError:
            with self._counting:
                self._total -= len(data)
            raise
        return True

    def _write(self, key: str, data: memoryview) -> None:
        target = self._path(key)
        make_folder(target.parent)
        if not self.size_of(key):
            remove(target)  # no block: an empty file, a folder, a link
        try:
            _write_in_spite_of_removals(target, data)
        except PermissionError:  # Windows replaces no file that somebody reads: then the block is there
            if not self.size_of(key):
                raise

    def discard(self, key: str) -> None:
        """Remove a block that was found to be bad."""
        path = self._path(key)
        with suppress(OSError):
            if is_folder(path.parent):
                remove(path)

    def note_shares(self) -> None:
        """Write down how much of each text is stored, for those who list it.

        Raises:
            OSError: The disk refuses.
        """
        write_shares(self._folder, self.seed, self._headers)

    def _path(self, key: str) -> Path:
        return places.block_path(self._home, key)

    def _make_room(self, n_bytes: int) -> bool:
        """Whether a block may be written, after others were removed for it if need be."""
        if self._unscanned >= RESCAN_WRITES or self._excess(n_bytes) > 0:
            self._total = sum(
                found.n_bytes for home in places.seed_folders(self._folder) for found in places.scan(home)
            )
            self._unscanned = 0
        if self._excess(n_bytes) <= 0:
            return True
        blocks, now = list(entries(self._folder, self._headers)), time.time()
        self._total = sum(entry.n_bytes for entry in blocks)
        self._headers.keep({entry.path for entry in blocks})
        excess = self._excess(n_bytes)
        wanted = max(excess, self._budget() // SLACK)
        chosen = victims(blocks, wanted, pinned=pinned(self._folder), in_use=set(self.in_use), now=now)
        if sum(entry.n_bytes for entry in chosen) < excess:
            return False  # nothing is gained by removing what does not make room
        for entry in chosen:
            with suppress(OSError):
                remove(entry.path)
                self._total -= entry.n_bytes
        return self._excess(n_bytes) <= 0

    def _excess(self, n_bytes: int) -> int:
        """Bytes that would have to go for so many to come: over the budget, or below the floor."""
        missing = self._floor_bytes - (shutil.disk_usage(self._home).free - n_bytes)
        return max(self._total + n_bytes - self._budget(), missing)

    def _budget(self) -> int:
        if self._budget_bytes is not None:
            return self._budget_bytes
        return (shutil.disk_usage(self._home).free + self._total) // BUDGET_SHARE


def _write_in_spite_of_removals(target: Path, data: memoryview) -> None:
    """Write a file; once more where somebody who removes another text has taken it half-written."""
    for _ in range(MOST_REMOVALS):
        with suppress(FileNotFoundError):
            write_file(target, data)
            return
        make_folder(target.parent)
    write_file(target, data)

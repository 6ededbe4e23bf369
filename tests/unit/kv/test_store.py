"""A folder of blocks: what is written is there, within a budget, for its owner alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nemo_docs.kv.catalogue import entries, held, pin
from nemo_docs.kv.places import block_path, scan, seed_folder, seed_folders, temporary_files
from nemo_docs.kv.store import BlockStore
from tests.unit.kv.stored import IDENTITY, OTHER, Stored, blocks_of, fill, open_store

SIZE = len(blocks_of(range(256), [256])[0].data)


def single(number: int, label: str = "") -> Stored:
    """A prompt of one block; all such have one size where labels are as long."""
    ids = [number] * 256
    (block,) = blocks_of(ids, [256], [((label, 256),)] if label else None)
    return block


def age(folder: Path, seconds: float) -> None:
    """Make all blocks older than they are."""
    for home in seed_folders(folder):
        for found in scan(home):
            os.utime(found.path, (found.used - seconds, found.used - seconds))


def stored_bytes(folder: Path) -> int:
    return sum(found.n_bytes for home in seed_folders(folder) for found in scan(home))


def test_what_is_written_is_read_back_by_whoever_opens_the_folder_next(tmp_path):
    blocks = blocks_of(range(700), [300, 700])
    keys = fill(open_store(tmp_path / "kv"), blocks)
    store = open_store(tmp_path / "kv")
    assert store.held(keys) == held(tmp_path / "kv", store.seed, keys) == 4
    assert store.held(["0" * 64, *keys]) == 0
    assert store.held([*keys[:2], "0" * 64, *keys[2:]]) == 2
    for block in blocks:
        assert store.size_of(block.key) == len(block.data)
        memory = bytearray(len(block.data) + 7)
        assert store.read_into(block.key, memoryview(memory)) == len(block.data)
        assert memory == bytes(block.data) + bytes(7)
        assert store.read_into(block.key, memoryview(memory)[: len(block.data) - 1]) == 0
    store.discard(keys[1])
    assert store.held(keys) == 1
    assert store.read_into(keys[1], memoryview(bytearray(10**6))) == 0


def test_a_block_that_is_there_is_not_written_again(tmp_path):
    store, block = open_store(tmp_path / "kv"), single(1)
    fill(store, [block])
    before = os.stat(block_path(seed_folder(tmp_path / "kv", store.seed), block.key)).st_ino
    assert store.write(block.key, block.data)
    assert os.stat(block_path(seed_folder(tmp_path / "kv", store.seed), block.key)).st_ino == before


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_only_the_owner_can_read_anything(tmp_path):
    before = os.umask(0)
    try:
        store = open_store(tmp_path / "home" / "kv")
        fill(store, [single(1, "a")])
        store.note_shares()
        pin(tmp_path / "home" / "kv", "a")
    finally:
        os.umask(before)
    paths = [tmp_path / "home", *(tmp_path / "home").rglob("*")]
    assert {path.name for path in paths if path.is_file()} >= {"identity.json", "shares.json", "pins.json"}
    assert {(path.is_dir(), oct(path.stat().st_mode & 0o777)) for path in paths} == {(True, "0o700"), (False, "0o600")}


def test_touching_gives_all_one_time_and_passes_over_what_is_gone(tmp_path):
    store = open_store(tmp_path / "kv")
    keys = fill(store, [single(number) for number in range(3)])
    age(tmp_path / "kv", 1000)
    store.touch([keys[0], "0" * 64, keys[2]])
    used = {entry.key: entry.used for entry in entries(tmp_path / "kv")}
    assert used[keys[0]] == used[keys[2]] > time.time() - 60
    assert used[keys[1]] < time.time() - 900


def test_the_budget_counts_blocks_of_every_identity_and_evicts_them_alike(tmp_path):
    folder = tmp_path / "kv"
    theirs = open_store(folder, OTHER)
    others = blocks_of(range(256), [256], identity=OTHER)
    fill(theirs, others)
    age(folder, 2000)
    first = open_store(folder, budget_bytes=3 * SIZE)
    fill(first, [single(1)])
    age(folder, 1000)
    second = open_store(folder, budget_bytes=3 * SIZE)
    fill(second, [single(2)])
    assert stored_bytes(folder) == 3 * SIZE
    assert theirs.held([others[0].key]) == 1
    fill(second, [single(3)])
    assert stored_bytes(folder) == 3 * SIZE
    assert theirs.held([others[0].key]) == 0
    assert first.held([single(1).key]) == 1


def test_what_another_process_wrote_meanwhile_counts(tmp_path):
    store, other = (open_store(tmp_path / "kv", budget_bytes=4 * SIZE) for _ in range(2))
    fill(store, [single(0)])
    fill(other, [single(1), single(2)])
    age(tmp_path / "kv", 1000)
    for number in range(3, 80):
        fill(store, [single(number)])
        age(tmp_path / "kv", 1000)
    assert stored_bytes(tmp_path / "kv") <= 4 * SIZE


def test_no_room_is_made_of_what_is_in_use(tmp_path):
    folder = tmp_path / "kv"
    store = open_store(folder, budget_bytes=2 * SIZE)
    fill(store, [single(1), single(2)])
    assert not store.write(single(3).key, single(3).data), "both were used within a minute"
    age(folder, 1000)
    store.in_use.update({single(1).key, single(2).key})
    assert not store.write(single(3).key, single(3).data)
    assert store.held([single(1).key, single(2).key]) == 2
    store.in_use.remove(single(2).key)
    fill(store, [single(3)])
    assert store.held([single(1).key]) == store.held([single(3).key]) == 1
    assert store.held([single(2).key]) == 0


def test_pinned_texts_go_last(tmp_path):
    folder = tmp_path / "kv"
    blocks = [single(number, "abc"[number]) for number in range(3)]
    size = len(blocks[0].data)
    store = open_store(folder, budget_bytes=3 * size)
    for block in blocks:
        fill(store, [block])
        age(folder, 1000)
    pin(folder, "a")
    fill(store, [single(5, "d")])
    assert [store.held([block.key]) for block in blocks] == [1, 0, 1]
    age(folder, 1000)
    pin(folder, "c")
    pin(folder, "d")
    fill(store, [single(6, "e")])
    assert [store.held([block.key]) for block in blocks] == [0, 0, 1], "nothing else was left"


def test_nothing_is_removed_for_what_will_not_fit_anyway(tmp_path):
    store = open_store(tmp_path / "kv", budget_bytes=2 * SIZE)
    fill(store, [single(1), single(2)])
    age(tmp_path / "kv", 1000)
    store.in_use.add(single(1).key)
    large = memoryview(bytes(2 * SIZE))
    assert not store.write("0" * 64, large)
    assert store.held([single(1).key, single(2).key]) == 2


def test_the_floor_is_kept(tmp_path):
    folder = tmp_path / "kv"
    free = shutil.disk_usage(tmp_path).free
    assert not open_store(folder, floor_bytes=free + 10**9).write(single(1).key, single(1).data)
    assert open_store(folder, floor_bytes=free // 2).write(single(1).key, single(1).data)


def test_without_a_budget_a_fifth_of_the_disk_is_taken(tmp_path):
    store = open_store(tmp_path / "kv", budget_bytes=None)
    free = shutil.disk_usage(tmp_path).free
    path = block_path(seed_folder(tmp_path / "kv", store.seed), "0" * 64)
    path.parent.mkdir()
    for share, stays in ((3, False), (10, True)):
        with open(path, "wb") as file:
            file.truncate(free // share)  # a sparse file, which takes nothing of what is free
        fill(open_store(tmp_path / "kv", budget_bytes=None), [single(share)])
        assert path.exists() is stays


@pytest.mark.skipif(os.name != "posix", reason="POSIX alone limits a process's files")
def test_a_disk_that_is_full_is_told_and_nothing_stays_behind(tmp_path):
    code = """
import errno, resource, signal, sys
from pathlib import Path
from tests.unit.kv.stored import blocks_of, open_store
folder = Path(sys.argv[1])
small, large = blocks_of(range(40), [20, 40], heads=(2, 1, 4)), blocks_of(range(256), [256], heads=(8, 4, 16))
store = open_store(folder)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
assert len(large[0].data) > 100_000
try:
    store.write(large[0].key, large[0].data)
except OSError as error:
    print(errno.errorcode[error.errno])
assert store.held([large[0].key]) == 0
assert store.write(small[0].key, small[0].data)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "kv")], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("EFBIG\n", "")
    assert temporary_files(tmp_path / "kv") == []
    assert len(list(entries(tmp_path / "kv"))) == 1


def test_a_disk_that_cannot_be_written_is_told(tmp_path):
    """A file where a folder must be: for root, too, there is no writing there."""
    store = open_store(tmp_path / "kv")
    shutil.rmtree(tmp_path / "kv")
    (tmp_path / "kv").write_text("in the way")
    with pytest.raises(OSError, match=r"kv"):
        store.write(single(1).key, single(1).data)


def test_a_folder_that_was_removed_is_made_again(tmp_path):
    store = open_store(tmp_path / "kv")
    fill(store, [single(1)])
    shutil.rmtree(tmp_path / "kv")
    assert store.held([single(1).key]) == 0
    fill(store, [single(1)])
    assert (seed_folder(tmp_path / "kv", store.seed) / "identity.json").exists()
    assert BlockStore(tmp_path / "kv", IDENTITY).held([single(1).key]) == 1


@pytest.mark.skipif(os.name != "posix", reason="elsewhere only age tells")
def test_opening_sweeps_what_dead_processes_left_and_nothing_else(tmp_path):
    folder = tmp_path / "kv"
    store = open_store(folder)
    fill(store, [single(1)])
    shelf = block_path(seed_folder(folder, store.seed), single(1).key).parent
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, living, old, foreign = (
        shelf / name
        for name in (
            f".{'a' * 64}-{ended.pid}-0123456789abcdef.tmp",
            f".{'b' * 64}-{os.getpid()}-0123456789abcdef.tmp",
            f".{'c' * 64}-{os.getpid()}-0123456789abcdef.tmp",
            "notes.txt",
        )
    )
    for path in (dead, living, old, foreign):
        path.write_text("x")
    os.utime(old, (time.time() - 4000,) * 2)
    open_store(folder, OTHER)
    assert [path.exists() for path in (dead, living, old, foreign)] == [False, True, False, True]
    assert store.held([single(1).key]) == 1

"""Several processes and one folder: one copy of each block, and none half-written, whoever is killed."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from nemo_docs.kv.block_file import unpack
from nemo_docs.kv.catalogue import entries, verify
from nemo_docs.kv.files import listing
from nemo_docs.kv.places import seed_folder, temporary_files
from nemo_docs.kv.store import BlockStore
from tests.unit.kv.stored import IDENTITY, Stored, blocks_of, fill, open_store

TOKENS = 50 * 256


def many() -> list[Stored]:
    """Fifty blocks of one prompt."""
    return blocks_of(range(TOKENS), [TOKENS], [(("text", TOKENS),)], heads=(4, 2, 16))


def write_all(folder: Path, ready: Barrier) -> None:
    blocks, store = many(), open_store(folder)
    ready.wait()
    fill(store, blocks)
    assert whole(store, blocks) == len(blocks)


def whole(store: BlockStore, blocks: list[Stored]) -> int:
    """How many blocks come back, each as it was written; what comes back is never anything else."""
    memory, count = memoryview(bytearray(len(blocks[0].data))), 0
    for block in blocks:
        n_bytes = store.read_into(block.key, memory)
        assert n_bytes in (0, len(block.data))
        if n_bytes:
            assert unpack(memory[:n_bytes], key=block.key, seed=store.seed, ids=block.ids) is not None
            assert memory[:n_bytes] == block.data
            count += 1
    return count


def test_two_processes_that_write_the_same_blocks_leave_one_copy(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(2)
    writers = [spawn.Process(target=write_all, args=(tmp_path / "kv", ready)) for _ in range(2)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
    assert [each.exitcode for each in writers] == [0, 0]
    blocks = many()
    assert whole(open_store(tmp_path / "kv"), blocks) == len(blocks)
    assert len(list(entries(tmp_path / "kv"))) == len(blocks)
    assert list(verify(tmp_path / "kv")) == []
    assert temporary_files(tmp_path / "kv") == []


def test_threads_read_what_others_write_whole_or_not_at_all(tmp_path):
    store, blocks = open_store(tmp_path / "kv"), many()
    failed: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                whole(store, blocks)
        except BaseException as error:
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for each in readers:
        each.start()
    fill(store, blocks)
    for block in blocks[::2]:
        store.discard(block.key)
    done.set()
    for each in readers:
        each.join()
    assert failed == []
    assert whole(store, blocks) == len(blocks) // 2


WRITER = """
import sys
from pathlib import Path
from tests.unit.kv.stored import open_store
from tests.unit.kv.test_store_processes import many
folder, blocks = Path(sys.argv[1]), many()
print("ready", flush=True)
while True:
    store = open_store(folder)
    for block in blocks:
        store.write(block.key, block.data)
    store.note_shares()
    for block in blocks[::2]:
        store.discard(block.key)
"""


def killed_while_writing(folder: Path, moments: int, seed: int) -> None:
    """Kill a writer at random moments, and look at what is left each time."""
    blocks, rng, left = many(), random.Random(seed), 0
    for _ in range(moments):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0, 0.15))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        left += len(temporary_files(folder))
        store = open_store(folder)
        assert temporary_files(folder) == []
        whole(store, blocks)
        assert list(verify(folder)) == []
        home = listing(seed_folder(folder, store.seed))
        assert all(each.name in ("identity.json", "shares.json") or each.is_dir() for each in home)
    fill(open_store(folder), blocks)
    assert whole(open_store(folder, IDENTITY), blocks) == len(blocks)
    if moments >= 20:
        assert left, "else nothing was interrupted, and the test proves nothing"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_writer_leaves_blocks_whole_or_absent(tmp_path):
    killed_while_writing(tmp_path / "kv", 2, seed=0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_writers_killed_at_many_moments_leave_blocks_whole_or_absent(tmp_path):
    killed_while_writing(tmp_path / "kv", 30, seed=1)

"""What commands do with stored blocks: list, share out, pin, remove, find; without torch and without a model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from nemo_docs.kv.catalogue import entries, find_identity, pin, pinned, purge, shares, unpin, verify
from nemo_docs.kv.identity import Identity
from nemo_docs.kv.places import scan, seed_folder
from nemo_docs.kv.store import BlockStore
from tests.unit.kv.stored import IDENTITY, OTHER, blocks_of, fill, open_store

A, B, C = ("a" * 64, 300), ("b" * 64, 400), ("c" * 64, 500)
PREAMBLE = list(range(20))


def window(texts: list[tuple[str, int]], lengths: list[int], identity: Identity = IDENTITY, first: int = 1000):
    """A preamble without a label, and parts of texts behind it, each depending on those before."""
    ids, ends, labels = list(PREAMBLE), [len(PREAMBLE)], [()]
    for at, (text, length) in enumerate(zip(texts, lengths, strict=True)):
        ids += [first + ord(text[0][0])] * length
        ends.append(len(ids))
        labels.append(tuple(dict.fromkeys(texts[: at + 1])))
    return blocks_of(ids, ends, labels, identity=identity)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kv"


@pytest.fixture
def store(folder: Path) -> BlockStore:
    return open_store(folder, asks="default")


def test_entries_say_what_blocks_hold(store, folder):
    blocks = window([A, B], [300, 400])
    fill(store, blocks)
    found = {entry.key: entry for entry in entries(folder)}
    assert {key: entry.header for key, entry in found.items()} == {block.key: block.header for block in blocks}
    for block in blocks:
        entry = found[block.key]
        assert (entry.n_bytes, entry.tokens, entry.labels) == (len(block.data), len(block.ids), block.header.labels)
        assert entry.seed == store.seed.hex()[:16]
    assert list(entries(folder, seed=OTHER.seed)) == []
    assert len(list(entries(folder, seed=IDENTITY.seed))) == len(blocks)
    assert list(entries(folder / "nothing")) == list(verify(folder / "nothing")) == []


def test_shares_count_what_can_be_used_of_each_text(store, folder):
    fill(store, window([A, B], [300, 250]))
    assert shares(folder, store.seed) == {A[0]: (300, 300), B[0]: (250, 400)}
    fill(store, window([B], [150], first=2000))  # a second window, of B alone: another place
    assert shares(folder, store.seed)[B[0]] == (250, 400)
    fill(store, window([B], [200], first=3000))  # and a third
    assert shares(folder, store.seed)[B[0]] == (350, 400), "windows of one text add up"
    fill(store, window([B], [256], first=4000))
    assert shares(folder, store.seed)[B[0]] == (400, 400), "never more than there is"
    assert shares(folder, OTHER.seed) == {}


def test_a_block_whose_chain_is_broken_counts_for_nothing(store, folder):
    blocks = window([A, B], [300, 256])
    fill(store, blocks)
    store.discard(blocks[2].key)  # the second of A's two
    assert shares(folder, store.seed) == {A[0]: (256, 300)}
    store.discard(blocks[0].key)
    assert shares(folder, store.seed) == {}


def test_shares_are_noted_and_made_again_when_they_are_old_or_nonsense(store, folder):
    file = seed_folder(folder, store.seed) / "shares.json"
    blocks = window([A], [300])
    fill(store, blocks)
    store.note_shares()
    noted = json.loads(file.read_text())
    assert noted == {"blocks": 3, "shares": {A[0]: [300, 300]}}
    file.write_text(json.dumps({"blocks": 3, "shares": {"x": [1, 2]}}))
    assert shares(folder, store.seed) == {"x": (1, 2)}, "what is noted is believed while nothing was added or removed"
    store.discard(blocks[2].key)
    assert shares(folder, store.seed) == {A[0]: (256, 300)}
    for text in (
        "",
        "[" * 100_000,
        "[]",
        '{"blocks": 2}',
        '{"blocks": 2, "shares": 7}',
        '{"blocks":2,"shares":{"a":[1]}}',
    ):
        file.write_text(text)
        assert shares(folder, store.seed) == {A[0]: (256, 300)}
    file.unlink()
    assert shares(folder, store.seed) == {A[0]: (256, 300)}
    assert json.loads(file.read_text())["blocks"] == 2


def test_purging_a_text_takes_everything_that_depends_on_it(store, folder):
    alone, behind, other = window([A], [300]), window([A, B], [300, 400], first=2000), window([C], [100])
    theirs = open_store(folder, OTHER)
    foreign = window([A], [300], OTHER)
    for each in (alone, behind, other):
        fill(store, each)
    fill(theirs, foreign)
    pin(folder, A[0])
    pin(folder, C[0])
    store.note_shares()
    gone = [*alone[1:], *behind[1:], *foreign[1:]]
    assert purge(folder, A[0]) == (len(gone), sum(len(block.data) for block in gone))
    assert {entry.key for entry in entries(folder)} == {other[0].key, other[1].key, foreign[0].key}
    assert pinned(folder) == {C[0]}
    for path in folder.rglob("*"):
        assert path.is_dir() or A[0].encode() not in path.read_bytes()
    assert purge(folder, A[0]) == (0, 0)


def test_purging_one_identity_leaves_the_others(store, folder):
    fill(store, window([A], [300]))
    fill(open_store(folder, OTHER), foreign := window([A], [300], OTHER))
    assert purge(folder, A[0], IDENTITY.seed)[0] == 2
    assert purge(folder, seed=IDENTITY.seed)[0] == 1
    assert {entry.key for entry in entries(folder)} == {block.key for block in foreign}
    assert purge(folder / "nothing") == (0, 0)


def test_purging_all_leaves_what_pinned_texts_need_unless_told_otherwise(store, folder):
    kept, other = window([A, B], [300, 256]), window([C], [100])
    fill(store, [*kept, *other])
    pin(folder, B[0])
    assert purge(folder)[0] == 1
    assert {entry.key for entry in entries(folder)} == {block.key for block in kept}
    assert purge(folder, pinned_too=True)[0] == len(kept)
    assert list(entries(folder)) == []
    fill(store, other)
    assert store.held([block.key for block in other]) == 2


def test_purging_removes_what_is_being_written(store, folder):
    """It may hold some of the text; who writes another one does so once more."""
    fill(store, window([A], [300]))
    shelf = next(scan(seed_folder(folder, store.seed))).path.parent
    unfinished = shelf / f".{'a' * 64}-{os.getpid()}-0123456789abcdef.tmp"
    unfinished.write_text("some of the text")
    purge(folder, "another")
    assert not unfinished.exists()


def test_pins_are_a_set_that_survives_nonsense(folder):
    assert pinned(folder) == set()
    unpin(folder, "a")
    assert not folder.exists()
    pin(folder, "b")
    pin(folder, "a")
    pin(folder, "a")
    assert pinned(folder) == {"a", "b"}
    unpin(folder, "b")
    assert pinned(folder) == {"a"}
    for text in ("", "[" * 100_000, '{"a": 1}', "[1, [2]]"):
        (folder / "pins.json").write_text(text)
        assert pinned(folder) == set()
    pin(folder, "c")
    assert pinned(folder) == {"c"}


def test_pins_are_not_written_through_a_link(folder, tmp_path):
    folder.mkdir()
    (outside := tmp_path / "outside.json").write_text('["x"]')
    (folder / "pins.json").symlink_to(outside)
    assert pinned(folder) == set()
    pin(folder, "a")
    assert pinned(folder) == {"a"}
    assert outside.read_text() == '["x"]'


def test_an_identity_is_found_by_what_was_asked_for(store, folder):
    assert find_identity(folder, "default") == asdict(IDENTITY)
    assert find_identity(folder, "other") is None
    assert find_identity(folder / "nothing", "default") is None
    open_store(folder, asks="other")
    assert find_identity(folder, "default") == find_identity(folder, "other") == asdict(IDENTITY)
    updated = replace(IDENTITY, torch="9.9")
    file = seed_folder(folder, store.seed) / "identity.json"
    os.utime(file, (1, 1))
    open_store(folder, updated, asks="default")
    assert find_identity(folder, "default") == asdict(updated), "the newest counts"
    assert find_identity(folder, "other") == asdict(IDENTITY)
    open_store(folder, asks="default")
    os.utime(seed_folder(folder, updated.seed) / "identity.json", (1, 1))
    assert find_identity(folder, "default") == asdict(IDENTITY)


def test_an_identity_that_contradicts_its_folder_is_not_found(store, folder):
    file = seed_folder(folder, store.seed) / "identity.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "weights": "other"}))
    assert find_identity(folder, "default") is None


def test_a_linked_folder_of_all_blocks_is_followed_and_none_inside(tmp_path):
    (disk := tmp_path / "disk").mkdir()
    (tmp_path / "kv").symlink_to(disk)
    store = open_store(tmp_path / "kv")
    fill(store, window([A], [300]))
    assert len(list(entries(tmp_path / "kv"))) == 3
    (tmp_path / "other").mkdir()
    seed_folder(disk, store.seed).rename(tmp_path / "moved")
    seed_folder(disk, store.seed).symlink_to(tmp_path / "moved")
    assert list(entries(tmp_path / "kv")) == []
    assert purge(tmp_path / "kv") == (0, 0)
    assert len(list(scan(tmp_path / "moved"))) == 3


def test_nothing_that_commands_need_imports_torch():
    code = """
import sys
import nemo_docs.kv.catalogue, nemo_docs.kv.store, nemo_docs.kv.chain, nemo_docs.kv.identity
print([name for name in ("torch", "numpy", "safetensors", "xxhash") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")

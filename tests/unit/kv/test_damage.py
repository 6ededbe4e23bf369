"""Whatever lies in a block's place: a miss, and `verify` names it. Nothing raises, nothing is allocated for it."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import torch

from nemo_docs.kv.block_file import RunningChecksum, expect, pack, unpack
from nemo_docs.kv.block_layout import MAX_HEADER_BYTES, Header, checksum, encode, file_bytes, read_header
from nemo_docs.kv.cache import KVCache, KVLayout
from nemo_docs.kv.catalogue import entries, purge, verify
from nemo_docs.kv.places import block_path, seed_folder
from nemo_docs.kv.store import BlockStore
from tests.tiny import CPU
from tests.unit.kv.stored import IDENTITY, OTHER, Stored, blocks_of, fill, open_store

SEED = IDENTITY.seed
IDS = [at * 7 for at in range(600)]
BLOCKS = blocks_of(IDS, [300, 600], [(("a", 300),), (("a", 300), ("b", 300))])
FOREIGN = blocks_of(IDS, [300, 600], identity=OTHER)
WANTED = BLOCKS[1]


def header_length(data: bytes) -> int:
    return 8 + int.from_bytes(data[:8], "little")


def flip(data: bytes, rng: random.Random, start: int, end: int) -> bytes:
    """One bit is another."""
    damaged = bytearray(data)
    damaged[rng.randrange(start, end)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def zeros(data: bytes, rng: random.Random) -> bytes:
    """A stretch of a file that holds zeros, as after a power cut; it held something else."""
    start = rng.randrange(len(data) - 32)
    return data[:start] + bytes(end := rng.randrange(32, len(data) - start + 1)) + data[start + end :]


def with_text(text: bytes, data: bytes) -> bytes:
    """Another header, with a checksum that is right."""
    whole = len(text).to_bytes(8, "little") + text + data[header_length(data) : -16]
    return whole + checksum(memoryview(whole))


def edited(data: bytes, change: Callable[[dict], object]) -> bytes:
    header = json.loads(bytes(data[8 : header_length(data)]))
    change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    return with_text(text + b" " * (-(8 + len(text)) % 64), data)


def drawn(number: int) -> bytes:
    """One of 200 damages."""
    rng, data = random.Random(number), bytes(WANTED.data)
    kinds: list[Callable[[], bytes]] = [
        lambda: flip(data, rng, 0, len(data)),
        lambda: flip(data, rng, 0, 8),
        lambda: flip(data, rng, 8, header_length(data)),
        lambda: flip(data, rng, len(data) - 16, len(data)),
        lambda: data[: rng.randrange(len(data))],
        lambda: data + rng.randbytes(rng.randrange(1, 5000)),
        lambda: data + data[: rng.randrange(1, len(data))],
        lambda: zeros(data, rng),
        lambda: bytes(rng.randrange(1, 2 * len(data))),
        lambda: rng.randbytes(len(data)),
        lambda: encode(rng.choice([BLOCKS[0], BLOCKS[2], FOREIGN[1]]).header) + data[header_length(data) :],
        lambda: bytes(rng.choice([*BLOCKS[:1], *BLOCKS[2:], *FOREIGN]).data),
        lambda: data[:8] + rng.randbytes(header_length(data) - 8) + data[header_length(data) :],
        lambda: rng.randrange(2**64).to_bytes(8, "little") + data[8:],
    ]
    return kinds[number % len(kinds)]()


CASES: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"\0",
    "a length alone": (2**63).to_bytes(8, "little"),
    "deep JSON": with_text(b"[" * 100_000, WANTED.data),
    "deep JSON in a value": edited(WANTED.data, lambda h: h["__metadata__"].update(labels="[" * 100_000)),
    "no JSON": with_text(b"\xff" * 128, WANTED.data),
    "a list": with_text(b"[]".ljust(56), WANTED.data),
    "no metadata": with_text(b"{}".ljust(56), WANTED.data),
    "a header that is too long": with_text(b" " * (MAX_HEADER_BYTES + 1), WANTED.data),
    "metadata that is a list": edited(WANTED.data, lambda h: h.update(__metadata__=[])),
    "a number of many digits": edited(WANTED.data, lambda h: h["__metadata__"].update(start="9" * 10_000)),
    "a shape of thousands of dimensions": edited(
        WANTED.data, lambda h: h["__metadata__"].update(shape=str([1] * 9999))
    ),
    "a larger shape": edited(WANTED.data, lambda h: h["__metadata__"].update(shape="[1000000,1000000,44,1000000]")),
    "a negative shape": edited(WANTED.data, lambda h: h["__metadata__"].update(shape="[-2,-1,44,4]")),
    "an offset": edited(WANTED.data, lambda h: h["k"].update(data_offsets=[0, 10**15])),
    "another type": edited(WANTED.data, lambda h: h["k"].update(dtype="F16")),
    "a tensor more": edited(WANTED.data, lambda h: h.update(x={"dtype": "U8", "shape": [0], "data_offsets": [0, 0]})),
    "another version": edited(WANTED.data, lambda h: h["__metadata__"].update(version="2")),
    "labels that are none": edited(WANTED.data, lambda h: h["__metadata__"].update(labels='[["a"]]')),
    "a true number": edited(WANTED.data, lambda h: h["__metadata__"].update(start="true")),
    "a key with a line break": edited(WANTED.data, lambda h: h["__metadata__"].update(key=WANTED.key + "\n")),
    "no first block, though it says so": edited(WANTED.data, lambda h: h["__metadata__"].update(start="0")),
    **{f"damage {number}": drawn(number) for number in range(200)},
}


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    store = open_store(tmp_path / "kv")
    fill(store, BLOCKS)
    return store


def restored(store: BlockStore, block: Stored = WANTED) -> bool:
    """Whether a block comes back: looked at closely, and compared with what is expected."""
    memory = memoryview(bytearray(1 << 20))
    read = RunningChecksum(memory)
    data = memory[: store.read_into(block.key, memory, read.seen)]
    closely = unpack(data, key=block.key, seed=store.seed, ids=block.ids)
    expected = expect(block.header)
    compared = unpack(data, key=block.key, seed=store.seed, ids=block.ids, digest=read.digest(), expected=expected)
    assert (closely is None) == (compared is None)
    return compared is not None


@pytest.mark.parametrize("case", CASES)
def test_damaged_files_are_misses_and_verify_names_them(case, store, tmp_path):
    folder = tmp_path / "kv"
    path = block_path(seed_folder(folder, SEED), WANTED.key)
    assert restored(store)
    assert list(verify(folder)) == []
    path.write_bytes(CASES[case])
    assert not restored(store)
    assert [(named, bool(problem)) for named, problem in verify(folder)] == [(path, True)]
    assert len(list(entries(folder))) == len(BLOCKS)
    store.discard(WANTED.key)
    assert not path.exists()
    assert store.write(WANTED.key, WANTED.data)
    assert restored(store)


def test_there_are_no_two_hundred_times_the_same_damage():
    assert len(set(CASES.values())) >= 200
    assert bytes(WANTED.data) not in CASES.values()


@pytest.mark.parametrize("kind", ["folder", "full folder", "link", "dead link", "pipe", "linked shelf"])
def test_what_is_no_file_is_a_miss_and_verify_names_it(kind, store, tmp_path):
    folder, outside = tmp_path / "kv", tmp_path / "outside"
    path = block_path(seed_folder(folder, SEED), WANTED.key)
    outside.mkdir()
    (outside / path.name).write_bytes(WANTED.data)
    path.unlink()
    if kind in ("folder", "full folder"):
        path.mkdir()
        if kind == "full folder":
            (path / "x").write_text("x")
    elif kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes with names here")
        os.mkfifo(path)
    elif kind == "linked shelf":
        path.parent.rmdir()
        path.parent.symlink_to(outside)
    else:
        path.symlink_to(outside / (path.name if kind == "link" else "nothing"))
    assert store.held([WANTED.key]) == 0
    assert store.size_of(WANTED.key) == 0
    assert not restored(store)
    assert [named for named, _ in verify(folder)] == ([] if kind == "linked shelf" else [path])
    store.touch([WANTED.key])
    store.discard(WANTED.key)
    assert store.write(WANTED.key, WANTED.data)
    assert restored(store)
    assert [each.name for each in outside.iterdir()] == [path.name], "nothing was written or removed elsewhere"
    assert (outside / path.name).read_bytes() == WANTED.data


def test_a_forged_header_makes_nobody_allocate(store, tmp_path):
    """Sparse files that are as long as they promise to be, with headers or tensors of gigabytes."""
    path = block_path(seed_folder(tmp_path / "kv", SEED), WANTED.key)
    huge = replace(WANTED.header, shape=(1 << 15, 1 << 10, 44, 1))
    forged = [(encode(huge), file_bytes(huge))]
    forged += [(length.to_bytes(8, "little"), 500_000_000) for length in (499_999_000, 2**20 + 1, 2**40, 2**64 - 1)]
    tracemalloc.start()
    for beginning, n_bytes in forged:
        path.write_bytes(beginning)
        os.truncate(path, n_bytes)
        assert read_header(path) is None
    path.write_bytes(forged[0][0])
    os.truncate(path, forged[0][1])
    assert [named for named, _ in verify(tmp_path / "kv")] == [path]
    assert store.read_into(WANTED.key, memoryview(bytearray(1 << 20))) == 0
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_a_whole_block_of_another_model_under_this_name_is_a_miss(store, tmp_path):
    """Equal tokens, shape and size: only the fingerprint differs."""
    assert (FOREIGN[1].ids, FOREIGN[1].header.shape) == (WANTED.ids, WANTED.header.shape)
    header = replace(FOREIGN[1].header, labels=WANTED.header.labels)
    data = pack(header, WANTED.ids, WANTED.k, WANTED.v)
    assert len(data) == len(WANTED.data)
    block_path(seed_folder(tmp_path / "kv", SEED), WANTED.key).write_bytes(data)
    assert not restored(store)


def test_another_identity_in_a_folder_is_named(store, tmp_path):
    file = seed_folder(tmp_path / "kv", SEED) / "identity.json"
    for text in ("", "[" * 100_000, "{}", json.dumps({**json.loads(file.read_text()), "weights": "other"})):
        file.write_text(text)
        assert [named for named, _ in verify(tmp_path / "kv")] == [file]


def test_a_block_in_another_place_is_named(store, tmp_path):
    home = seed_folder(tmp_path / "kv", SEED)
    path = block_path(home, WANTED.key)
    moved = home / "ff" / path.name
    moved.parent.mkdir(exist_ok=True)
    path.rename(moved)
    assert moved.parent.name != WANTED.key[:2]
    assert [named for named, _ in verify(tmp_path / "kv")] == [moved]
    assert [each.header for each in entries(tmp_path / "kv") if each.path == moved] == [None]


def test_what_cannot_be_read_goes_with_any_text(store, tmp_path):
    """Nobody knows whether it holds some of it."""
    block_path(seed_folder(tmp_path / "kv", SEED), BLOCKS[0].key).write_bytes(CASES["damage 2"])
    assert purge(tmp_path / "kv", "nothing")[0] == 1


CLAIMS = {
    "seed": OTHER.seed.hex(),
    "key": FOREIGN[1].key,
    "parent": FOREIGN[0].key,
    "start": 0,
    "tokens": 43,
    "ends_chunk": False,
    "dtype": "F16",
    "form": "int8",
    "shape": (1, 2, 44, 4),
    "version": 2,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_forged_claim_is_not_believed_even_with_a_checksum_that_is_right(name):
    """Types and shapes are the cache's to refuse, as nothing else knows the model's."""
    layout = KVLayout(n_layers=2, n_kv_heads=1, head_dim=4, dtype=torch.bfloat16, device=CPU)
    assert set(CLAIMS) | {"labels"} == {field.name for field in fields(Header)}

    def believed(header: Header) -> bool:
        text = json.loads(encode(WANTED.header)[8:])
        text["__metadata__"] = {
            key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            for key, value in asdict(header).items()
        }
        for tensor in ("k", "v"):
            text[tensor].update(dtype=header.dtype, shape=header.shape)
        raw = json.dumps(text, separators=(",", ":")).encode()
        whole = with_text(raw + b" " * (-(8 + len(raw)) % 64), WANTED.data)
        found = unpack(memoryview(bytearray(whole)), key=WANTED.key, seed=SEED, ids=WANTED.ids)
        return found is not None and KVCache(layout, 256).suits(0, *found[1:])

    assert not believed(replace(WANTED.header, **{name: CLAIMS[name]}))
    assert believed(WANTED.header), "else the test would prove nothing"

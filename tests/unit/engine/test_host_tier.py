"""Main memory beside the disk: what is there comes without its file's bytes, and is worth no more than the file."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nemo_docs.engine.engine import Engine
from nemo_docs.engine.host_tier import host_bytes
from nemo_docs.engine.keeper import BESIDE_BYTES, Keeper
from nemo_docs.engine.machine import available_memory
from nemo_docs.kv.chain import BLOCK_TOKENS
from nemo_docs.kv.store import BlockStore
from tests.tiny import tiny_model
from tests.unit.engine.test_store import CHUNK, DOCUMENT, FORMS, IDENTITY, OTHER, PREAMBLE, ask, request

BLOCKS = 5
"""Of the preamble and the document: a chunk of 32 tokens ends a block."""
LIMIT_S = 60.0


def block_bytes(model) -> int:
    return BLOCK_TOKENS * model.kv_layout.bytes_per_token + BESIDE_BYTES


def engine(folder: Path, form: str = "fp32", *, blocks: int = 100) -> Engine:
    """With room for one window in its caches, so that the next one drives it out."""
    dtype, kept = FORMS[form]
    model = tiny_model(0, dtype, kept)
    made = Engine(model, window_tokens=200, chunk_tokens=CHUNK, pool_bytes=256 * model.kv_layout.bytes_per_token)
    store = BlockStore(folder, IDENTITY, budget_bytes=1 << 30, floor_bytes=0)
    made.keep(Keeper(store, model, host_bytes=blocks * block_bytes(model)))
    return made


def settled(eng: Engine) -> Engine:
    until(lambda: eng.keeper.host.is_settled)
    return eng


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.005)


def spoil(folder: Path) -> None:
    """Change a byte of every file, but not its length: who reads it finds it damaged."""
    for path in folder.rglob("*.kv"):
        data = bytearray(path.read_bytes())
        data[-20] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize("form", FORMS)
def test_what_was_driven_out_comes_back_without_its_file(tmp_path, form):
    eng = settled(engine(tmp_path, form))
    cold, _, _ = ask(eng)
    ask(eng, request(OTHER, label="b"))
    spoil(tmp_path)
    warm, finished, _ = ask(settled(eng))
    assert finished.tokens_restored == len(PREAMBLE) + len(DOCUMENT)
    assert warm == cold


def test_what_an_earlier_engine_read_is_fetched_after_the_first_question(tmp_path):
    cold, _, _ = ask(engine(tmp_path, blocks=0))
    eng = settled(engine(tmp_path))
    ask(eng)
    settled(eng)
    ask(eng, request(OTHER, label="b"))
    spoil(tmp_path)
    warm, finished, _ = ask(eng)
    assert finished.tokens_restored == len(PREAMBLE) + len(DOCUMENT)
    assert warm == cold


def test_nothing_is_found_that_is_no_longer_on_the_disk(tmp_path):
    eng = settled(engine(tmp_path))
    cold, _, _ = ask(eng)
    ask(eng, request(OTHER, label="b"))
    for path in tmp_path.rglob("*.kv"):
        path.unlink()
    warm, finished, _ = ask(eng)
    assert finished.tokens_cached == 0
    assert warm == cold


def test_what_is_forgotten_is_let_go_and_nothing_else(tmp_path):
    eng = settled(engine(tmp_path))
    ask(eng)
    ask(eng, request(OTHER, label="b"))
    host = settled(eng).keeper.host
    before = host.n_blocks
    eng.forget({"a"})
    assert 0 < host.n_blocks < before
    eng.forget({"b"})
    assert host.n_blocks <= 1, "the preamble is nobody's"


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_less_room_than_a_document_needs_holds_a_part_of_it(tmp_path, blocks):
    eng = settled(engine(tmp_path, blocks=blocks))
    cold, _, _ = ask(eng)
    ask(eng, request(OTHER, label="b"))
    for _ in range(3):
        warm, finished, _ = ask(settled(eng))
        assert finished.tokens_cached == len(PREAMBLE) + len(DOCUMENT)
        assert warm == cold
        assert settled(eng).keeper.host.n_blocks == blocks


def test_damaged_files_do_not_come_to_memory(tmp_path):
    ask(engine(tmp_path, blocks=0))
    eng = settled(engine(tmp_path))
    host = eng.keeper.host
    spoil(tmp_path)
    keys = [path.stem for path in tmp_path.rglob("*.kv")]
    host.begin()
    host.end(keys)
    settled(eng)
    assert keys
    assert host.n_blocks == 0


def test_its_thread_ends_with_the_engine(tmp_path):
    eng = settled(engine(tmp_path))
    ask(eng)
    assert "host-tier" in {thread.name for thread in threading.enumerate()}
    del eng
    until(lambda: gc.collect() is not None and "host-tier" not in {each.name for each in threading.enumerate()})


def test_it_takes_a_small_share_unless_more_is_asked_for_and_nothing_where_it_would_win_nothing():
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    free = 2 * available_memory()  # others take and give back meanwhile
    assert 0 < host_bytes(None, gpu) < free // 8
    assert host_bytes(1 << 20, gpu) == 1 << 20
    assert 0 < host_bytes(1 << 60, gpu) < free
    assert [host_bytes(wanted, gpu if wanted == 0 else cpu) for wanted in (0, None, 1 << 20)] == [0, 0, 0]

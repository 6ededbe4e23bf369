"""What is packed is unpacked bit for bit, in place, and by any tool that reads safetensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from nemo_docs.kv.block_file import describe, expect, pack, read_header, unpack
from nemo_docs.kv.block_layout import checksum, file_bytes
from nemo_docs.kv.cache import KVCache, KVLayout
from nemo_docs.kv.chain import BLOCK_TOKENS, Block, chain
from nemo_docs.kv.form import PLAIN, Form, Int8, Rows
from tests.tiny import CPU
from tests.unit.kv.stored import IDENTITY, blocks_of, random_rows

SEED = IDENTITY.seed
every_kind = pytest.mark.parametrize(
    ("form", "dtype"),
    [
        (PLAIN, torch.bfloat16),
        (PLAIN, torch.float16),
        (PLAIN, torch.float32),
        (Int8(), torch.bfloat16),
        (Int8(), torch.float32),
    ],
    ids=["bf16", "fp16", "fp32", "int8", "int8-fp32"],
)
shapes = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, BLOCK_TOKENS), st.integers(1, 9))
labels = st.lists(st.tuples(st.text(max_size=70), st.integers(0, 2**33)), max_size=5)


def same(a: Rows, b: Rows) -> bool:
    """Whether rows are equal in type, shape and every bit."""
    return a.alike(b) and all(
        x is y is None or torch.equal(x.contiguous().view(torch.uint8), y.contiguous().view(torch.uint8))
        for x, y in ((a.codes, b.codes), (a.scales, b.scales))
    )


@every_kind
@given(shape=shapes, ends_chunk=st.booleans(), texts=labels, room=st.integers(0, 9))
def test_what_is_packed_is_unpacked(form: Form, dtype, shape, ends_chunk, texts, room):
    k, v = random_rows(shape, form, dtype, 1), random_rows(shape, form, dtype, 2)
    block = Block(0, shape[2], ends_chunk)
    ids = [at * 31 % 131_072 for at in range(shape[2])]
    (key,) = chain(SEED, ids, [block])
    header = describe(SEED, SEED.hex(), key, block, texts, k)
    memory = bytearray(file_bytes(header) + room)
    data = pack(header, ids, k, v, memory)
    assert (len(data), memory[len(data) :]) == (file_bytes(header), bytes(room))
    assert data == pack(header, ids, k, v)
    found = unpack(data, key=key, seed=SEED, ids=ids)
    assert found is not None
    assert found[0] == header
    assert same(found[1], k)
    assert same(found[2], v)


def test_numbers_that_are_none_are_kept_too():
    codes = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0]).view(1, 1, 1, 4)
    block = Block(0, 1, True)
    (key,) = chain(SEED, [5], [block])
    rows = Rows(codes)
    data = pack(describe(SEED, SEED.hex(), key, block, (), rows), [5], rows, rows)
    found = unpack(data, key=key, seed=SEED, ids=[5])
    assert found is not None
    assert same(found[1], rows)


@every_kind
def test_rows_come_from_a_cache_and_go_into_another(form, dtype):
    layout = KVLayout(n_layers=3, n_kv_heads=2, head_dim=8, dtype=dtype, device=CPU, form=form)
    full, empty = KVCache(layout, 400), KVCache(layout, 700)
    for layer in range(3):
        full.write(layer, *torch.randn(2, 2, 400, 8, generator=torch.Generator().manual_seed(layer)).to(dtype))
    full.commit(range(400), ends_chunk=True)
    plan = [Block(0, 256, False), Block(256, 400, True)]
    keys = chain(SEED, full.ids, plan)
    for block, key in zip(plan, keys, strict=True):
        rows = full.rows(block.start, block.end)
        assert not rows[0].codes.is_contiguous()
        parent = keys[0] if block.start else SEED.hex()
        own = full.ids[block.start : block.end]
        data = pack(describe(SEED, parent, key, block, (), rows[0]), own, *rows)
        found = unpack(data, key=key, seed=SEED, ids=own)
        assert found is not None
        assert empty.suits(block.start, *found[1:])
        empty.place(block.start, *found[1:])
    assert all(same(a, b) for a, b in zip(full.rows(0, 400), empty.rows(0, 400), strict=True))


def test_unpacked_rows_are_views_of_what_was_read():
    (block,) = blocks_of(range(100), [100])
    for data in (bytearray(block.data), np.frombuffer(block.data, np.uint8).copy()):
        found = unpack(memoryview(data), key=block.key, seed=SEED, ids=block.ids)
        assert found is not None
        begin, end = (np.frombuffer(data, np.uint8).__array_interface__["data"][0] + at for at in (0, len(data)))
        for rows in found[1:]:
            assert begin <= rows.codes.data_ptr() < end


def test_any_tool_that_reads_safetensors_reads_a_block(tmp_path):
    for form in (PLAIN, Int8()):
        (block,) = blocks_of(range(100), [100], [(("text", 100),)], form=form)
        file = tmp_path / "block.safetensors"
        file.write_bytes(block.data)
        with safe_open(file, "pt") as opened:
            assert opened.metadata()["labels"] == '[["text",100]]'
            assert opened.get_tensor("ids").tolist() == block.ids
            k = opened.get_tensor("k_scales") if form.packed else None
            assert same(Rows(opened.get_tensor("k"), k), block.k)


def test_a_header_is_read_without_the_rest(tmp_path):
    many = tuple((f"{number:064x}", number) for number in range(500))  # longer than what is read at first
    for texts in ((), many):
        (block,) = blocks_of(range(50), [50], [texts])
        (file := tmp_path / "block.kv").write_bytes(block.data)
        assert read_header(file) == block.header
        for other in (bytes(block.data)[:-1], bytes(block.data) + b" "):
            file.write_bytes(other)
            assert read_header(file) is None, "its length is looked at, too"


@pytest.mark.parametrize("what", ["key", "seed", "ids"])
def test_a_sound_block_that_is_not_the_one_wanted_is_a_miss(what):
    first, second = blocks_of(range(100), [50, 100])
    wanted = {"key": first.key, "seed": SEED, "ids": first.ids}
    assert unpack(first.data, **wanted) is not None
    wanted[what] = {"key": second.key, "seed": bytes(32), "ids": second.ids}[what]
    assert unpack(first.data, **wanted) is None
    assert unpack(first.data, **{**wanted, "ids": first.ids[:-1]}) is None


@pytest.mark.parametrize("texts", [(("a", 100),), (("b", 100),), (("a", 40), ("a longer label", 100))])
def test_a_block_that_was_saved_for_another_text_of_the_same_tokens_is_the_one_wanted(texts):
    (saved,) = blocks_of(range(100), [100], [(("a", 100),)])
    (mine,) = blocks_of(range(100), [100], [texts])
    digest = checksum(saved.data[:-16])
    found = unpack(saved.data, key=mine.key, seed=SEED, ids=mine.ids, digest=digest, expected=expect(mine.header))
    assert found is not None
    assert found[0] == saved.header
    assert same(found[1], saved.k)


@pytest.mark.parametrize("what", ["key", "seed", "ids"])
def test_what_is_expected_must_be_what_is_wanted(what):
    first, second = blocks_of(range(100), [50, 100])
    wanted = {"key": first.key, "seed": SEED, "ids": first.ids}
    wanted[what] = {"key": second.key, "seed": bytes(32), "ids": second.ids}[what]
    expected = {"digest": checksum(first.data[:-16]), "expected": expect(first.header)}
    assert unpack(first.data, **wanted, **expected) is None
    assert unpack(first.data, key=first.key, seed=SEED, ids=first.ids, **expected) is not None

"""Equal names mean equal prefixes in equal chunks, and nothing else does."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.kv.chain import BLOCK_TOKENS, Block, block_plan, chain, id_bytes, link

SEED = bytes(range(32))
chunks = st.lists(st.integers(1, 700), min_size=1, max_size=5).map(lambda lengths: list(accumulate(lengths)))


def prompt(tokens: int) -> list[int]:
    return [at * 7919 % 131_072 for at in range(tokens)]


@given(chunks)
def test_blocks_cover_every_token_once_and_end_where_chunks_do(ends):
    plan = block_plan(ends)
    assert [token for block in plan for token in range(block.start, block.end)] == list(range(ends[-1]))
    assert [block.end for block in plan if block.ends_chunk] == ends
    assert all(block.end - block.start == BLOCK_TOKENS for block in plan if not block.ends_chunk)
    assert all(1 <= block.end - block.start <= BLOCK_TOKENS for block in plan)


def test_a_plan_by_hand():
    assert block_plan([300, 400]) == [Block(0, 256, False), Block(256, 300, True), Block(300, 400, True)]


@given(chunks, chunks, st.data())
def test_prompts_share_names_exactly_as_far_as_they_share_tokens_and_chunks(ends, other_ends, data):
    ids, other_ids = prompt(ends[-1]), prompt(other_ends[-1])
    if data.draw(st.booleans()):
        other_ids[data.draw(st.integers(0, len(other_ids) - 1))] += 1
    plan, other_plan = block_plan(ends), block_plan(other_ends)
    alike = [
        block == other and ids[: block.end] == other_ids[: block.end]
        for block, other in zip(plan, other_plan, strict=False)
    ]
    shared = alike.index(False) if False in alike else len(alike)
    keys, other_keys = chain(SEED, ids, plan), chain(SEED, other_ids, other_plan)
    assert keys[:shared] == other_keys[:shared]
    assert not set(keys[shared:]) & set(other_keys[shared:])


@given(chunks, st.integers(0, 255))
def test_another_seed_changes_every_name(ends, bit):
    ids, plan = prompt(ends[-1]), block_plan(ends)
    other = bytearray(SEED)
    other[bit // 8] ^= 1 << bit % 8
    assert not set(chain(SEED, ids, plan)) & set(chain(bytes(other), ids, plan))


def test_names_stay_what_they_were():
    """What is on people's disks must be found again: a change here needs a new layout version."""
    assert chain(SEED, [1, 2, 3], [Block(0, 2, False), Block(2, 3, True)]) == [
        "fccb55a55f4509d670353e6ec1d7e9ecdda2c4157aecce5b165a99a45764affd",
        "f4183257ec23d7f845c55d8a37d89bebe24c90abe01635bbb26ec3d869b7cce7",
    ]
    assert id_bytes([1, 131_071]) == b"\x01\x00\x00\x00\xff\xff\x01\x00"
    assert link(SEED, id_bytes([1, 2]), ends_chunk=False).hex() == chain(SEED, [1, 2], [Block(0, 2, False)])[0]

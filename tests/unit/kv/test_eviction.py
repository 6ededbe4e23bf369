"""What goes when there is no room: the oldest first, ends of chains, nothing that is in use, pinned texts last."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.kv.block_layout import Header
from nemo_docs.kv.entries import Entry
from nemo_docs.kv.eviction import IN_USE_S, victims

NOW = 1_000_000.0
SEED = "5" * 64


def entry(
    key: str, parent: str, start: int, used: float, label: str = "", *, n_bytes: int = 10, seed: str = ""
) -> Entry:
    labels = ((label, 100),) if label else ()
    header = Header(seed or SEED, key, parent or seed or SEED, start, 1, False, labels, "F32", "full", (1, 1, 1, 1))
    return Entry(Path(key), (seed or SEED)[:16], key, n_bytes, used, header)


def names(
    blocks: list[Entry], n_bytes: int, *, pinned: tuple[str, ...] = (), in_use: tuple[str, ...] = ()
) -> list[str]:
    return [each.key for each in victims(blocks, n_bytes, pinned=pinned, in_use=in_use, now=NOW)]


def tree(draw: st.DrawFn) -> list[Entry]:
    """Chains that share beginnings, as prompts do."""
    blocks: list[Entry] = []
    for at in range(draw(st.integers(1, 15))):
        before = draw(st.sampled_from([None, *blocks]))
        blocks.append(
            entry(
                f"k{at}",
                before.key if before else "",
                before.start + 1 if before else 0,
                NOW - draw(st.sampled_from([0, 10, IN_USE_S + 1, 1000, 2000, -10_000])),
                draw(st.sampled_from(["", "a", "b"])),
                n_bytes=draw(st.integers(1, 30)),
            )
        )
    return draw(st.permutations(blocks))


@given(st.composite(tree)(), st.integers(0, 300), st.sets(st.sampled_from(["a", "b"])), st.data())
def test_chains_are_shortened_from_their_ends_and_nothing_in_use_goes(blocks, n_bytes, pinned, data):
    in_use = data.draw(st.sets(st.sampled_from([each.key for each in blocks]), max_size=2))
    chosen = victims(blocks, n_bytes, pinned=pinned, in_use=in_use, now=NOW)
    gone = [each.key for each in chosen]

    def from_here(each: Entry) -> list[Entry]:
        return [each, *(last for other in blocks if other.parent == each.key for last in from_here(other))]

    def is_free(each: Entry) -> bool:
        return all(other.key not in in_use and abs(NOW - other.used) >= IN_USE_S for other in from_here(each))

    def is_pinned(each: Entry) -> bool:
        return any(label in pinned for other in from_here(each) for label, _ in other.labels)

    assert len(set(gone)) == len(gone)
    assert all(map(is_free, chosen))
    for at, each in enumerate(chosen):
        assert {other.key for other in from_here(each)} <= set(gone[: at + 1]), "one went before one that needs it"
    staying = [each for each in blocks if is_free(each) and each.key not in gone]
    freed = [each.n_bytes for each in chosen]
    assert sum(freed) >= n_bytes or not staying, "all that could go went"
    assert sum(freed[:-1]) < n_bytes or not freed, "no more went than had to"
    assert not any(map(is_pinned, chosen)) or all(map(is_pinned, staying))
    for kind in (False, True):
        used = [max(other.used for other in from_here(each)) for each in chosen if is_pinned(each) is kind]
        assert used == sorted(used)
        rest = [max(other.used for other in from_here(each)) for each in staying if is_pinned(each) is kind]
        assert not used or not rest or used[-1] <= min(rest)


def test_the_least_recently_used_goes_first_and_of_equals_the_last():
    old = [entry(f"old{at}", f"old{at - 1}" if at else "", at, NOW - 500) for at in range(3)]
    new = [entry(f"new{at}", f"new{at - 1}" if at else "", at, NOW - 400) for at in range(3)]
    assert names([*new, *old], 45) == ["old2", "old1", "old0", "new2", "new1"]


def test_a_block_lasts_as_long_as_those_behind_it_that_were_written_later():
    """A window that was read once, and never used again: its first block is its oldest."""
    window = [entry(f"w{at}", f"w{at - 1}" if at else "", at, NOW - 500 + at) for at in range(4)]
    between = entry("x", "", 0, NOW - 498.5)
    assert names([*window, between], 20) == ["x", "w3"]


def test_what_pinned_blocks_stand_on_goes_with_them_last():
    preamble, other = entry("p", "", 0, NOW - 900), entry("o", "", 0, NOW - 100)
    kept = [entry("a", "p", 1, NOW - 900, "a"), entry("b", "a", 2, NOW - 900, "b")]
    assert names([preamble, *kept, other], 10, pinned=("b",)) == ["o"]
    assert names([preamble, *kept, other], 1000, pinned=("b",)) == ["o", "b", "a", "p"]


def test_blocks_of_two_identities_do_not_hold_each_other():
    mine, theirs = entry("k", "", 0, NOW - 900), entry("k", "", 0, NOW - 100, seed="6" * 64)
    follower = entry("l", "k", 1, NOW - 100, seed="6" * 64)
    assert victims([mine, theirs, follower], 10, pinned=(), in_use=(), now=NOW) == [mine]


def test_what_cannot_be_read_goes_first():
    unreadable = Entry(Path("u"), SEED[:16], "u", 10, NOW, None)
    assert names([entry("old", "", 0, NOW - 9999), unreadable], 10) == ["u"]

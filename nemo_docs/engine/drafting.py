"""Guessing tokens that the model would write anyway, so that one pass checks several.

An answer over quotes repeats the words of the prompt. Where the last few tokens stood before, what followed them there
is a draft: it goes through the model behind the tokens that wait, and every row of logits whose draft came true saves
a pass. Nothing is ever decided by a draft, so what is written is what would have been written without; only the shape
of the passes differs, which in bf16 rounds differently. Every pass with a draft has the same width, so that shapes, and
what is recorded or compiled for them, stay few.

A draft that fails costs the difference between a wide pass and a narrow one. Whether drafts pay is counted for each
kind of them apart: text that only shares pairs of words with the prompt must not switch off the drafts of a verbatim
quote, and the other way round.

Source: prompt lookup decoding (github.com/apoorvumang/prompt-lookup-decoding); the check is that of arXiv:2211.17192
with a draft that is certain of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nemo_docs.engine.copying import CopyState

WIDTH = 8
"""Tokens of a pass that checks a draft, those that had to be fed included."""
PASS_COST = {"cpu": 3.0, "mps": 2.0, "cuda": 1.25}
"""What such a pass may cost beside that of one token, by device; `tests/benchmarks/bench_drafting.py` measures what it
does cost. A constant, so that the passes of a request, and with them its bf16 answer, never depend on a clock."""
LENGTHS = (4, 3, 2)
"""How many tokens must have stood before; the longest that did counts."""
MULTIPLIER = 0x9E3779B97F4A7C15
"""Of the hash of an n-gram, modulo 2^64: odd, without pattern (2^64 over the golden ratio)."""


class NGramIndex:
    """Where each n-gram of a growing sequence stood last.

    What there is of the sequence at first is sorted in numpy: 128k tokens take some 30 ms. From then on a token costs a
    few insertions, and a look-up some binary searches, however long the sequence. N-grams are known by 64-bit hashes:
    two that collide would cost a bad draft, never a wrong answer.

    Args:
        ids: What there is of the sequence.
    """

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = list(ids)
        known = np.array(self._ids, dtype=np.uint64)
        self._followed = {length: _Followed(known, length) for length in LENGTHS}

    def __len__(self) -> int:
        """Tokens indexed."""
        return len(self._ids)

    def extend(self, ids: Sequence[int]) -> None:
        """Append tokens."""
        for token in ids:
            for length in LENGTHS:
                if len(self) >= length:
                    self._followed[length].add(_key(self._ids[-length:]), len(self))
            self._ids.append(token)

    def find(self) -> tuple[int, int] | None:
        """The longest n-gram at the end that stood before: its length, and the position behind where it stood last."""
        for length in LENGTHS:
            position = self._followed[length].get(_key(self._ids[-length:])) if len(self) > length else None
            if position is not None:
                return length, position
        return None

    def following(self, position: int, count: int) -> tuple[int, ...]:
        """What stands at `position` and behind it; at the end of the sequence it goes on as if it were repeated.

        Worked example: the sequence 7 8 9 8, position 2, five tokens -> 9 8 9 8 9.
        """
        period = len(self) - position
        return tuple(self._ids[position + n % period] for n in range(count))


class _Followed:
    """The last position behind each n-gram of one length; the n-gram at the very end has nothing behind it yet."""

    def __init__(self, ids: NDArray[np.uint64], length: int) -> None:
        count = max(len(ids) - length, 0)
        keys = np.zeros(count, dtype=np.uint64)
        for n in range(length):
            keys = keys * np.uint64(MULTIPLIER) + ids[n : n + count]
        order = keys.argsort(kind="stable")  # of equal keys the last one is that of the last position
        self._keys, self._positions = keys[order], order + length
        self._later: dict[int, int] = {}

    def add(self, key: int, position: int) -> None:
        self._later[key] = position

    def get(self, key: int) -> int | None:
        if (position := self._later.get(key)) is not None:
            return position
        n = int(self._keys.searchsorted(np.uint64(key), side="right")) - 1
        return int(self._positions[n]) if n >= 0 and int(self._keys[n]) == key else None


def _key(ngram: Sequence[int]) -> int:
    key = 0
    for token in ngram:
        key = (key * MULTIPLIER + token) & (1 << 64) - 1
    return key


class Record:
    """How many passes drafts of one kind save, and whether to go on with them.

    A running mean begins in good faith. Below what pays the kind is off but for a trial now and then; trials that fail
    become rarer, one that succeeds begins anew.

    Args:
        worth: Passes that a draft must save on average.
    """

    GOOD_FAITH = 4.0
    """Passes that a draft is taken to save before any was made: about half of what it can."""
    RATE = 0.25
    """What the last draft counts in the mean: on CUDA ten failures in a row switch off, on a CPU three."""
    FIRST_PAUSE = 16
    """Drafts passed over before the first trial."""
    LONGEST_PAUSE = 512
    """The same at most; it doubles with each trial that fails."""

    def __init__(self, worth: float) -> None:
        self._worth = worth
        self._mean, self._pause, self._passed_over = self.GOOD_FAITH, self.FIRST_PAUSE, 0

    @property
    def pays(self) -> bool:
        """Whether drafts of this kind save what they must."""
        return self._mean >= self._worth

    def allows(self) -> bool:
        """Whether to make the draft that could be made now."""
        if self.pays:
            return True
        self._passed_over += 1
        return self._passed_over > self._pause

    def add(self, saved: int) -> None:
        """A draft was made and saved so many passes."""
        was_trial = not self.pays
        self._mean += self.RATE * (saved - self._mean)
        if was_trial:
            is_good = saved >= self._worth
            self._mean = self.GOOD_FAITH if is_good else self._mean
            self._pause = self.FIRST_PAUSE if is_good else min(2 * self._pause, self.LONGEST_PAUSE)
            self._passed_over = 0


class Draft(NamedTuple):
    """Tokens that may come next."""

    ids: tuple[int, ...]
    """In order."""
    record: Record
    """Where to put how many passes it saved."""


class Pass:
    """The logits of one pass through the model, read row by row while the draft that went through it comes true.

    Shapes: rows [1 + D, V], fp32, D the tokens of the draft.
    """

    def __init__(self, rows: Tensor, draft: Draft | None = None) -> None:
        self._rows, self._draft = rows, draft
        self._row = self._last_read = self._saved = 0

    def logits(self) -> Tensor:
        """Behind the last token that was written. Shapes: fp32 [V]."""
        self._saved += self._row > self._last_read
        self._last_read = self._row
        return self._rows[self._row]

    @property
    def unwritten(self) -> int:
        """Tokens of the draft that have not come true yet."""
        return len(self._draft.ids) - self._row if self._draft else 0

    def accepts(self, token: int) -> bool:
        """Whether the token that is written now is the one that was drafted in its place."""
        if self._draft is None or not self.unwritten or self._draft.ids[self._row] != token:
            return False
        self._row += 1
        return True

    def end(self) -> None:
        """Something else was written: what is left of the draft counts no more."""
        if self._draft is not None:
            self._draft.record.add(self._saved)
        self._draft = None


class Drafter:
    """Makes drafts for one request.

    Args:
        device: Kind of device, which says what a draft must save.
    """

    def __init__(self, device: str) -> None:
        worth = PASS_COST[device] - 1.0
        self._of_repetition = {length: Record(worth) for length in LENGTHS}
        self._of_copy = Record(worth)
        self._index: NGramIndex | None = None

    def follow(self, ids: Sequence[int]) -> None:
        """Tokens were written."""
        if self._index is not None:
            self._index.extend(ids)

    def repetition(self, count: int, written: Callable[[], Sequence[int]]) -> Draft | None:
        """What stood behind the last tokens when they stood before.

        Args:
            count: How many tokens to draft.
            written: Gives all tokens so far; asked once, when a draft is first looked for.
        """
        if self._index is None:
            self._index = NGramIndex(written())
        found = self._index.find()
        if found is None:
            return None
        length, position = found
        record = self._of_repetition[length]
        return Draft(self._index.following(position, count), record) if record.allows() else None

    def continuation(self, count: int, state: CopyState) -> Draft | None:
        """What follows at the likeliest place of a copy; None where fewer tokens are left of the source."""
        ids = state.likeliest(count)
        return Draft(ids, self._of_copy) if len(ids) == count and self._of_copy.allows() else None

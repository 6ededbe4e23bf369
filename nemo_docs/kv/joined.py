"""A cache whose past is several others at once.

Windows of documents are each read alone, behind the same preamble, and kept. A question about any set of them then
stands behind all of them together: its tokens attend to the preamble once and to every window's own tokens, and only
they are written here. The windows are read where they lie, never copied, so the same windows can serve in any
combination. The price is that no window knows of another; and because every window was read from the same position
on, its keys answer as loudly as if it stood alone, so a weight may turn all of them down together.
"""

from __future__ import annotations

from collections.abc import Sequence

from nemo_docs.kv.cache import KVCache, Past, Stretch


class JoinedCache(KVCache):
    """The tokens behind several windows; only these are held, counted and forgotten.

    The windows must stay as they are from the first token on that is put here.

    Args:
        windows: Caches that begin with the same tokens; at least one.
        shared: How many tokens at the beginning of every window are the same; they are seen once, in the first.
        log_weight: Added to the log-sum-exp of each window's own tokens; 0 counts them as they are.
        capacity: Tokens to make room for.
    """

    def __init__(self, windows: Sequence[KVCache], shared: int, log_weight: float, capacity: int) -> None:
        super().__init__(windows[0].layout, capacity)
        self._windows = tuple(windows)
        self._shared, self._log_weight = shared, log_weight

    @property
    def position(self) -> int:
        """Where the next token stands: behind the longest window and the tokens held."""
        return max(map(len, self._windows)) + len(self)

    def pieces(self, layer: int, tokens: int) -> list[Past]:
        """What a new token sees: the preamble, each window's own tokens, and `tokens` tokens of those put here."""
        preamble = Past(*self._windows[0].past(layer, self._shared))
        windows = [self._own(window, layer) for window in self._windows]
        return [preamble, *windows, *super().pieces(layer, tokens)]

    def _own(self, window: KVCache, layer: int) -> Past:
        return Past(*window.past(layer, len(window), start=self._shared), self._log_weight)

    def stretches(self) -> list[Stretch]:
        """What a new token sees, as it lies in memory: the preamble, each window's own tokens, and those put here."""
        preamble = self._windows[0].stretches()[0]._replace(tokens=self._shared)
        windows = [self._own_stretch(window.stretches()[0]) for window in self._windows]
        return [preamble, *windows, *super().stretches()]

    def _own_stretch(self, whole: Stretch) -> Stretch:
        k, v, k_scales, v_scales = (
            None if rows is None else rows[:, :, self._shared :]
            for rows in (whole.k, whole.v, whole.k_scales, whole.v_scales)
        )
        assert k is not None  # only scales may be missing
        assert v is not None
        return Stretch(k, v, k_scales, v_scales, whole.tokens - self._shared, self._log_weight)

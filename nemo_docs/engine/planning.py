"""What memory is taken for, decided before any of it is: the first way that fits, of all that are allowed.

A window is never made smaller than what was asked for; what would fit is told instead.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from nemo_docs.engine import footprint
from nemo_docs.engine.memory_plan import Device, MemoryPlan, Size, Wishes
from nemo_docs.engine.memory_ways import ways
from nemo_docs.errors import DoesNotFit

SHORTEST_WINDOW = 512
"""In tokens; a model that only a shorter one would fit does not fit."""
_FREE = Wishes()


def plan_memory(size: Size, device: Device, window_tokens: int, wishes: Wishes = _FREE) -> MemoryPlan:
    """The best way that fits.

    Args:
        size: The model.
        device: Where it shall go.
        window_tokens: Tokens that are read in one go.
        wishes: What the user asks for.

    Raises:
        SettingsError: If a wish can never be followed there.
        DoesNotFit: If nothing that is allowed fits; says what would.
    """
    allowed = [*ways(size, device, window_tokens, wishes)]
    better = [*takewhile(lambda way: not way.fits, allowed)]
    if len(better) == len(allowed):
        raise _refusal(size, device, window_tokens, wishes, min(allowed, key=lambda way: way.needed_bytes))
    if not better:
        return allowed[0]
    return replace(allowed[len(better)], why=f"{better[-1].way} needs {better[-1].needed_bytes / 1e9:.1f} GB")


def least(size: Size, device: Device, window_tokens: int, wishes: Wishes = _FREE) -> MemoryPlan:
    """The way that takes least, whether it fits or not.

    Raises:
        SettingsError: If a wish can never be followed there.
    """
    return min(ways(size, device, window_tokens, wishes), key=lambda way: way.needed_bytes)


def longest_window(size: Size, device: Device, wishes: Wishes = _FREE) -> MemoryPlan | None:
    """The plan for the longest window that fits, of all ways that are allowed; None if not even a short one does."""

    def fitting(tokens: int) -> MemoryPlan | None:
        return next((way for way in ways(size, device, tokens, wishes) if way.fits), None)

    if (whole := fitting(size.window_tokens)) is not None:
        return whole
    step = footprint.KV_GROWTH_TOKENS
    low, high = SHORTEST_WINDOW // step, size.window_tokens // step
    best = fitting(low * step)
    while best is not None and high - low > 1:
        middle = (low + high) // 2
        if (found := fitting(middle * step)) is None:
            high = middle
        else:
            low, best = middle, found
    return best


def alternatives(size: Size, device: Device, window_tokens: int, wishes: Wishes = _FREE) -> tuple[MemoryPlan, ...]:
    """What would fit where the wishes do not: the best other way for this window, and the longest window each way."""
    others = next((way for way in ways(size, device, window_tokens, _FREE, every_form=True) if way.fits), None)
    shorter = longest_window(size, device, wishes)
    kept = Wishes(kv=wishes.kv, kv_memory=wishes.kv_memory)
    freer = longest_window(size, device, kept) if shorter is None else None
    return tuple(way for way in (others, shorter, freer) if way is not None)


def _refusal(size: Size, device: Device, window_tokens: int, wishes: Wishes, least: MemoryPlan) -> DoesNotFit:
    """One sentence of what is needed and what is free, and a hint of what would fit."""
    others = alternatives(size, device, window_tokens, wishes)
    told = [
        f"--window {way.window_tokens}{_wished(way, wishes)}"
        if way.window_tokens != window_tokens
        else f"the same window{_wished(way, wishes)}"
        for way in others
    ]
    fits = f"This would fit: {'; or '.join(dict.fromkeys(told))}." if told else "No window of this model would fit."
    return DoesNotFit(
        f"The model needs {least.needed_bytes / 1e9:.1f} GB of memory for windows of {window_tokens:,} tokens "
        f"({least.way}), and {device.name} has {device.free_bytes / 1e9:.1f} GB free.",
        hint=f"{fits} Or close other programs, or choose another model or --device.",
    )


def _wished(way: MemoryPlan, wishes: Wishes) -> str:
    """The options that ask for a way."""
    precision = "" if way.precision == wishes.precision else f" --precision {way.precision}"
    kv = "" if way.kv == wishes.kv else f" --kv {way.kv}"
    return precision + kv

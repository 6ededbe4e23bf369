"""Memory that runs out in spite of the plan, because another program took it: told in a sentence, and survived.

What failed holds on to memory through its traceback, so that is let go before anything else is tried.
"""

from __future__ import annotations

import gc
import sys
import traceback

from nemo_docs.errors import DoesNotFit

_SAYS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "alloc_failed",
    "invalid buffer size",  # of an Apple GPU: one tensor that is larger than it could ever hold
)


def is_exhaustion(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's own, torch's on any device, or the system's."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | OSError) and any(words in str(error).lower() for words in _SAYS)
    )


def let_go(error: BaseException) -> None:
    """Free what the frames of a failed computation hold, on the device too."""
    traceback.clear_frames(error.__traceback__)
    error.__traceback__ = None
    gc.collect()
    empty_device_caches()


def empty_device_caches() -> None:
    """Give back what torch keeps of a GPU's memory for tensors to come, if torch was used at all."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def ran_out(doing: str) -> DoesNotFit:
    """What is told.

    Args:
        doing: What was under way: `loaded`, `at work`.
    """
    return DoesNotFit(
        f"Memory ran out while the model was {doing}.",
        hint="Another program may have taken it. Close it and ask again; or choose a smaller --window, --kv int8, a "
        "smaller --precision, or set kv_memory to less.",
    )

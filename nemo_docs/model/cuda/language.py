"""Triton where it is installed; elsewhere modules of kernels can be imported and their kernels cannot be called.

Triton is no dependency: torch brings it on Linux with CUDA. With `TRITON_INTERPRET=1` in the environment it runs
kernels on a CPU, slowly, which is how tests compare them with their plain forms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    import triton
    import triton.language as tl

    TRITON = True
    """Whether kernels can be called."""
    jit: Callable[[Callable[..., Any]], Any] = triton.jit
    """Makes a kernel."""
except ImportError:
    tl, TRITON = None, False

    def jit(function: Callable[..., Any]) -> Any:
        """What stands for a kernel where there is no Triton: it has a name and a text, and cannot be launched."""
        return function


def interpreted() -> bool:
    """Whether kernels run on the CPU."""
    return TRITON and bool(triton.knobs.runtime.interpret)


def blocks(count: int, size: int) -> int:
    """How many blocks of `size` cover `count`."""
    return -(-count // size)


def power_of_two(count: int) -> int:
    """The smallest power of two that is not below `count`."""
    return 1 << max(0, count - 1).bit_length()


__all__ = ["TRITON", "blocks", "interpreted", "jit", "power_of_two", "tl"]

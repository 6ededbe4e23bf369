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
except ImportError:
    triton, tl, TRITON = None, None, False


def jit(function: Callable[..., Any]) -> Any:
    """Make a kernel; without Triton what comes back has a name and cannot be launched."""
    return triton.jit(function) if TRITON else function


def jit_for_any(*names: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a kernel that is compiled once for all values of these numbers, not anew for 1 and multiples of 16."""
    if not TRITON:
        return jit
    decorate: Callable[[Callable[..., Any]], Any] = triton.jit(do_not_specialize=list(names))
    return decorate


def blocks(count: int, size: int) -> int:
    """How many blocks of `size` cover `count`."""
    return -(-count // size)


def power_of_two(count: int) -> int:
    """The smallest power of two that is not below `count`."""
    return 1 << max(0, count - 1).bit_length()


__all__ = ["TRITON", "blocks", "jit", "jit_for_any", "power_of_two", "tl"]

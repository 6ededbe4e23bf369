"""Numba where it is installed; elsewhere modules of kernels can be imported and their kernels cannot be called.

Code is compiled for the processor at hand when it is first called and kept on disk, beside these files or in the user's
cache folder. Nothing is looked up or written before that: importing has no effects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    from llvmlite import ir
    from numba import get_num_threads, njit, prange, set_num_threads, types
    from numba.core.cgutils import unpack_tuple
    from numba.core.config import NUMBA_NUM_THREADS
    from numba.extending import intrinsic

    NUMBA = True
    """Whether kernels can be called."""
except ImportError:
    NUMBA, NUMBA_NUM_THREADS, prange = False, 1, range
    ir = njit = types = unpack_tuple = get_num_threads = set_num_threads = None

    def intrinsic(*functions: Callable[..., Any], **options: bool) -> Any:
        """What comes back has a name and cannot be called."""
        return functions[0] if functions else lambda function: function


def compiled(function: Callable[..., Any], *, parallel: bool = False, fast: bool = False) -> Callable[..., Any]:
    """A function as machine code; `fast` lets sums be taken in any order."""
    compile_it = njit(parallel=parallel, fastmath=fast, error_model="numpy", nogil=True, cache=True)
    made: Callable[..., Any] = compile_it(function)
    return made


__all__ = [
    "NUMBA",
    "NUMBA_NUM_THREADS",
    "compiled",
    "get_num_threads",
    "intrinsic",
    "ir",
    "prange",
    "set_num_threads",
    "types",
    "unpack_tuple",
]

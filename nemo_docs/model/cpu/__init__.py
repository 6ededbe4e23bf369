"""Decode on a CPU: kernels that Numba compiles for the processor at hand. Nothing else here imports Numba."""

"""What an NVIDIA GPU does in its own way: fused elementwise work, cuDNN for long pasts, decode in one CUDA graph.

Everything here has a plain form in torch elsewhere, which tests compare it with; `accelerating.accelerate` is the one
place that puts these forms into a model. Kernels are written in Triton, which torch brings with it on Linux with CUDA;
where it is missing, these modules can still be imported.
"""

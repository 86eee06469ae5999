"""The fast engine: one interpreter kernel in NVIDIA Warp, for CPU and CUDA."""

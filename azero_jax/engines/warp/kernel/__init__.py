"""The interpreter of the Warp engine: one kernel in Python, compiled for the CPU or for CUDA.

Where Warp is not installed, `batch`, `device`, `layout` and `spec` can still be imported.
"""

"""The interpreter of the Warp engine: one kernel in Python, compiled for the CPU or for CUDA.

Only `spec` and `device` can be imported where Warp is not installed.
"""

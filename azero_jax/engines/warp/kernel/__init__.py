"""The interpreter of the Warp engine: one kernel, compiled for the CPU or for CUDA; Warp must be installed.

What Warp compiles is in its dialect of Python: it has its own types, functions are made by functions that know what
they are compiled for, loops are written for the compiler, and `int(0)` makes a variable of a constant.
"""

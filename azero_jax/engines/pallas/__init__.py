"""The Pallas engine, for TPUs: `--engine pallas`.

A TPU works on 8 x 128 numbers at a time, one instruction after the other. One program on 10 tasks would fill 10 of
these 1,024 lanes; so a lane is a program, a block has 1,024 of them, and tasks and the numbers of a vector or matrix
are axes outside of the lanes. A transposed matrix is then other vector registers, a sum over features plain additions:
nothing ever moves between lanes. Which of its op's operands a lane reads it selects, and it selects its op's result.
Blocks run by the XLA engine's schedule (`xla.groups`), each entry a scalar branch to a group of ops; registers, which
XLA leaves in the HBM between two operations, stay in the vector memory (VMEM) from Setup to the last validation, of as
many tasks at a time as fit. Examples and schedules come through the scalar memory (SMEM).

Counted in the bundles that the compiler makes for a TPU v5e (`experiments/pallas_model.py`), with 10 tasks: an entry
takes a block 260 cycles in the demo's space, 25 a task. Predicted programs a second, `xla` and `pallas`: demo 107,000
and 3,340,000; a two-layer net 1,220 and 18,200; random programs of the full table 384 and 2,150. One program at a time
with its tasks in lanes was only estimated: at some hundred cycles an instruction, whatever it does, 15,000, 550 and
6,500. It might pay for the full table, whose schedules have nine times the entries that a program has instructions.
"""

"""What a Warp kernel is compiled for, and how it lays out a program's memory; plain data, without Warp."""

import dataclasses
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.fusion import Fusion, fusions_of
from azero_jax.language import ops
from azero_jax.language.roles import Metric, Register

# Values of a run's state that outlive an example, kept behind the registers.
TRAINING: Final = 0  # 1 in lanes that have not been stopped
VALIDATING: Final = 1  # 1 in lanes that this epoch's validation has not stopped
STATE_SIZE: Final = 2

AFTER_SETUP, AFTER_TRAINING = 0, 1  # when memory is traced

# A run's stop and its reason are one number, of which the stop takes the lowest bits.
STOP_BITS: Final = 2
STOP_MASK: Final = (1 << STOP_BITS) - 1


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a SIMD register holds: one element of a register for several tasks, or several elements for one task.

    Attributes:
      lanes: tasks of a value, which one thread works on.
      block: neighbouring elements of a vector, or of a matrix's column, that are worked on at a time: a power of 2 that
        divides F. One of the two is 1.
    """

    lanes: int
    block: int = 1

    def __post_init__(self) -> None:
        if self.lanes > 1 and self.block > 1:
            raise ValueError(f"a layout has {self.lanes} lanes and blocks of {self.block}; one of the two must be 1")


@dataclasses.dataclass(frozen=True)
class Registers:
    """Where the registers of one program lie in its register file, in elements.

    Scalars come first, then vectors, then matrices (column by column: a product of a matrix and a vector then adds up
    whole blocks), then room for one matrix or vector that a product needs while its output is also its input, or for
    the partial sums of a block.

    Attributes:
      features: F.
      scalars: scalar registers.
      vectors: vector registers.
      matrices: matrix registers.
      block: elements of a block, see `Layout`; vectors and matrices start where a block does.
    """

    features: int
    scalars: int
    vectors: int
    matrices: int
    block: int = 1

    def length(self, kind: str) -> int:
        """Elements of one register of a kind."""
        return {ops.SCALAR: 1, ops.VECTOR: self.features, ops.MATRIX: self.features**2}[kind]

    def start(self, kind: str) -> int:
        """First element of the first register of a kind."""
        vectors = -(-self.scalars // self.block) * self.block
        return {ops.SCALAR: 0, ops.VECTOR: vectors, ops.MATRIX: vectors + self.vectors * self.features}[kind]

    def place(self, register: Register) -> int:
        """First element of a register."""
        return self.start(register.kind) + register.address * self.length(register.kind)

    def blocks(self, kind: str) -> int:
        """Blocks of one vector or matrix register."""
        return self.length(kind) // self.block

    def first_block(self, kind: str) -> int:
        """First block of the first vector or matrix register."""
        return self.start(kind) // self.block

    @property
    def memory(self) -> int:
        """Elements of all registers."""
        return self.start(ops.MATRIX) + self.matrices * self.features**2

    @property
    def spare(self) -> int:
        """First element of the room for a product."""
        return self.memory

    @property
    def size(self) -> int:
        """Elements of the register file."""
        return self.memory + max(self.features ** (2 if self.matrices else 1), 2 * self.block)


class Inputs(NamedTuple):
    """What a kernel is handed beside a batch, in the order of its arguments; see `make_kernel`."""

    order: NDArray[np.int32]
    examples: NDArray[np.float32 | np.float64]
    tasks: int
    groups: int
    train_examples: int
    valid_examples: int
    seed: np.uint32
    max_abs_error: float


class Sizes(NamedTuple):
    """How many values each output of a kernel has of one program; see `make_kernel`."""

    loss: int
    stop: int
    train_steps: int
    errors: int
    traced: int


@dataclasses.dataclass(frozen=True)
class KernelSpec:
    """What a kernel is compiled for.

    Attributes:
      registers: how many registers of each kind there are, and F.
      slots: L, instruction slots of a program tensor.
      offsets: first slot of Setup, Predict and Learn.
      ops: numbers of the ops that programs may use.
      precision: "float32" or "float64".
      metric: how predictions are judged.
      lanes: tasks of a group.
      cuda: compile for a GPU: registers in the thread's local memory (which the hardware interleaves over the threads
        of a warp, and reserves only for the threads that are running), tasks minor in the task data.
      epochs: whether there is more than one epoch; memory is then restored after a validation that stopped early.
    """

    registers: Registers
    slots: int
    offsets: tuple[int, int, int]
    ops: tuple[int, ...]
    precision: str
    metric: Metric
    lanes: int
    cuda: bool
    epochs: bool

    @property
    def fusions(self) -> tuple[Fusion, ...]:
        """The fused instructions that there are: none without matrices, where they would save little."""
        return fusions_of(self.ops) if has_matrix_ops(self.ops) else ()

    @property
    def example_size(self) -> int:
        """Values of an example: its features, then its label, up to where a block ends."""
        features, block = self.registers.features, self.registers.block
        return features + -(-self.label_size // block) * block

    @property
    def label_size(self) -> int:
        """Values of a label."""
        return self.metric.outputs(self.registers.features)

    @property
    def scratch(self) -> int:
        """Values of the register file and of its backup."""
        return self.state + STATE_SIZE + (self.registers.memory if self.epochs else 0)

    @property
    def state(self) -> int:
        """Where the state of the run lies: see `STATE_SIZE`."""
        return self.registers.size


def has_matrix_ops(numbers: tuple[int, ...]) -> bool:
    """Whether one of these ops reads or writes a matrix."""
    return any(ops.MATRIX in (*ops.OPS[number].inputs, ops.OPS[number].output) for number in numbers)

"""What ops compute, by name."""

import enum


class Family(enum.Enum):
    """Ops that compute the same, on registers of whatever kind: the engines and the analyses look ops up by this.

    `azero_jax.language.compute` computes them. Where the original treats scalars or matrices in a way of their own,
    they are a family of their own: the step at zero is 1 for scalars, and what a minimum or maximum makes of NaN
    differs for matrices.
    """

    NOTHING = enum.auto()
    SUM = enum.auto()
    DIFFERENCE = enum.auto()
    PRODUCT = enum.auto()  # of elements, or of all elements and a scalar
    QUOTIENT = enum.auto()
    ABSOLUTE = enum.auto()
    RECIPROCAL = enum.auto()
    SIN = enum.auto()
    COS = enum.auto()
    TAN = enum.auto()
    ARCSIN = enum.auto()
    ARCCOS = enum.auto()
    ARCTAN = enum.auto()
    EXP = enum.auto()
    LOG = enum.auto()
    SCALAR_HEAVISIDE = enum.auto()
    HEAVISIDE = enum.auto()
    MINIMUM = enum.auto()
    MAXIMUM = enum.auto()
    MATRIX_MINIMUM = enum.auto()
    MATRIX_MAXIMUM = enum.auto()
    NORM = enum.auto()
    MEAN = enum.auto()
    ST_DEV = enum.auto()
    INNER_PRODUCT = enum.auto()
    OUTER_PRODUCT = enum.auto()
    MATVEC = enum.auto()
    MATMUL = enum.auto()
    COLUMN_BROADCAST = enum.auto()
    ROW_BROADCAST = enum.auto()
    TRANSPOSE = enum.auto()
    IDENTITY = enum.auto()  # of a scalar or constant; it fills a vector
    SET_ELEMENT = enum.auto()
    SET_MATRIX_ELEMENT = enum.auto()
    UNIFORM = enum.auto()
    GAUSSIAN = enum.auto()

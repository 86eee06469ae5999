"""The canonical form: the same bits as the raw program, one hash for all its wordings, another for every near miss."""

import itertools

import numpy as np
import pytest
from hypothesis import given

from azero_jax.analysis.canonical.form import canonicalize, number_streams
from azero_jax.analysis.pruning import prune
from azero_jax.config.presets import PRESETS
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.xla.engine import XlaEngine
from azero_jax.language import ops
from azero_jax.language.library import load_program
from azero_jax.language.program import IN1, OUT, check_programs, concatenate
from azero_jax.language.roles import Metric
from azero_jax.language.space import make_space
from azero_jax.language.text import format_program, parse_program
from azero_jax.tasks import make_tasks
from tests.support import rewrites
from tests.support.spaces import DEMO, full_space, same, seeds, some_programs

SPACE = make_space(features=4, scalars=6, vectors=8, matrices=3, setup=8, predict=10, learn=16)
PARTIAL_WRITES = make_space(
    features=2,
    scalars=3,
    vectors=4,
    matrices=2,
    setup=6,
    predict=8,
    learn=6,
    allowed=(
        "VECTOR_CONST_SET",
        "MATRIX_CONST_SET",
        "VECTOR_NORM",
        "VECTOR_SUM",
        "MATRIX_VECTOR_PRODUCT",
        "VECTOR_OUTER_PRODUCT",
        "VECTOR_UNIFORM_SET",
        "SCALAR_GAUSSIAN_SET",
        "SCALAR_BROADCAST",
        "MATRIX_MIN",
    ),
)
SPACES = {"all ops": full_space(), "partial writes": PARTIAL_WRITES, "demo": DEMO}
MANY_TWINS = {**SPACES, "affine": PRESETS["affine"].space.build(features=4)}

LINEAR = """
def Setup():
  s2 = 0.001
def Predict():
  s1 = dot(v0, v1)
def Learn():
  s3 = s0 - s1
  s4 = s3 * s2
  v2 = v0 * s4
  v1 = v1 + v2
"""
EVOLVED = load_program("evolved_cifar10_as_listed").text
NEURAL_NET = """
def Setup():
  s3 = 0.01
  m1 = gaussian(0.0, 0.1)
  v2 = gaussian(0.0, 0.2)
def Predict():
  v4 = dot(m1, v0)
  v5 = v4 + v3
  v6 = maximum(v5, v7)
  s1 = dot(v2, v6)
def Learn():
  s4 = s0 - s1
  s5 = s3 * s4
  v1 = heaviside(v5, 1.0)
  v1 = v2 * v1
  v1 = s5 * v1
  v4 = s5 * v6
  v2 = v2 + v4
  v3 = v3 + v1
  m0 = outer(v1, v0)
  m1 = m1 + m0
"""
KNOWN = {"linear": LINEAR, "evolved": EVOLVED, "neural net": NEURAL_NET}

REWRITES = {
    "renaming": lambda programs, space, metric, rng: rewrites.rename_registers(programs, space, metric, rng),
    "commuting": lambda programs, space, _, rng: rewrites.swap_operands(programs, space, commutative=True, rng=rng),
    "reordering": lambda programs, space, _, rng: rewrites.shuffle_independent(programs, space, rng),
}

# Twins compute the same in the same way; each entry has two wordings of one program.
TWINS = {
    "two equal dot products, used differently": (
        """
def Setup():
  v2 = gaussian(0.0, 1.0)
  s2 = dot(v2, v2)
  s3 = dot(v2, v2)
def Predict():
  s4 = dot(v0, v2)
  s4 = s4 * s2
  s1 = s4 - s3
""",
        ("  s2 = dot(v2, v2)\n  s3 = dot(v2, v2)", "  s3 = dot(v2, v2)\n  s2 = dot(v2, v2)"),
    ),
    "the two sides of a difference": (
        """
def Setup():
  s2 = uniform(0.0, 1.0)
  s3 = uniform(0.0, 1.0)
def Predict():
  s1 = s2 - s3
""",
        ("s2 - s3", "s3 - s2"),
    ),
    "a commutative sum": (
        """
def Setup():
  s2 = uniform(0.0, 1.0)
  s3 = uniform(0.0, 1.0)
def Predict():
  s4 = s2 + s3
  s5 = s4 * s3
  s1 = s5 - s2
""",
        ("s5 = s4 * s3\n  s1 = s5 - s2", "s5 = s4 * s2\n  s1 = s5 - s3"),
    ),
    "the prediction and a copy of it": (
        """
def Predict():
  s1 = dot(v0, v1)
  s2 = dot(v0, v1)
def Learn():
  s3 = s0 - s2
  v2 = s3 * v0
  v1 = v1 + v2
""",
        ("  s1 = dot(v0, v1)\n  s2 = dot(v0, v1)", "  s2 = dot(v0, v1)\n  s1 = dot(v0, v1)"),
    ),
    "two of a kind, each with what is made of it": (
        """
def Setup():
  v1 = gaussian(0.0, 1.0)
  v2 = gaussian(0.0, 1.0)
def Predict():
  s2 = dot(v0, v1)
  s3 = dot(v0, v2)
  s1 = s2 + s3
def Learn():
  v1 = s3 * v1
  v2 = s2 * v2
""",
        ("  s2 = dot(v0, v1)\n  s3 = dot(v0, v2)", "  s3 = dot(v0, v2)\n  s2 = dot(v0, v1)"),
    ),
}


def hash_of(text, space=SPACE, metric=Metric.RMS_ERROR):
    return canonicalize(parse_program(text, space), space, metric).hashes[0]


def changed_hashes(programs, other, space, metric):
    """Texts of the programs whose rewording has another hash."""
    differ = canonicalize(programs, space, metric).hashes != canonicalize(other, space, metric).hashes
    return [format_program(programs, int(index), space) for index in np.flatnonzero(differ)]


def some_tasks(space, metric):
    rng = np.random.default_rng(3)
    shapes = ((3, 12, space.features), (3, 5, space.features))
    (train, valid), top = (rng.normal(size=shape) for shape in shapes), 2 if metric == Metric.ACCURACY else 0
    if metric == Metric.MULTICLASS_ACCURACY:
        labels = [np.eye(space.features)[rng.integers(space.features, size=shape[:2])] for shape in shapes]
    else:
        labels = [rng.integers(top, size=s[:2]) if top else rng.normal(size=s[:2]) for s in shapes]
    return make_tasks(train, labels[0], valid, labels[1], metric)


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_pruned_and_canonical_programs_run_bit_for_bit_like_the_raw_ones(space, metric):
    settings = RunSettings(precision="float64", epochs=2, max_abs_error=1e9)
    if metric == Metric.MULTICLASS_ACCURACY and space.vectors < 3:
        pytest.skip("no room for several classes")
    engine = XlaEngine(space, some_tasks(space, metric), settings)
    raw = number_streams(some_programs(space, 300, seed=4), space, metric)
    expected = engine.evaluate(raw, record=True)
    for rewritten in (prune(raw, space, metric), canonicalize(raw, space, metric).programs):
        check_programs(rewritten, space)
        actual = engine.evaluate(rewritten, record=True)
        for one, other in zip(expected, actual, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("space", [*MANY_TWINS.values(), SPACE], ids=[*MANY_TWINS, "roomy"])
def test_the_canonical_form_is_its_own_canonical_form(space, metric):
    once = canonicalize(some_programs(space, 20_000, seed=5), space, metric)
    again = canonicalize(once.programs, space, metric)
    np.testing.assert_array_equal(again.hashes, once.hashes)
    assert same(again.programs, once.programs)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_hashes_are_equal_exactly_where_programs_are(space):
    programs, hashes = canonicalize(some_programs(space, 3000, seed=6), space, Metric.RMS_ERROR)
    contents = [b"".join(array[i].tobytes() for array in programs.arrays()) for i in range(len(programs))]
    assert len(set(contents)) == len(set(hashes.tolist())) == len(set(zip(contents, hashes.tolist(), strict=True)))


@given(seed=seeds)
def test_a_batch_is_made_canonical_as_its_programs_one_by_one(seed):
    programs = some_programs(SPACE, 5, seed)
    batch = canonicalize(programs, SPACE, Metric.ACCURACY)
    for i in range(5):
        one = canonicalize(programs[i : i + 1], SPACE, Metric.ACCURACY)
        assert one.hashes[0] == batch.hashes[i]
        assert same(one.programs, batch.programs[i : i + 1])


@pytest.mark.parametrize("metric", Metric)
@given(seed=seeds)
def test_names_of_registers_do_not_matter(metric, seed):
    programs = some_programs(SPACE, 20, seed)
    renamed = rewrites.rename_registers(programs, SPACE, metric, np.random.default_rng(seed))
    np.testing.assert_array_equal(
        canonicalize(renamed, SPACE, metric).hashes, canonicalize(programs, SPACE, metric).hashes
    )


@pytest.mark.parametrize("metric", [Metric.RMS_ERROR, Metric.ACCURACY])
@pytest.mark.parametrize("text", KNOWN.values(), ids=KNOWN)
@given(seed=seeds)
def test_other_words_for_a_known_program_have_its_hash(text, metric, seed):
    rng = np.random.default_rng(seed)
    program = parse_program(text, SPACE)
    other = rewrites.rename_registers(program, SPACE, metric, rng)
    other = rewrites.swap_operands(other, SPACE, commutative=True, rng=rng)
    other = rewrites.shuffle_independent(other, SPACE, rng)
    assert canonicalize(other, SPACE, metric).hashes[0] == canonicalize(program, SPACE, metric).hashes[0]


@pytest.mark.parametrize("rewrite", REWRITES.values(), ids=REWRITES)
@pytest.mark.parametrize("space", MANY_TWINS.values(), ids=MANY_TWINS)
def test_one_way_of_rewording_a_random_program_keeps_its_hash(space, rewrite):
    programs = prune(some_programs(space, 1000, seed=7), space, Metric.RMS_ERROR)
    other = rewrite(programs, space, Metric.RMS_ERROR, np.random.default_rng(7))
    assert not changed_hashes(programs, other, space, Metric.RMS_ERROR)


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("space", MANY_TWINS.values(), ids=MANY_TWINS)
def test_other_words_for_a_random_program_have_its_hash(space, metric):
    rng = np.random.default_rng(8)
    other = programs = prune(some_programs(space, 500, seed=8), space, metric)
    for rewrite in REWRITES.values():
        other = rewrite(other, space, metric, rng)
    assert not changed_hashes(programs, other, space, metric)


@pytest.mark.parametrize(("text", "edit"), TWINS.values(), ids=TWINS)
def test_twins_are_told_apart_by_their_use(text, edit):
    assert text.count(edit[0]) == 1
    assert hash_of(text.replace(*edit)) == hash_of(text)


def test_which_of_two_twins_is_used_makes_another_program():
    program = (
        "def Setup():\n s2 = uniform(0.0, 1.0)\n s3 = uniform(0.0, 1.0)\n"
        "def Predict():\n s4 = s2 - s3\n s1 = s4 * {}\ndef Learn():\n s3 = s0 * {}"
    )
    assert len({hash_of(program.format(*twins)) for twins in itertools.product(("s2", "s3"), repeat=2)}) == 4


def test_setup_may_use_the_register_of_the_label_for_a_value_of_its_own():
    program = (
        "def Setup():\n s2 = 0.5\n {0} = bcast(s2)\n s3 = norm({0})\n"
        "def Predict():\n v3 = v1 + v7\n v2 = s3 * v6\ndef Learn():\n v4 = 1 / v3\n v5 = abs(v2)\n v6 = v4 + v5"
    )
    hashes = {hash_of(program.format(register), metric=Metric.MULTICLASS_ACCURACY) for register in ("v1", "v2", "v3")}
    assert len(hashes) == 1


@given(seed=seeds)
def test_dead_code_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    programs = prune(some_programs(SPACE, 20, seed), SPACE, Metric.RMS_ERROR)
    grown = rewrites.insert_instructions(programs, some_programs(SPACE, 20, seed + 1), SPACE, rng)
    pruned = prune(grown, SPACE, Metric.RMS_ERROR)
    is_dead = [same(pruned[i : i + 1], programs[i : i + 1]) for i in range(20)]
    hashes = canonicalize(grown, SPACE, Metric.RMS_ERROR).hashes
    np.testing.assert_array_equal(hashes[is_dead], canonicalize(programs, SPACE, Metric.RMS_ERROR).hashes[is_dead])


def test_a_register_may_be_used_again_for_a_value_that_stays_in_its_function():
    reused = LINEAR.replace("s4 = s3 * s2", "s1 = s3 * s2").replace("v0 * s4", "v0 * s1")
    assert hash_of(reused) == hash_of(LINEAR)


def test_all_registers_that_are_never_written_are_the_same():
    program = "def Predict():\n s1 = {} + s2\ndef Learn():\n s2 = s0 * s2"
    assert hash_of(program.format("s3")) == hash_of(program.format("s5")) == hash_of(program.format("s0"))


def live_edits(text, space=SPACE):
    """(slot, op, program) for every instruction of a program, to be edited; all of them are live."""
    program = parse_program(text, space)
    assert same(prune(program, space, Metric.RMS_ERROR), program)
    for _, slot, op in rewrites.instructions(program, 0, space):
        yield slot, op, rewrites.copy(program)


def test_one_address_makes_another_program():
    counts = {kind: SPACE.addresses(kind) for kind in ops.KINDS}
    edits = []
    for slot, op, program in live_edits(LINEAR):
        for field, kind in (*enumerate(op.inputs), *((OUT, kind) for kind in op.output)):
            for address in range(ops.FIRST_OUTPUT_ADDRESS[kind] if field == OUT else 0, counts[kind]):
                edited = rewrites.copy(program)
                edited.addresses[0, slot, field] = address
                if not same(edited, program):
                    edits.append(edited)
    hashes = canonicalize(concatenate(edits), SPACE, Metric.RMS_ERROR).hashes
    texts = [format_program(edit, 0, SPACE) for edit, h in zip(edits, hashes, strict=True) if h == hash_of(LINEAR)]
    assert not texts


@pytest.mark.parametrize("text", [LINEAR, NEURAL_NET], ids=["linear", "neural net"])
def test_one_unit_in_the_last_place_of_a_constant_makes_another_program(text):
    for slot, op, program in live_edits(text):
        for constant in range(op.constants):
            program.constants[0, slot, constant] = np.nextafter(program.constants[0, slot, constant], np.inf)
            assert canonicalize(program, SPACE, Metric.RMS_ERROR).hashes[0] != hash_of(text)


def test_a_quotient_of_zeros_and_a_difference_of_features_are_no_twins():
    program = "def Learn():\n v5 = v7 + v2\n v2 = v1 / v5\n s1 = dot(v7, v1)\n v7 = v0 - v5"
    assert hash_of(program.replace("v7 + v2", "v2 + v7")) == hash_of(program)


def test_one_index_makes_another_program():
    program = "def Setup():\n m1[{}, {}] = 0.5\ndef Predict():\n v1 = dot(m1, v0)\n s1 = mean(v1)"
    assert len({hash_of(program.format(i, j)) for i in range(4) for j in range(4)}) == 16


@pytest.mark.parametrize("text", [LINEAR, NEURAL_NET], ids=["linear", "neural net"])
def test_another_op_makes_another_program(text):
    for slot, op, program in live_edits(text):
        for other in ops.OPS:
            alike = (other.inputs, other.output, other.indices, other.constants)
            if other != op and alike == (op.inputs, op.output, op.indices, op.constants):
                program.opcodes[0, slot] = other.number
                assert canonicalize(program, SPACE, Metric.RMS_ERROR).hashes[0] != hash_of(text)


@pytest.mark.parametrize("op", [op for op in ops.OPS if op.inputs in ("ss", "vv", "mm")], ids=lambda op: op.name)
def test_operand_order_matters_unless_the_op_commutes(op):
    kind = op.inputs[0]
    setup = {
        "s": "s2 = 0.5\n s3 = 0.25",
        "v": "v2 = bcast(s2)\n v3 = bcast(s3)",
        "m": "m0 = bcast(v2, axis=0)\n m1 = bcast(v3, axis=0)",
    }
    lines = "\n ".join(setup[k] for k in ops.KINDS[: ops.KINDS.index(kind) + 1])
    result = {"s": "s1 = abs(s4)", "v": "s1 = norm(v4)", "m": "s1 = norm(m2)"}[op.output]
    program = parse_program(f"def Setup():\n {lines}\n pass\ndef Predict():\n {result}", SPACE)
    slot = int(program.sizes[0, 0]) - 1
    first, second = (0, 1) if kind == "m" else (2, 3)
    hashes = []
    for operands in ((first, second), (second, first)):
        program.opcodes[0, slot] = op.number
        program.addresses[0, slot] = *operands, 2 if op.output == "m" else 4
        hashes.append(canonicalize(program, SPACE, Metric.RMS_ERROR).hashes[0])
    assert (hashes[0] == hashes[1]) == op.commutative


def test_zeros_of_either_sign_are_different_constants_and_a_nan_is_itself():
    program = "def Predict():\n s1 = {}"
    assert hash_of(program.format("0.0")) != hash_of(program.format("-0.0"))
    assert hash_of(program.format("nan")) == hash_of(program.format("nan"))


def test_streams_are_numbered_in_canonical_order_and_dead_ones_come_last():
    text = (
        "def Setup():\n s2 = uniform(0.0, 1.0)\n v1 = gaussian(0.0, 1.0)\ndef Predict():\n s1 = dot(v0, v1)\n"
        "def Learn():\n s3 = uniform(2.0, 3.0)\n v1 = gaussian(1.0, 2.0)"
    )
    numbered = number_streams(parse_program(text, SPACE), SPACE, Metric.RMS_ERROR)
    learn = SPACE.offsets[2]
    assert numbered.addresses[0, [0, 1, learn, learn + 1], IN1].tolist() == [2, 0, 3, 1]


def test_functions_of_more_than_64_instructions_keep_their_order_and_their_meaning():
    space = make_space(features=2, scalars=30, vectors=20, matrices=20, setup=10, predict=150, learn=150)
    programs = some_programs(space, 200, seed=8)
    once = canonicalize(programs, space, Metric.RMS_ERROR)
    assert once.programs.sizes.max() > 64
    assert same(canonicalize(once.programs, space, Metric.RMS_ERROR).programs, once.programs)
    renamed = rewrites.rename_registers(programs, space, Metric.RMS_ERROR, np.random.default_rng(9))
    np.testing.assert_array_equal(canonicalize(renamed, space, Metric.RMS_ERROR).hashes, once.hashes)
    commuted = rewrites.swap_operands(programs, space, commutative=True, rng=np.random.default_rng(9))
    np.testing.assert_array_equal(canonicalize(commuted, space, Metric.RMS_ERROR).hashes, once.hashes)

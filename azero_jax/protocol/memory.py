"""What a search would need of memory, before it takes any."""

import contextlib
from pathlib import Path
from typing import Final

from azero_jax.config.tree import Config
from azero_jax.engines.warp.batch import batch_bytes
from azero_jax.language.program import empty_programs
from azero_jax.language.space import SearchSpace

_GIB: Final = 2**30
_COPIES_OF_PROGRAMS: Final = 2  # while the initial population is put together
_COPIES_OF_TASKS: Final = 3  # as they are drawn, as they are kept, and as an engine arranges them
_CACHE_ENTRY: Final = 32  # bytes
_REGISTER: Final = 4  # bytes
_XLA_INSTRUCTION: Final = 2 * 8 * 4  # bytes, on the host and on the device
_REFERENCE_INSTRUCTION: Final = 4 * 4  # bytes of opcode and addresses
_WORDS: Final = {"float32": 4, "float64": 8}  # bytes
_STOP: Final = 6  # bytes of a stop, its reason and the steps


def check_memory(config: Config, space: SearchSpace, processes: int = 1) -> None:
    """Refuses a search that this machine has no memory for, before anything is allocated.

    Raises:
      ValueError: it needs more than is free; the settings that ask for most are named.
    """
    free = free_memory()
    needs = {name: need * processes for name, need in memory_needs(config, space).items()}
    total = sum(needs.values())
    if free is not None and total > free:
        settings = max(needs, key=lambda name: needs[name])
        most = f"most of it ({_gib(needs[settings])}) for {settings}"
        raise ValueError(f"the search would need {_gib(total)} of memory, {most}; {_gib(free)} are free; take less")


def memory_needs(config: Config, space: SearchSpace) -> dict[str, float]:
    """Bytes that a search takes at least, by the settings that ask for them."""
    search, tasks = config.search, config.tasks
    program = sum(array.nbytes for array in empty_programs(1, space).arrays())
    programs = search.islands * (search.population + 2 * search.batch) * program * _COPIES_OF_PROGRAMS
    registers = space.scalars + space.vectors * space.features + space.matrices * space.features**2
    features = max(space.features, 1)
    needs: dict[str, float] = {
        f"islands = {search.islands}, population = {search.population}, batch = {search.batch}": programs,
        f"cache_size = {config.evaluator.cache_size}": config.evaluator.cache_size * _CACHE_ENTRY,
        f"fec_size = {config.evaluator.fec_size}": config.evaluator.fec_size * _CACHE_ENTRY,
        f"features = {space.features}, vectors = {space.vectors}, matrices = {space.matrices}": registers * _REGISTER,
    }
    needs[f"batch_size = {config.engine.batch_size}"] = _batch_need(config, space)
    for name, (count, train, valid, _) in zip(("search", "select", "final"), tasks.stages, strict=True):
        if train is not None and valid is not None and not tasks.of_data:
            size = f"{name}_tasks = {count} of {train} + {valid} examples"
            needs[size] = float(count) * (train + valid) * features * 8 * _COPIES_OF_TASKS
    return needs


def _batch_need(config: Config, space: SearchSpace) -> float:
    """Bytes of a whole batch as its engine has it, and of what comes of it on the search tasks."""
    engine = config.engine
    word = _WORDS[engine.precision]
    outcomes = float(engine.batch_size) * config.tasks.search_tasks * (word + _STOP)
    if engine.engine in ("auto", "warp"):
        return batch_bytes(engine.batch_size, space.length, engine.precision) + outcomes
    instruction = _REFERENCE_INSTRUCTION + 2 * word if engine.engine == "reference" else _XLA_INSTRUCTION
    return float(engine.batch_size) * space.length * instruction + outcomes


def free_memory() -> float | None:
    """Bytes that this process may still take; None where that cannot be told."""
    found = [amount for amount in (_available(), _cgroup_left()) if amount is not None]
    return min(found, default=None)


def _available() -> float | None:
    """What the system has free, or can free."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith(("MemAvailable:",)):
                return float(line.split()[1]) * 1024
    return None


def _cgroup_left() -> float | None:
    """What a container may still take."""
    with contextlib.suppress(OSError, ValueError):
        folder = Path("/sys/fs/cgroup")
        most, used = ((folder / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        cached = 0.0
        for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines():
            if line.startswith("inactive_file "):
                cached = float(line.split()[1])
        return None if most == "max" else max(float(most) - float(used) + cached, 0.0)
    return None


def _gib(amount: float) -> str:
    return f"{amount / _GIB:,.1f} GiB"

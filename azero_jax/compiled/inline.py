"""Compiled loops, the helpers that they are made of, and Numba's cache on disk."""

import ast
import contextlib
import functools
import gc
import hashlib
import inspect
import logging
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.types import unliteral

from azero_jax.compiled.lowering import CalledCompiler, InlinedCompiler, LoopCompiler, signatures_kept
from azero_jax.process.compilation import announce

_logger = logging.getLogger(__name__)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled_loop(function: _Function) -> _Function:
    """Compiles a function that Python calls; it is kept on disk until any source changes that it may be made of."""
    dispatcher: Any = njit(nogil=True, no_cfunc_wrapper=True, pipeline_class=LoopCompiler)(function)  # type: ignore[call-overload]
    compile_by_numba = dispatcher._compiler.compile

    def compile_anew(*arguments: Any) -> Any:
        announce(f"{function.__module__}.{function.__qualname__}")
        if not isinstance(dispatcher._cache, _SourceCache):
            _say_nothing_is_kept()
        with _garbage_kept(), signatures_kept():
            return compile_by_numba(*arguments)

    dispatcher._compiler.compile = compile_anew
    with contextlib.suppress(RuntimeError):  # no folder to keep it in can be written to: every process compiles it
        dispatcher._cache = _SourceCache(function)
    return cast(_Function, dispatcher)


@functools.cache  # once is enough
def _say_nothing_is_kept() -> None:
    why = "neither the package's folder nor the user's cache can be written"
    _logger.warning("every process compiles anew: %s; set NUMBA_CACHE_DIR to a folder that can", why)


def inlined(function: _Function) -> _Function:
    """Compiles a helper that becomes part of the compiled loops that call it.

    It borrows the arrays that it is given, so it must neither make arrays nor return any, which Numba refuses, nor
    return a tuple of them, which would be freed too early. Without this (`_nrt`) Numba counts references to arguments,
    in atomic instructions, wherever a helper has several ways out.
    """
    return _helper(function, InlinedCompiler, _nrt=False)


def called(function: _Function) -> _Function:
    """The same for a helper that has many callers: it stays a function of its own, which compiles sooner."""
    return _helper(function, CalledCompiler, _nrt=False)


def allocating(function: _Function) -> _Function:
    """The same as `inlined` for a helper that makes arrays and returns them."""
    return _helper(function, InlinedCompiler)


def _helper(function: _Function, compiler: type[InlinedCompiler], **options: Any) -> _Function:
    """A helper, compiled once for all values of its arguments; Numba does so for every constant that is passed."""
    dispatcher: Any = njit(nogil=True, pipeline_class=compiler, **options)(function)  # type: ignore[call-overload]
    find = dispatcher.get_call_template

    def find_for_types(arguments: Any, keywords: Any) -> Any:
        return find(
            [unliteral(argument) for argument in arguments],
            {name: unliteral(argument) for name, argument in keywords.items()},
        )

    def add_overload(compiled: Any) -> None:  # for compiled code alone: there is no machine code that Python could call
        dispatcher.overloads[tuple(compiled.signature.args)] = compiled

    dispatcher.get_call_template = find_for_types
    dispatcher.add_overload = add_overload
    return cast(_Function, dispatcher)


@contextlib.contextmanager
def _garbage_kept() -> Iterator[None]:
    """Looks for no garbage in the meantime: Numba makes millions of objects that live until it is done."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _SourceCache(FunctionCache):
    """Numba's cache, which by itself looks only at the file of the function that it keeps.

    It would miss changes of the helpers and constants that the function takes from other modules.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._digest = source_digest(pathlib.Path(inspect.getfile(function)))  # now, as the source is imported

    def load_overload(self, *arguments: Any) -> Any:
        """What was kept; None if nothing was, or if it is damaged, as by a disk that was full: it is compiled anew."""
        try:
            return super().load_overload(*arguments)
        except Exception as error:  # unpickling what is damaged can raise nearly anything
            self._forget(error)
            return None

    def save_overload(self, *arguments: Any) -> None:
        """Keeps what was compiled, if it can be kept."""
        for _ in range(2):
            try:
                return super().save_overload(*arguments)
            except Exception as error:  # the same, and a disk that is full or cannot be written to
                self._forget(error)
        return None

    def _forget(self, error: Exception) -> None:
        _logger.info("%s: Numba's cache is not used (%r)", self.cache_path, error)
        with contextlib.suppress(OSError):
            self.flush()

    def _index_key(self, *arguments: Any) -> tuple[Any, ...]:
        return (*super()._index_key(*arguments), self._digest)


def source_digest(module: pathlib.Path) -> str:
    """A hash of the source of a module, and of every module of its package that it imports, directly or not.

    It follows absolute imports at the top of modules, where all that a compiled loop is made of comes from.

    Args:
      module: its file.
    """
    files, waiting = set[pathlib.Path](), [module]
    while waiting:
        file = waiting.pop()
        if file not in files:
            files.add(file)
            waiting += _read(file)[1]
    return hashlib.sha256(b"".join(_read(file)[0] for file in sorted(files))).hexdigest()


@functools.cache
def _read(file: pathlib.Path) -> tuple[bytes, list[pathlib.Path]]:
    """The hash of a module's source, and the files of the modules of its package that it imports."""
    source = file.read_bytes()
    package = file.parent
    while (package.parent / "__init__.py").exists():
        package = package.parent
    names = (name for name in _imported(source) if name.partition(".")[0] == package.name)
    modules = (_find(package.parent, name) for name in names)
    return hashlib.sha256(source).digest(), [module for module in modules if module is not None]


def _imported(source: bytes) -> Iterator[str]:
    """The full names of what a module imports; of `from a import b` both may be one, module `a` and module `a.b`."""
    for statement in _head(source).body:
        if isinstance(statement, ast.Import):
            yield from (name.name for name in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield str(statement.module)
            yield from (f"{statement.module}.{name.name}" for name in statement.names)


def _head(source: bytes) -> ast.Module:
    """A module up to its first definition, which imports do not follow (ruff's E402); the rest takes long to parse."""
    definition = re.search(rb"^(?:@|def |class )", source, re.MULTILINE)
    if definition is not None:
        with contextlib.suppress(SyntaxError):  # that is the end of no statement, but a line of a docstring
            return ast.parse(source[: definition.start()])
    return ast.parse(source)


@functools.cache
def _find(folder: pathlib.Path, name: str) -> pathlib.Path | None:
    """The file of a module or package, by its full name; None if there is none, because the name is one in a module."""
    path = folder.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.exists()), None)

"""How helpers of compiled loops are compiled: no further than to code that becomes part of each loop that calls them.

Numba by itself optimises every function, with a copy of all that it calls, and makes machine code of it, at each of the
steps from a helper up to the loop; most of the time that compiling took went there. Here that is done once, for the
loop. This leans on parts of Numba that are not public (0.62.1 and 0.68.1 were tried): how it lowers and links.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from llvmlite.binding import ModuleRef, create_pass_builder, create_pipeline_tuning_options
from numba.core.codegen import CodeLibrary, JITCodeLibrary
from numba.core.compiler import CompilerBase, Flags
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.registry import cpu_target
from numba.core.typed_passes import (
    AnnotateTypes,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.types import Function
from numba.core.untyped_passes import (
    DeadBranchPrune,
    FixupArgs,
    GenericRewrites,
    IRProcessing,
    ReconstructSSA,
    TranslateByteCode,
)

from azero_jax.compiled.calls import LowerCalled, LowerInlined, make_call

_signatures: Final = dict[tuple[Any, ...], Any]()  # of what was compiled so far


@contextlib.contextmanager
def signatures_kept() -> Iterator[None]:
    """Has Numba find out once what a function of its own makes of some types, which takes ten and more tries."""
    context = cpu_target.typing_context
    resolve = context.resolve_function_type

    def resolve_once(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        function = context._lookup_global(function) or function
        if not isinstance(function, Function):
            return resolve(function, arguments, keywords)
        key = (function, arguments, *keywords.items())
        if key not in _signatures:
            _signatures[key] = resolve(function, arguments, keywords)
        return _signatures[key]

    context.resolve_function_type = resolve_once
    try:
        yield
    finally:
        context.resolve_function_type = resolve


class _Library(JITCodeLibrary):  # type: ignore[misc]
    """Code of which each function is optimised by itself, before it becomes part of others.

    Numba makes passes for each function that is only declared too.
    """

    def _optimize_functions(self, module: ModuleRef) -> None:
        module.data_layout = self._codegen._data_layout
        for function in module.functions:
            if not function.is_declaration:
                passes, builder = self._codegen._function_pass_manager()
                passes.run(function, builder)


class _HelperLibrary(_Library):
    """The code of one helper, and which other code it needs."""

    def add_linking_library(self, library: CodeLibrary) -> None:
        if library not in self._linking_libraries:
            super().add_linking_library(library)

    def finalize(self) -> None:
        """No optimisation, and no machine code; what the linker must not leave out, as others may call it later."""
        self._raise_if_finalized()
        for function in self.get_defined_functions():
            function.linkage = "weak_odr"
        self._final_module.verify()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerInlined(NativeLowering):  # type: ignore[misc]
    _name = "lower_inlined"
    lowering_class: Any = LowerInlined

    def run_pass(self, state: Any) -> bool:
        library = _HelperLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library = library
        state.flags.no_compile = state.flags.no_cpython_wrapper = state.flags.no_cfunc_wrapper = True
        super().run_pass(state)
        name = state.func_id.func_name

        def refuse(*arguments: object) -> None:
            raise TypeError(f"{name} is a helper of compiled loops; only they can call it")

        # A caller links all that is named here: what the helper needs, and what that needs, and so on.
        needed = [library, *library._linking_libraries]
        call = make_call(state.cr.fndesc, needed, self.lowering_class.is_inlined)
        state.targetctx._defns[refuse].append(call, call.signature)
        state.cr = state.cr._replace(cfunc=refuse)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerCalled(_LowerInlined):
    _name = "lower_called"
    lowering_class = LowerCalled


class _LoopLibrary(_Library):
    """The code of one loop and of the helpers that it is made of, which nobody else calls.

    Loops over instructions and registers have few rounds: unrolled, as Numba has it, they take twice the code, a second
    and more longer to compile, and up to a tenth more time to run.
    """

    def _optimize_final_module(self) -> None:
        for library in self._linking_libraries:
            if isinstance(library, _HelperLibrary):
                for helper in library.get_defined_functions():
                    self._final_module.get_function(helper.name).linkage = "internal"
        options = create_pipeline_tuning_options(speed_level=2)
        options.loop_unrolling = options.slp_vectorization = False
        options.loop_vectorization = True
        builder = create_pass_builder(self._codegen._tm, options)
        first = self._codegen._module_pass_manager(loop_vectorize=False, slp_vectorize=False, opt=0, cost="cheap")
        for passes, of_builder in (first, (builder.getModulePassManager(), builder)):
            passes.run(self._final_module, of_builder)


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerLoop(NativeLowering):  # type: ignore[misc]
    _name = "lower_loop"

    def run_pass(self, state: Any) -> bool:
        state.library = _LoopLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


class _Flags(Flags):  # type: ignore[misc]
    """What a function is compiled with."""

    def copy(self) -> Flags:
        """What Numba keeps at hand while it compiles the function, and compares with others at each of its calls."""
        return _FixedFlags(self)


class _FixedFlags(Flags):  # type: ignore[misc]
    """The same, which nobody changes any more: what is compared is put together once."""

    def __init__(self, flags: Flags) -> None:
        super().__init__(flags)
        self._fixed = super().values()

    def values(self) -> dict[str, Any]:
        return self._fixed

    def copy(self) -> Flags:
        return Flags(self)


class InlinedCompiler(CompilerBase):  # type: ignore[misc]
    """Those of Numba's passes that these functions need: they have no closures, contexts, or array expressions.

    After most passes Numba looks anew at what each variable is used for, which takes longer than the pass.
    """

    lowering: Any = _LowerInlined

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state.flags = _Flags(self.state.flags)

    def define_pipelines(self) -> list[Any]:
        """The one pipeline."""
        untyped = TranslateByteCode, FixupArgs, IRProcessing, DeadBranchPrune, GenericRewrites, ReconstructSSA
        typed = NopythonTypeInference, PreLowerStripPhis, IRLegalization, AnnotateTypes, self.lowering, NoPythonBackend
        manager = PassManager("nopython")
        for each in untyped + typed:
            manager.add_pass(each, "")
        manager.finalize()
        return [manager]


class CalledCompiler(InlinedCompiler):
    """The same for a helper that stays a function of its own."""

    lowering = _LowerCalled


class LoopCompiler(InlinedCompiler):
    """The same for a loop."""

    lowering = _LowerLoop

"""How helpers of compiled loops are compiled: no further than to code that becomes part of each loop that calls them.

Numba by itself optimises every function, with a copy of all that it calls, and makes machine code of it, at each of the
steps from a helper up to the loop; most of the time that compiling took went there. Here that is done once, for the
loop. This leans on parts of Numba that are not public (0.62.1 and 0.68.1 were tried): how it lowers and links.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from llvmlite.binding import ModuleRef, create_pass_builder, create_pipeline_tuning_options
from llvmlite.ir import IRBuilder
from numba.core.callconv import CPUCallConv
from numba.core.cgutils import get_or_insert_function, if_unlikely
from numba.core.codegen import CodeLibrary, JITCodeLibrary
from numba.core.compiler import CompilerBase, Flags
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.imputils import impl_ret_new_ref, user_function
from numba.core.lowering import Lower
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
        """No optimisation, and no machine code."""
        self._raise_if_finalized()
        self._final_module.verify()
        self._finalized = True


class _WholeArguments:
    """Arguments that are passed as they are; Numba takes arrays and tuples apart, and puts them together again."""

    def __init__(self, models: Any, types: Sequence[Any]) -> None:
        self.argument_types = [models.lookup(each).get_value_type() for each in types]

    def as_arguments(self, builder: Any, values: Sequence[Any]) -> Sequence[Any]:
        return values

    from_arguments = as_arguments

    def assign_names(self, arguments: Sequence[Any], names: Sequence[str]) -> None:
        """Nobody reads them."""


class _WholeCalls(CPUCallConv):  # type: ignore[misc]
    """How helpers are called that become part of their callers."""

    def _get_arg_packer(self, types: Sequence[Any]) -> _WholeArguments:
        return _WholeArguments(self.context.data_model_manager, types)

    def declare(self, module: Any, helper: Any) -> Any:
        """The helper in a module."""
        function_type = self.get_function_type(helper.restype, helper.argtypes)
        function = get_or_insert_function(module, function_type, helper.mangled_name)
        self.decorate_function(function, helper.args, helper.argtypes)
        function.attributes.add("alwaysinline")
        return function


class _LowerInlined(Lower):  # type: ignore[misc]
    """Makes code of such a helper."""

    @property
    def call_conv(self) -> _WholeCalls:
        return _WholeCalls(self.context)

    def setup_function(self, helper: Any) -> None:
        self.function = self.call_conv.declare(self.module, helper)
        self.entry_block = self.function.append_basic_block("entry")
        self.builder = IRBuilder(self.entry_block)
        self.call_helper = self.call_conv.init_call_helper(self.builder)


def _call_inlined(helper: Any, libraries: Sequence[CodeLibrary]) -> Any:
    """How a caller calls such a helper, as Numba's `user_function` has it for others."""

    def call(context: Any, builder: IRBuilder, signature: Any, arguments: Sequence[Any]) -> Any:
        calls = _WholeCalls(context)
        function = calls.declare(builder.module, helper)
        status, value = calls.call_function(builder, function, helper.restype, helper.argtypes, arguments)
        with if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return impl_ret_new_ref(context, builder, helper.restype, value)

    call.signature, call.libs = helper.argtypes, tuple(libraries)  # type: ignore[attr-defined]
    return call


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerHelper(NativeLowering):  # type: ignore[misc]
    _name = "lower_helper"
    lowering_class: Any = Lower

    def run_pass(self, state: Any) -> bool:
        library = _HelperLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library = library
        state.flags.no_compile = state.flags.no_cpython_wrapper = state.flags.no_cfunc_wrapper = True
        is_inlined = state.flags.forceinline
        self.lowering_class = _LowerInlined if is_inlined else Lower
        super().run_pass(state)
        name = state.func_id.func_name

        def refuse(*arguments: object) -> None:
            raise TypeError(f"{name} is a helper of compiled loops; only they can call it")

        # A caller links all that is named here: what the helper needs, and what that needs, and so on.
        make_call = _call_inlined if is_inlined else user_function
        call = make_call(state.cr.fndesc, [library, *library._linking_libraries])
        state.targetctx._defns[refuse].append(call, call.signature)
        state.cr = state.cr._replace(cfunc=refuse)
        return True


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


class HelperCompiler(CompilerBase):  # type: ignore[misc]
    """Those of Numba's passes that these functions need: they have no closures, contexts, or array expressions.

    After most passes Numba looks anew at what each variable is used for, which takes longer than the pass.
    """

    lowering: Any = _LowerHelper

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


class LoopCompiler(HelperCompiler):
    """The same for a loop."""

    lowering = _LowerLoop

"""How the helpers of compiled loops are called: arrays and tuples are passed by where they lie.

Numba by itself takes them apart at each call, and puts them together again in what is called: scratch memory of twenty
arrays is two hundred arguments, which takes long to compile. Nobody changes what lies there, only what the arrays hold.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from llvmlite.ir import Argument, ArrayType, BaseStructType, IRBuilder
from llvmlite.ir.instructions import AllocaInstr, CastInstr, GEPInstr, LoadInstr, StoreInstr
from numba.core.callconv import CPUCallConv
from numba.core.cgutils import alloca_once_value, gep_inbounds, get_or_insert_function, if_unlikely
from numba.core.codegen import CodeLibrary
from numba.core.imputils import impl_ret_new_ref
from numba.core.ir import Assign
from numba.core.lowering import Lower
from numba.core.types import BaseNamedTuple


class _PlacedArguments:
    """The arguments of a helper, of these types."""

    def __init__(self, models: Any, types: Sequence[Any]) -> None:
        self.value_types = [models.lookup(each).get_value_type() for each in types]
        self.argument_types = [each.as_pointer() if _is_placed(each) else each for each in self.value_types]

    def as_arguments(self, builder: IRBuilder, values: Sequence[Any]) -> list[Any]:
        """What a caller passes."""
        return [_place_of(builder, value) if _is_placed(value.type) else value for value in values]

    def from_arguments(self, builder: IRBuilder, arguments: Sequence[Any]) -> list[Any]:
        """The values, in the helper."""
        pairs = zip(arguments, self.value_types, strict=True)
        return [builder.load(argument) if _is_placed(each) else argument for argument, each in pairs]

    def assign_names(self, arguments: Sequence[Any], names: Sequence[str]) -> None:
        """Nobody reads them."""


def _is_placed(value_type: Any) -> bool:
    """Whether values of a type are passed by where they lie."""
    return isinstance(value_type, BaseStructType | ArrayType)


def _whole_of(pointer: Any) -> Any:
    """A pointer to all of what another one points to a part of."""
    while isinstance(pointer, GEPInstr | CastInstr):
        pointer = pointer.operands[0]
    return pointer


def _is_given(pointer: Any) -> bool:
    """Whether a pointer is to an array or tuple that a helper was given, or to a part of it, which nobody changes."""
    whole = _whole_of(pointer)
    return isinstance(whole, Argument) and "noalias" in whole.attributes  # by `declare`


def _place_of(builder: IRBuilder, value: Any) -> Any:
    """Where a value lies: where it was loaded from, if it still is there for certain, else in a copy."""
    if isinstance(value, LoadInstr):
        pointer = value.operands[0]
        if _is_given(pointer):
            return pointer
        variable = _whole_of(pointer)
        if isinstance(variable, AllocaInstr):
            for instruction in reversed(builder.block.instructions):
                if instruction is value:
                    return pointer
                if isinstance(instruction, StoreInstr) and _whole_of(instruction.operands[1]) is variable:
                    break
    return alloca_once_value(builder, value)


class _PlacedCalls(CPUCallConv):  # type: ignore[misc]
    """Numba's calls with such arguments."""

    def _get_arg_packer(self, types: Sequence[Any]) -> _PlacedArguments:
        return _PlacedArguments(self.context.data_model_manager, types)

    def declare(self, module: Any, helper: Any, is_inlined: bool) -> Any:
        """The helper in a module."""
        function_type = self.get_function_type(helper.restype, helper.argtypes)
        function = get_or_insert_function(module, function_type, helper.mangled_name)
        self.decorate_function(function, helper.args, helper.argtypes)
        value_types = self._get_arg_packer(helper.argtypes).value_types
        for argument, value_type in zip(self.get_arguments(function), value_types, strict=True):
            if _is_placed(value_type):
                argument.add_attribute("noalias")
        if is_inlined:
            function.attributes.add("alwaysinline")
        return function


class LowerInlined(Lower):  # type: ignore[misc]
    """Makes code of a helper that becomes part of its callers.

    A helper that counts no references, as all do but those that make arrays, reads what it needs of its arguments
    where these lie, without a copy.
    """

    is_inlined = True

    @property
    def call_conv(self) -> _PlacedCalls:
        """How the helper gets its arguments."""
        return _PlacedCalls(self.context)

    def setup_function(self, helper: Any) -> None:
        """Begins the helper."""
        self.function = self.call_conv.declare(self.module, helper, self.is_inlined)
        self.entry_block = self.function.append_basic_block("entry")
        self.builder = IRBuilder(self.entry_block)
        self.call_helper = self.call_conv.init_call_helper(self.builder)
        self._times_assigned = Counter(
            one.target.name for block in self.blocks.values() for one in block.find_insts(Assign)
        )

    def storevar(self, value: Any, name: str, argidx: int | None = None) -> None:
        """Sets a variable; one that never is anything else than a part of what was given stays where it is.

        That is one that is assigned once: where some way to its use would leave it out, Numba assigns it there too.
        """
        is_local = name in self._singly_assigned_vars  # of one block: no memory is taken for it
        place = self._given_place(value)
        if place is None or is_local or self._times_assigned[name] > 1:
            super().storevar(value, name, argidx)
        else:
            self.varmap[name] = place

    def delvar(self, name: str) -> None:
        """Forgets a variable; Numba overwrites it with zeros, which what was given must not be."""
        if not _is_given(self.varmap.get(name)):
            super().delvar(name)

    def lower_expr(self, result_type: Any, expression: Any) -> Any:
        """The value of an expression; of a given tuple it loads no more than one field."""
        if expression.op == "getattr" and isinstance(self.typeof(expression.value.name), BaseNamedTuple):
            name = expression.value.name
            place = self.varmap.get(name) or self._given_place(self._blk_local_varmap.get(name))
            if place is not None and not self.context.enable_nrt:
                field = self.typeof(name).fields.index(expression.attr)
                return self.builder.load(gep_inbounds(self.builder, place, 0, field))
        return super().lower_expr(result_type, expression)

    def _given_place(self, value: Any) -> Any:
        """Where a value lies, if that is in what the helper was given; None if not, or if references are counted."""
        is_given = isinstance(value, LoadInstr) and _is_given(value.operands[0])
        return value.operands[0] if is_given and not self.context.enable_nrt else None


class LowerCalled(LowerInlined):
    """The same for a helper that stays a function of its own, if the compiler does not find it small."""

    is_inlined = False


def make_call(helper: Any, libraries: Sequence[CodeLibrary], is_inlined: bool) -> Any:
    """How a caller calls such a helper, as Numba's `user_function` has it for others."""

    def call(context: Any, builder: IRBuilder, signature: Any, arguments: Sequence[Any]) -> Any:
        calls = _PlacedCalls(context)
        function = calls.declare(builder.module, helper, is_inlined)
        status, value = calls.call_function(builder, function, helper.restype, helper.argtypes, arguments)
        with if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return impl_ret_new_ref(context, builder, helper.restype, value)

    call.signature, call.libs = helper.argtypes, tuple(libraries)  # type: ignore[attr-defined]
    return call

"""What a compiled program's text says is read right."""

from __future__ import annotations

from azero_jax.engines.xla.hlo import parse_module

TEXT = """HloModule jit_run, is_scheduled=true

%fused (param_1.2: s32[], param_0.1: f32[20,128]) -> f32[1,128] {
  %param_0.1 = f32[20,128]{1,0:T(8,128)} parameter(0)
  %param_1.2 = s32[]{:T(128)} parameter(1)
  %row = f32[1,128]{1,0:T(8,128)} dynamic-slice(%param_0.1, %param_1.2, %param_1.2), dynamic_slice_sizes={1,128}
  ROOT %sine.1 = f32[1,128]{1,0:T(8,128)} sine(%row)
}

%short (arg.1: f32[1,128]) -> f32[1,128] {
  ROOT %arg.1 = f32[1,128]{1,0:T(8,128)} parameter(0)
}

%long (arg.2: f32[1,128]) -> f32[1,128] {
  %arg.2 = f32[1,128]{1,0:T(8,128)} parameter(0)
  %copy.1 = f32[1,128]{1,0:T(8,128)} copy(%arg.2)
  ROOT %negate.1 = f32[1,128]{1,0:T(8,128)} negate(%copy.1)
}

%condition (state.1: (s32[], f32[1,128])) -> pred[] {
  %state.1 = (s32[]{:T(128)}, f32[1,128]{1,0:T(8,128)}) parameter(0)
  %length = s32[]{:T(128)} constant(15)
  %number.1 = s32[]{:T(128)} get-tuple-element(%state.1), index=0
  ROOT %less = pred[]{:T(512)} compare(%number.1, %length), direction=LT
}

%body (state.2: (s32[], f32[1,128])) -> (s32[], f32[1,128]) {
  %state.2 = (s32[]{:T(128)}, f32[1,128]{1,0:T(8,128)}) parameter(0)
  %number.2 = s32[]{:T(128)} get-tuple-element(%state.2), index=0
  %value = f32[1,128]{1,0:T(8,128)} get-tuple-element(%state.2), index=1
  %one = s32[]{:T(128)} constant(1)
  %next = s32[]{:T(128)} add(%number.2, %one)
  %branch = f32[1,128]{1,0:T(8,128)} conditional(%number.2, %value, %value), branch_computations={%short, %long}
  ROOT %result = (s32[]{:T(128)}, f32[1,128]{1,0:T(8,128)}) tuple(%next, %branch)
}

ENTRY %main (table: f32[20,128], number: s32[]) -> (s32[], f32[1,128]) {
  %table = f32[20,128]{1,0:T(8,128)} parameter(0)
  %number = s32[]{:T(128)} parameter(1)
  %fusion.1 = f32[1,128]{1,0:T(8,128)} fusion(%table, %number), kind=kLoop, calls=%fused, metadata={op_name="jit(run)/sin"}, backend_config={"window_config":{"estimated_cycles":"1826"}}
  %start = (s32[]{:T(128)}, f32[1,128]{1,0:T(8,128)}) tuple(%number, %fusion.1)
  ROOT %while.1 = (s32[]{:T(128)}, f32[1,128]{1,0:T(8,128)}) while(%start), condition=%condition, body=%body, metadata={op_name="jit(run)/learn/while"}
}
"""  # noqa: E501
MODULE = parse_module(TEXT)


def test_loops_are_found_by_their_scope() -> None:
    (loop,) = MODULE.loops("learn")
    assert loop.called == ("condition", "body")
    assert MODULE.constant_trips(loop) == 15
    assert MODULE.loops("setup") == []


def test_operations_are_those_that_a_device_starts_in_the_longest_branch() -> None:
    assert MODULE.entry == "main"
    assert MODULE.operations("body") == 2
    assert MODULE.operations("condition") == 0
    assert MODULE.operations("main") == 1 + 2


def test_a_fusion_reads_only_what_it_slices() -> None:
    fusion = next(i for i in MODULE.computations["main"] if i.opcode == "fusion")
    assert fusion.cycles == 1826
    assert MODULE.moved_bytes("main", fusion) == 2 * 128 * 4 + 4  # the row, the result, and the row's number
    assert MODULE.arithmetic(fusion) == 128 * (1 + 20)

"""Subnormal numbers, those nearest to zero, count as zero while a kernel trains or scores.

The moments of a weight that sees no gradient shrink by a factor at each step and become subnormal after some hundred
of them. Some processors are much slower with such numbers. TensorFlow counts them as zero as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Bits of the register that steers a processor's arithmetic: results become zero, and on x86 operands too.
_X86, _ARM = 0x8040, 1 << 24


@intrinsic
def flush(typing: Any) -> Any:
    """Count subnormal numbers as zero in this thread; returns what `restore` needs. Other processors do nothing."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        before = _read(builder, _processor(context))
        bits = {"x86": _X86, "arm": _ARM}.get(_processor(context), 0)
        _write(builder, _processor(context), builder.or_(before, ir.Constant(before.type, bits)))
        return before

    return types.uint64(), generate


@intrinsic
def restore(typing: Any, before: types.Integer) -> Any:
    """Go back to the arithmetic before `flush`."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _write(builder, _processor(context), arguments[0])
        return context.get_dummy_value()

    return types.void(types.uint64), generate


def _processor(context: Any) -> str:
    name = str(context.codegen().magic_tuple()[0]).split("-")[0]
    return "x86" if name in ("x86_64", "amd64", "i686") else "arm" if name in ("aarch64", "arm64") else ""


def _read(builder: ir.IRBuilder, processor: str) -> Any:
    whole = ir.IntType(64)
    if processor == "arm":
        return builder.call(_function(builder, "llvm.aarch64.get.fpcr", whole, []), [])
    if processor == "x86":
        place = cgutils.alloca_once(builder, ir.IntType(32))
        _through(builder, "llvm.x86.sse.stmxcsr", place)
        return builder.zext(builder.load(place), whole)
    return ir.Constant(whole, 0)


def _write(builder: ir.IRBuilder, processor: str, value: Any) -> None:
    if processor == "arm":
        builder.call(_function(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), [value.type]), [value])
    elif processor == "x86":
        place = cgutils.alloca_once(builder, ir.IntType(32))
        builder.store(builder.trunc(value, ir.IntType(32)), place)
        _through(builder, "llvm.x86.sse.ldmxcsr", place)


def _through(builder: ir.IRBuilder, name: str, place: Any) -> None:
    """Call an instruction that reads or writes the register through memory."""
    pointer = ir.IntType(8).as_pointer()
    builder.call(_function(builder, name, ir.VoidType(), [pointer]), [builder.bitcast(place, pointer)])


def _function(builder: ir.IRBuilder, name: str, result: ir.Type, arguments: list[ir.Type]) -> Callable[..., Any]:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)

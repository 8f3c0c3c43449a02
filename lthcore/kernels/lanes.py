"""`Lanes`: sixteen numbers that are computed with at once, as a type of numba.

A minibatch is laid out so that one number of sixteen examples lies side by side. What works on them here is one or a
few instructions of the processor, whichever kind of vectors it has; LLVM splits sixteen into as many as that takes.
Example: ``total(multiply(load(a, 0), load(b, 0)))`` in a kernel is the inner product of the first sixteen numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16
# Examples that kernels take at once: four times sixteen fill the registers of a processor.
BLOCK = 64

_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)


class Lanes(types.Type):
    """Sixteen numbers of one kind, float32 or float64."""

    def __init__(self, element: types.Float) -> None:
        self.element = element
        super().__init__(name=f"Lanes({element})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    """How lanes are held: as a vector of LLVM's."""

    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        super().__init__(dmm, fe_type, _vector(fe_type.element))


def _vector(element: types.Type) -> ir.VectorType:
    kinds = {types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.uint8: ir.IntType(8)}
    return ir.VectorType(kinds[element], LANES)


def _pointer(context: Any, builder: ir.IRBuilder, kind: types.Array, array: Any, start: Any) -> Any:
    """The place in an array from which a vector begins."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [start]), _vector(kind.dtype).as_pointer())


def _shuffled(builder: ir.IRBuilder, first: Any, second: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_INT32, len(order)), order))


@intrinsic
def load(typing: Any, array: types.Array, start: types.Integer) -> Any:
    """Sixteen numbers of an array from a place on."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], *arguments)
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return Lanes(array.dtype)(array, types.int64), generate


@intrinsic
def store(typing: Any, array: types.Array, start: types.Integer, value: Lanes) -> Any:
    """Write sixteen numbers into an array from a place on."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, value), generate


@intrinsic
def values(typing: Any, array: types.Array, start: types.Integer, divisor: types.Float, like: types.Array) -> Any:
    """Sixteen inputs in the precision of another array: floats as they are, bytes divided in float32.

    Instead of a slow division, a product with the reciprocal is corrected once by what it leaves over. That gives the
    quotient to the last bit (Markstein's method; a test tries all bytes).
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        loaded = builder.load(
            _pointer(context, builder, signature.args[0], *arguments[:2]), align=array.dtype.bitwidth // 8
        )
        single = _vector(types.float32)
        if array.dtype == types.uint8:
            number, divided_by = builder.uitofp(loaded, single), arguments[2]
            divided_by, reciprocal = (
                _spread(builder, single, factor)
                for factor in (divided_by, builder.fdiv(ir.Constant(divided_by.type, 1.0), divided_by))
            )
            quotient = builder.fmul(number, reciprocal)
            left_over = _fused(builder, builder.fneg(divided_by), quotient, number)
            loaded = _fused(builder, left_over, reciprocal, quotient)
        return loaded if like.dtype == types.float32 else builder.fpext(loaded, _vector(like.dtype))

    return Lanes(like.dtype)(array, types.int64, types.float32, like), generate


def _fused(builder: ir.IRBuilder, a: Any, b: Any, c: Any) -> Any:
    """a · b + c in float32, rounded once on every processor."""
    kind = ir.FunctionType(a.type, [a.type] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")
    return builder.call(function, [a, b, c])


def _spread(builder: ir.IRBuilder, kind: ir.VectorType, number: Any) -> Any:
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(_INT32, 0))
    return _shuffled(builder, first, nothing, [0] * LANES)


@intrinsic
def spread(typing: Any, number: types.Float) -> Any:
    """One number sixteen times."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return _spread(builder, _vector(number), arguments[0])

    return Lanes(number)(number), generate


@intrinsic
def multiply_add(typing: Any, a: Lanes, b: Lanes, c: Lanes) -> Any:
    """a · b + c, rounded once where the processor can."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        name = f"llvm.fmuladd.v{LANES}f{a.element.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(function, arguments)

    return a(a, b, c), generate


def _operation(name: str, instruction: str) -> Callable:
    """An operation on two times sixteen numbers, each with its partner."""

    def operation(typing: Any, a: Lanes, b: Lanes) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments)

        return a(a, b), generate

    operation.__name__ = operation.__qualname__ = name
    return intrinsic(operation)


add = _operation("add", "fadd")
subtract = _operation("subtract", "fsub")
multiply = _operation("multiply", "fmul")
divide = _operation("divide", "fdiv")


# What is read from an array, chosen or not and written back to its place becomes a store under a mask, which some
# processors do five times slower. So the next two choose nothing.


@intrinsic
def rectified(typing: Any, value: Lanes) -> Any:
    """The value where it is more than zero, NaN where it is NaN, elsewhere zero: (x + |x|) / 2."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        name = f"llvm.fabs.v{LANES}f{value.element.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
        twice = builder.fadd(arguments[0], builder.call(function, [arguments[0]]))
        return builder.fmul(twice, ir.Constant(kind, [0.5] * LANES))

    return value(value), generate


@intrinsic
def positive(typing: Any, value: Lanes) -> Any:
    """One where the value is more than zero, elsewhere zero."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        zero, one = ir.Constant(kind, None), ir.Constant(kind, [1.0] * LANES)
        return builder.select(builder.fcmp_ordered(">", arguments[0], zero), one, zero)

    return value(value), generate


@intrinsic
def larger(typing: Any, a: Lanes, b: Lanes) -> Any:
    """The larger of two numbers each; NaN where the first is NaN."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *arguments), arguments[1], arguments[0])

    return a(a, b), generate


@intrinsic
def smaller(typing: Any, a: Lanes, b: Lanes) -> Any:
    """The smaller of two numbers each; NaN where the first is NaN."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments), arguments[1], arguments[0])

    return a(a, b), generate


@intrinsic
def where_less(typing: Any, a: Lanes, b: Lanes, x: Lanes, y: Lanes) -> Any:
    """The third of four numbers where the first is less than the second, else the fourth."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *arguments[:2]), *arguments[2:])

    return x(a, b, x, y), generate


@intrinsic
def times_power_of_two(typing: Any, value: Lanes, power: Lanes) -> Any:
    """value · 2ᵖ for whole p within the range of the exponent; for NaN whatever it is, so that it stays NaN."""
    bits, offset = (23, 127) if value.element == types.float32 else (52, 1023)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        whole = ir.VectorType(ir.IntType(value.element.bitwidth), LANES)
        exponent = builder.add(builder.fptosi(arguments[1], whole), ir.Constant(whole, [offset] * LANES))
        factor = builder.bitcast(builder.shl(exponent, ir.Constant(whole, [bits] * LANES)), kind)
        return builder.fmul(arguments[0], factor)

    return value(value, power), generate


@intrinsic
def total(typing: Any, value: Lanes) -> Any:
    """The sum of sixteen numbers, always added in the same order."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        left, width = arguments[0], LANES
        while width > 1:
            width //= 2
            nothing = ir.Constant(left.type, ir.Undefined)
            low = _shuffled(builder, left, nothing, list(range(width)))
            high = _shuffled(builder, left, nothing, list(range(width, 2 * width)))
            left = builder.fadd(low, high)
        return builder.extract_element(left, ir.Constant(_INT32, 0))

    return value.element(value), generate


@intrinsic
def transpose(
    typing: Any,
    rows: types.Array,
    starts: types.Array,
    column: types.Integer,
    out: types.Array,
    place: types.Integer,
) -> Any:
    """Sixteen numbers of each of sixteen rows, written so that those of one column lie side by side.

    Row b begins in `rows` at ``starts[b]``. Number j of its sixteen goes to ``out[place + 64 j + b]``.
    """
    # Squares of this size are turned at once: sixteen bytes, or eight floats, fit into one register.
    size = LANES if rows.dtype == types.uint8 else LANES // 2

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        array, begins, first, target, at = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        numbers = context.make_array(signature.args[1])(context, builder, begins).data
        written = context.make_array(signature.args[3])(context, builder, target).data
        kind = ir.VectorType(_vector(rows.dtype).element, size).as_pointer()
        align = rows.dtype.bitwidth // 8

        def pointer(base: Any, start: Any, further: int) -> Any:
            place = builder.add(start, ir.Constant(_INT64, further))
            return builder.bitcast(builder.gep(base, [place]), kind)

        for row in range(0, LANES, size):
            places = [ir.Constant(_INT64, number) for number in range(row, row + size)]
            lines = [builder.add(builder.load(builder.gep(numbers, [place])), first) for place in places]
            for line in range(0, LANES, size):
                square = [builder.load(pointer(data, start, line), align=align) for start in lines]
                for number, vector in enumerate(_turned(builder, square)):
                    builder.store(vector, pointer(written, at, BLOCK * (line + number) + row), align=align)
        return context.get_dummy_value()

    return types.void(rows, starts, types.int64, out, types.int64), generate


def _turned(builder: ir.IRBuilder, square: list) -> list:
    """The columns of a square of eight or sixteen vectors."""
    size = len(square)
    if size == LANES:
        # Four times the first eight are shuffled into the other eight like two halves of a pack of cards.
        low = [half + size * second for half in range(size // 2) for second in (0, 1)]
        high = [number + size // 2 for number in low]
        for _ in range(4):
            pairs = [(square[number], square[number + size // 2]) for number in range(size // 2)]
            square = [_shuffled(builder, *pair, order) for pair in pairs for order in (low, high)]
        return square
    # Vectors one, two and four apart exchange ones, pairs and fours, each of which is one instruction on eight floats.
    ones, twos, fours = [0, 8, 1, 9, 4, 12, 5, 13], [0, 1, 8, 9, 4, 5, 12, 13], [0, 1, 2, 3, 8, 9, 10, 11]
    for apart, further, order in ((1, 2, ones), (2, 2, twos), (4, 4, fours)):
        turned = list(square)
        for number in (number for number in range(size) if not number & apart):
            pair = square[number], square[number + apart]
            turned[number] = _shuffled(builder, *pair, order)
            turned[number + apart] = _shuffled(builder, *pair, [place + further for place in order])
        square = turned
    return [square[number] for number in (0, 2, 1, 3, 4, 6, 5, 7)]


@intrinsic
def prefetch(typing: Any, array: types.Array, start: types.Integer) -> Any:
    """Ask for a part of memory that will be read soon."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, _INT32, _INT32, _INT32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        to_read, second_level, data_not_code = (ir.Constant(_INT32, number) for number in (0, 2, 1))
        builder.call(function, [place, to_read, second_level, data_not_code])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate

"""Eight numbers in single precision at a time, in compiled code: `Lanes` are added, multiplied and compared as one.

Compilers find by themselves that a long loop can be done so, but not that a short piece of a row can. Each operation is
that of a single number, neither fused nor reassociated, so that lanes give what a loop gives, to the bit; a formula
that is written for numbers takes lanes as it is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba.core.typing.templates
import numba.extending
from llvmlite import ir

cgutils: Any = numba.core.cgutils
extending: Any = numba.extending
templates: Any = numba.core.typing.templates
types: Any = numba.core.types

WIDTH = 8
_FLOATS, _FLAGS = (ir.VectorType(each, WIDTH) for each in (ir.FloatType(), ir.IntType(1)))


class Lanes(types.Type):  # type: ignore[misc]
    """The type of eight numbers, or of eight comparisons."""

    def __init__(self, name: str) -> None:
        super().__init__(name=f"Lanes({name})")


class _LanesModel(extending.models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Any) -> None:
        super().__init__(manager, lanes, _FLOATS if lanes == NUMBERS else _FLAGS)


NUMBERS, FLAGS = Lanes("float32"), Lanes("bool")
extending.register_model(Lanes)(_LanesModel)


def _piece(function: Callable[..., Any]) -> Any:
    """Make a function write code in the place where it is called; `typing` is left out there."""
    return extending.intrinsic(function)


def _alike(builder: Any, value: Any) -> Any:
    """Return eight of a value."""
    nothing = ir.Constant(ir.VectorType(value.type, WIDTH), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


def _wide(builder: Any, value: Any) -> Any:
    return value if isinstance(value.type, ir.VectorType) else _alike(builder, value)


def _operation(name: Any, result: Lanes, emit: Callable[..., Any]) -> None:
    """Let two lanes, or lanes and a number, be taken by an operator."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit(builder, *(_wide(builder, arg) for arg in args))

    class Template(templates.AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            if NUMBERS in args and all(arg == NUMBERS or isinstance(arg, types.Number) for arg in args):
                return templates.signature(result, *(arg if arg == NUMBERS else types.float32 for arg in args))
            return None

    templates.infer_global(name)(Template)
    for sides in ((Lanes, Lanes), (Lanes, types.Float), (types.Float, Lanes)):
        extending.lower_builtin(name, *sides)(lowered)


for _name in ("add", "sub", "mul"):
    _operation(getattr(operator, _name), NUMBERS, getattr(ir.IRBuilder, f"f{_name}"))
for _name, _sign in (("gt", ">"), ("lt", "<")):
    _operation(getattr(operator, _name), FLAGS, lambda builder, a, b, sign=_sign: builder.fcmp_ordered(sign, a, b))


def _pointer(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Return where the lanes of an array begin, whose place is an index or a tuple of them."""
    array = context.make_array(sig.args[0])(context, builder, args[0])
    places, given = (args[1],), (sig.args[1],)
    if isinstance(sig.args[1], types.BaseTuple):
        places, given = cgutils.unpack_tuple(builder, args[1]), sig.args[1].types
    whole = [context.cast(builder, each, own, types.intp) for each, own in zip(places, given, strict=True)]
    found = cgutils.get_item_pointer(context, builder, sig.args[0], array, whole)
    return builder.bitcast(found, _FLOATS.as_pointer())


@_piece
def load(typing: Any, array: Any, place: Any) -> Any:
    """Return the eight numbers of an array from a place on, which must be its own."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, sig, args), align=4)

    return NUMBERS(array, place), lowered


@_piece
def store(typing: Any, array: Any, place: Any, lanes: Any) -> Any:
    """Put eight numbers into an array from a place on, which must be its own."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, sig, args), align=4)
        return context.get_dummy_value()

    return types.void(array, place, lanes), lowered


@_piece
def alike(typing: Any, value: Any) -> Any:
    """Return eight times a number."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _alike(builder, args[0])

    return NUMBERS(types.float32), lowered


@_piece
def put(typing: Any, lanes: Any, lane: Any, value: Any) -> Any:
    """Return lanes of which one has another value."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.insert_element(*(args[each] for each in (0, 2, 1)))

    return NUMBERS(NUMBERS, types.int64, types.float32), lowered


@_piece
def lane(typing: Any, lanes: Any, which: Any) -> Any:
    """Return the number of one lane."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.extract_element(args[0], args[1])

    return types.float32(NUMBERS, types.int64), lowered


@_piece
def where(typing: Any, flags: Any, then: Any, other: Any) -> Any:
    """Return by lane `then` where a flag is set, else `other`; each is lanes or a number."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(args[0], *(_wide(builder, arg) for arg in args[1:]))

    given = (each if each == NUMBERS else types.float32 for each in (then, other))
    return NUMBERS(FLAGS, *given), lowered


@_piece
def floor(typing: Any, lanes: Any) -> Any:
    """Return by lane the largest whole number that is not above it."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_FLOATS, [_FLOATS])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.floor.v{WIDTH}f32"), args)

    return NUMBERS(NUMBERS), lowered


@_piece
def either(typing: Any, first: Any, second: Any) -> Any:
    """Return by lane whether one of two flags is set."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.or_(*args)

    return FLAGS(FLAGS, FLAGS), lowered


@_piece
def some(typing: Any, flags: Any) -> Any:
    """Return whether a flag of any lane is set."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], ir.IntType(WIDTH))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(FLAGS), lowered


@_piece
def total(typing: Any, lanes: Any) -> Any:
    """Return the sum of all lanes, from the first to the last."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        found, *others = (builder.extract_element(args[0], ir.Constant(ir.IntType(32), i)) for i in range(WIDTH))
        for each in others:
            found = builder.fadd(found, each)
        return found

    return types.float32(NUMBERS), lowered


@_piece
def total_in_pairs(typing: Any, lanes: Any) -> Any:
    """Return the sum of all lanes: of neighbours, then of neighbouring sums, and so on."""

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        left = [builder.extract_element(args[0], ir.Constant(ir.IntType(32), i)) for i in range(WIDTH)]
        while len(left) > 1:
            left = [builder.fadd(*pair) for pair in zip(left[::2], left[1::2], strict=True)]
        return left[0]

    return types.float32(NUMBERS), lowered

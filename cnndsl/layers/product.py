"""Products of matrices: a join of two streams whose last two dimensions are rows and columns."""

import math
from collections.abc import Iterator
from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.base import WHOLE, Footprint, Layer, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Term, product
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.terms import stream_terms
from cnndsl.types import TensorType

__all__ = ["MatMul"]

V = TypeVar("V")


class MatMul(Layer):
    """The product of two streams of matrices: each row of the first by each column of the second.

    The last two dimensions are a matrix; those before, such as channels, are a stack of them.
    """

    keyword = "matmul"
    family = "attention"
    joins = True
    streams = 2
    saves = ("inputs",)

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        left, right = inputs
        flat = [at for at, source in enumerate(inputs) if not source.spatial]
        if flat:
            shape = inputs[flat[0]]
            yield ShapeFault(
                FaultKind.UNSUITED,
                f"`matmul` needs matrices, and its input {flat[0] + 1} is a vector of {shape}",
                inputs=tuple(flat),
                help="give it streams of two dimensions or more, such as `CxL` or `CxHxW`",
                fatal=True,
            )
        elif left.dims[:-2] != right.dims[:-2]:
            yield self._unlike(
                f"`matmul` needs stacks of as many matrices: input 1 is {left}, input 2 is {right}",
                "make all dimensions before the last two agree",
            )
        elif left.dims[-1] != right.dims[-2]:
            yield self._unlike(
                "`matmul` needs as many columns on the left as rows on the right:"
                f" input 1 is {left}, with {left.dims[-1]} columns,"
                f" and input 2 is {right}, with {right.dims[-2]} rows",
                _advice(left, right),
            )

    def _unlike(self, message: str, help: str) -> ShapeFault:
        return ShapeFault(FaultKind.UNLIKE, message, inputs=(0, 1), help=help, spatial=True)

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        left, right = inputs
        return TensorType((*left.dims[:-1], right.dims[-1]))

    @override
    def macs(self, *inputs: TensorType) -> int:
        return math.prod(inputs[0].dims) * inputs[1].dims[-1]

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        return (*stream_terms(inputs[0], "left", "1")[:-1], self._columns(inputs[1]))

    def _columns(self, right: TensorType) -> Term:
        return stream_terms(right, "right", "2")[-1]

    @override
    def mac_term(self, *inputs: TensorType) -> Term:
        return product((*stream_terms(inputs[0], "left", "1"), self._columns(inputs[1])))

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """A whole row and a whole column."""
        return WHOLE

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("MatMul", *context.inputs)


def _advice(left: TensorType, right: TensorType) -> str:
    """Which of them has to be turned, where that is it."""
    (rows, columns), (height, width) = left.dims[-2:], right.dims[-2:]
    order = [*range(len(left.dims) - 2), len(left.dims) - 1, len(left.dims) - 2]
    for one, which in ((width == columns, "second"), (height == rows, "first")):
        if one:
            return f"let the {which} stream end with `transpose {order}`"
    return "make the columns of the first stream as many as the rows of the second"

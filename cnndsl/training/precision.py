"""Says in which type each operator of a step computes: the policy of mixed precision.

What multiplies much and adds in float32 inside, convolutions and matrix products, takes factors in
the low type. What moves, compares or adds numbers one by one follows its inputs: it computes in the
low type where all of them have it. All else is float32: sums and means, exponentials, logarithms,
powers and roots, the loss, and what a layer asks for (``Layer.arithmetic``). Weights, the
optimizer's state and the update are float32 always (Micikevicius et al. 2018, "Mixed precision
training"; the lists are close to those of PyTorch's ``autocast``).

What has no CUDA kernel in the low type is float32 as well, so the sets below name only operators
that have one at opsets 18 to 21 (ONNX Runtime's ``docs/OperatorKernels.md``); a product without one
is refused, since nothing would be gained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy
import numpy.typing
import onnx.defs
import onnx_ir

from cnndsl.recipe.settings import PrecisionWord

__all__ = ["POLICIES", "Arithmetic", "Policy", "is_held", "type_parameters"]

Arithmetic: TypeAlias = Literal["float32", "forward", "backward"]
"""How a part of a step computes: all in float32; by the policy; or, as gradients do, by the policy
without making factors low that are not so already."""

_MOVES = frozenset(
    (
        *("Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split"),
        *("Squeeze", "Transpose", "Unsqueeze"),
    )
)
_ARITHMETIC = frozenset(
    ("Add", "Div", "Max", "Min", "Mul", "Relu", "Sigmoid", "Sub", "Sum", "Tanh")
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The low type, the operators that make their inputs so, and those that follow theirs."""

    type: onnx_ir.DataType
    products: frozenset[str]
    following: frozenset[str]
    missing: frozenset[str] = frozenset()
    """Products without a kernel."""
    scales: bool = False
    """Whether gradients would vanish without a loss scale: the type holds small numbers badly."""


POLICIES: Mapping[PrecisionWord, Policy] = MappingProxyType(
    {
        "float16": Policy(
            onnx_ir.DataType.FLOAT16,
            products=frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul")),
            following=_MOVES
            | _ARITHMETIC
            | frozenset(
                (
                    *("Abs", "ArgMax", "AveragePool", "Ceil", "Clip", "Equal", "Erf", "Floor"),
                    *("GatherElements", "GatherND", "GlobalMaxPool", "Greater", "GreaterOrEqual"),
                    *("LeakyRelu", "Less", "LessOrEqual", "MaxPool", "Neg", "PRelu", "Pad"),
                    *("ReduceMax", "ReduceMin", "Resize", "Tile", "Where"),
                )
            ),
            scales=True,
        ),
        "bfloat16": Policy(
            onnx_ir.DataType.BFLOAT16,
            products=frozenset(("Gemm", "MatMul")),
            following=_MOVES | _ARITHMETIC,
            missing=frozenset(("Conv", "ConvTranspose")),
        ),
    }
)
"""By the recipe's word; float32 needs none."""


@cache
def type_parameters(op_type: str, opset: int, inputs: int) -> tuple[str, ...]:
    """The type parameter of each of an operator's inputs: those of one must have one type.

    >>> type_parameters("Where", 18, 3), type_parameters("Concat", 18, 3)
    (('B', 'T', 'T'), ('T', 'T', 'T'))
    """
    formal = [one.type_str for one in onnx.defs.get_schema(op_type, opset, "").inputs]
    return tuple(formal[min(at, len(formal) - 1)] for at in range(inputs))


def is_held(array: numpy.typing.NDArray[numpy.generic], low: onnx_ir.DataType) -> bool:
    """Whether the low type holds constants about as well as any number of its size.

    Those beyond its range, or so near 0 that digits are lost, it does not.

    >>> low = onnx_ir.DataType.FLOAT16
    >>> [is_held(numpy.array(one), low) for one in (0.1, 0.0, -numpy.inf, 1e5, 1e-6)]
    [True, True, True, False, False]
    """
    wide = array.astype(numpy.float64)
    with numpy.errstate(over="ignore", invalid="ignore"):
        narrow = wide.astype(low.numpy()).astype(numpy.float64)
        # Two numbers of a type are at most 2^-bits of themselves apart; rounding loses half of it.
        bits = 10 if low is onnx_ir.DataType.FLOAT16 else 7
        close = numpy.abs(narrow - wide) <= numpy.abs(wide) * 2.0 ** -(bits + 1)
    return bool(numpy.all((narrow == wide) | close))

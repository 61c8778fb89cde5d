"""Operators that the ``onnx`` package's reference evaluator computes wrongly, computed rightly."""

from __future__ import annotations

import math
from typing import Any

import numpy
import numpy.typing
from onnx.reference.op_run import OpRun
from typing_extensions import override

__all__ = ["LRN", "Erf", "Pad"]

Array = numpy.typing.NDArray[Any]


class LRN(OpRun):
    """Local response normalisation as ONNX defines it; the ``onnx`` package's is a channel short.

    The window of c is from c - floor((size - 1)/2) to c + ceil((size - 1)/2).
    """

    @override
    def _run(
        self, x: Array, alpha: float, beta: float, bias: float, size: int
    ) -> tuple[Array, ...]:
        before, after = (size - 1) // 2, size // 2
        margins = [(0, 0), (before, after), *[(0, 0)] * (x.ndim - 2)]
        squares = numpy.pad(x * x, margins)
        total = sum(squares[:, at : at + x.shape[1]] for at in range(size))
        return (x / (bias + alpha / size * total) ** beta,)


class Erf(OpRun):
    """The error function; the ``onnx`` package's is an approximation."""

    @override
    def _run(self, x: Array) -> tuple[Array, ...]:
        return (numpy.vectorize(math.erf, otypes=[x.dtype])(x),)


class Pad(OpRun):
    """Padding with numbers, where negative amounts cut; the ``onnx`` package's cannot cut."""

    @override
    def _run(
        self,
        data: Array,
        pads: Array,
        constant_value: Array | None = None,
        axes: Array | None = None,
        mode: str = "constant",
    ) -> tuple[Array, ...]:
        pairs = pads.reshape(2, -1).T.tolist()
        amounts = [[0, 0] for _ in data.shape]
        for axis, pair in zip(range(data.ndim) if axes is None else axes, pairs, strict=True):
            amounts[axis] = pair
        cuts = tuple(
            slice(max(0, -before), size - max(0, -after))
            for (before, after), size in zip(amounts, data.shape, strict=True)
        )
        margins = [[max(0, amount) for amount in pair] for pair in amounts]
        options = {"constant_values": constant_value or 0} if mode == "constant" else {}
        return (numpy.pad(data[cuts], margins, mode=mode, **options),)  # type: ignore[call-overload]

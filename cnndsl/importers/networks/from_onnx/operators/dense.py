"""Matrix products: dense layers, and products of two streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.translator import Translator, Unsaid, operator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnndsl.elaborate.values import Value

    Array = NDArray[numpy.float32]

__all__ = ["gemm", "matmul"]


@operator("Gemm")
def gemm(t: Translator, node: OnnxNode) -> None:
    """Gemm with constant weights: a dense layer."""
    if t.attribute("transA", 0):
        raise Unsaid("it transposes the batch")
    weight = t.weight(1)
    weight = weight if t.attribute("transB", 0) else weight.T
    weight = numpy.ascontiguousarray(weight * numpy.float32(t.attribute("alpha", 1.0)))
    weights, factor = {"weight": weight}, numpy.float32(t.attribute("beta", 1.0))
    if t.has(2):
        bias = t.weight(2)
        if bias.ndim > 1 and bias.shape[0] > 1:
            raise Unsaid("its bias differs from sample to sample")
        if bias.size not in (1, len(weight)):
            raise Unsaid(f"its bias has {bias.size} numbers for {len(weight)} units")
        spread = numpy.broadcast_to(bias.reshape(-1), weight.shape[:1])
        weights["bias"] = numpy.ascontiguousarray(spread * factor)
    settings = {"units": len(weight), "bias": t.has(2)}
    t.give(t.add("dense", [t.stream()], settings, weights=weights, shared=[1, 2]))


@operator("MatMul")
def matmul(t: Translator, node: OnnxNode) -> None:
    """MatMul: of a stream and a constant a dense layer, of two streams `matmul`."""
    if not t.is_constant(1):
        if t.is_constant(0):
            raise Unsaid("it multiplies a constant by a stream, from the left")
        return t.give(t.add("matmul", [t.stream(0), t.stream(1)]))
    weight = t.weight(1)
    if weight.ndim != 2:
        raise Unsaid("it multiplies by a stack of matrices, which no layer has")
    turned = numpy.ascontiguousarray(weight.T)
    dims = t.type().dims
    if len(dims) == 1:
        settings = {"units": weight.shape[1], "bias": False}
        made = t.add("dense", [t.stream()], settings, weights={"weight": turned}, shared=[1])
        return t.give(made)
    return t.give(_at_each_place(t, turned))


def _at_each_place(t: Translator, weight: Array) -> str:
    """A dense layer of the last dimension at each place: a convolution of 1 with that in front."""
    dims = t.type().dims
    rank = len(dims)
    if rank > 4:
        raise Unsaid(f"it works at each place of {rank - 1} dimensions, and there are 3 at most")
    front = t.transposed(t.stream(), [rank - 1, *range(rank - 1)])
    kernel = (1,) * (rank - 1)
    settings: dict[str, Value] = {"filters": len(weight), "kernel": kernel, "bias": False}
    weights = {"weight": weight.reshape(*weight.shape, *kernel)}
    made = t.add("conv", [front], settings, weights=weights, shared=[1])
    return t.transposed(made, [*range(1, rank), 0])

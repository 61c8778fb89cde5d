"""Runs one layer in its training form, and its gradients for a random weighted sum of its output.

All by ONNX Runtime in float32: what a training step would compute of that layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
import numpy.typing
import onnx_ir
import onnxruntime
from onnx_ir.passes import common

from cnndsl.autodiff.reverse import differentiate
from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import LoweringContext
from cnndsl.training.graph import StepGraph
from cnndsl.types import TensorType

__all__ = ["Pass", "run_layer"]

Array: TypeAlias = numpy.typing.NDArray[Any]


@dataclass(frozen=True)
class Pass:
    """A layer's output, the gradient it was given, and those of its inputs and weights.

    An input on which the output does not depend smoothly has none.
    """

    output: Array
    given: Array
    inputs: Mapping[int, Array]
    weights: Mapping[str, Array]


def run_layer(
    layer: Layer,
    arrays: Sequence[Array],
    weights: Mapping[str, Array] | None = None,
    *,
    training: bool = True,
    seed: int = 0,
    step: int = 0,
    wanted: Sequence[int] | None = None,
) -> Pass:
    """Run a layer on a batch; ``wanted`` are the inputs to differentiate by, all unless given."""
    weights = weights or {}
    types = tuple(TensorType(array.shape[1:]) for array in arrays)
    emit = StepGraph(len(arrays[0]))
    inputs = tuple(emit.input(f"input{at}", kind) for at, kind in enumerate(types))
    learnt = {name: emit.weight(name, array.shape) for name, array in weights.items()}
    context = LoweringContext(inputs, types, layer.output(*types), learnt)
    emit.enter("layer", "test.cnn:1: the layer under test")
    result = layer.lower_training(emit, context) if training else layer.lower(emit, context)
    given = numpy.random.default_rng(7).normal(size=(len(arrays[0]), *context.output.dims))
    given = given.astype(numpy.float32)
    emit.enter("sum")
    upstream = emit.input("upstream", context.output)
    total = emit.op("ReduceSum", emit.op("Mul", result, upstream), keepdims=0)
    sought = [inputs[at] for at in (range(len(inputs)) if wanted is None else wanted)]
    found = differentiate(emit, total, [*sought, *learnt.values()])
    graph = onnx_ir.Graph(
        [*inputs, *learnt.values(), upstream, emit.seed, emit.step],
        [result, *found.values()],
        nodes=emit.nodes,
        opset_imports={"": 18},
        name="layer",
    )
    feeds = {f"input{at}": array for at, array in enumerate(arrays)}
    feeds |= {**weights, "upstream": given}
    feeds |= {"seed": numpy.array(seed), "step": numpy.array(step)}
    model = onnx_ir.Model(graph, ir_version=8, functions=emit.functions)
    common.InlinePass()(model)
    output, *gradients = _run(model, feeds)
    by_value = dict(zip(found, gradients, strict=True))
    return Pass(
        output,
        given,
        {at: by_value[value] for at, value in enumerate(inputs) if value in by_value},
        {name: by_value[value] for name, value in learnt.items() if value in by_value},
    )


def _run(model: onnx_ir.Model, feeds: Mapping[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        onnx_ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, dict(feeds)))

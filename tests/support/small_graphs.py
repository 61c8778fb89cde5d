"""Makes models of a few operators, emitted by a function under test, and runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy
import numpy.typing
import onnx
import onnx_ir
import onnxruntime
from onnx.reference import ReferenceEvaluator

from cnndsl.graph.builder import IR_VERSIONS, GraphBuilder

__all__ = [
    "Array",
    "Run",
    "checked",
    "graph_of",
    "interpreted",
    "interpreter",
    "model_of",
    "ran",
    "runner",
]

Array: TypeAlias = numpy.typing.NDArray[Any]

Run: TypeAlias = Callable[[Mapping[str, Array]], dict[str, Array]]
"""Takes a model's inputs by name and gives its outputs by name."""


def model_of(
    emit: GraphBuilder,
    inputs: Sequence[onnx_ir.Value],
    outputs: Mapping[str, onnx_ir.Value],
    opset: int = 18,
) -> onnx.ModelProto:
    """A model of all that was emitted so far, checked in full; outputs get the names given."""
    return checked(graph_of(emit, inputs, outputs, opset))


def graph_of(
    emit: GraphBuilder,
    inputs: Sequence[onnx_ir.Value],
    outputs: Mapping[str, onnx_ir.Value],
    opset: int = 18,
) -> onnx_ir.Model:
    """The same as onnx-ir has it, for passes to change."""
    for name, value in outputs.items():
        emit.rename(value, name)
    graph = onnx_ir.Graph(
        inputs, [*outputs.values()], nodes=emit.nodes, opset_imports={"": opset}, name="test"
    )
    return onnx_ir.Model(graph, ir_version=IR_VERSIONS[opset], functions=emit.functions)


def checked(model: onnx_ir.Model) -> onnx.ModelProto:
    """A model as the ``onnx`` package has it, checked in full."""
    proto: onnx.ModelProto = onnx_ir.serde.serialize_model(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def runner(proto: onnx.ModelProto) -> Run:
    """Runs the model in ONNX Runtime, on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return _named(proto, session)


def interpreter(proto: onnx.ModelProto) -> Run:
    """Runs the model in the ``onnx`` package's own interpreter, which knows float64 throughout."""
    return _named(proto, ReferenceEvaluator(proto))


def _named(proto: onnx.ModelProto, session: Any) -> Run:
    names = [value.name for value in proto.graph.output]

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        found = session.run(None, dict(feeds))
        return {name: numpy.asarray(array) for name, array in zip(names, found, strict=True)}

    return run


def ran(proto: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The model's outputs in ONNX Runtime."""
    return runner(proto)(feeds)


def interpreted(proto: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The model's outputs by the interpreter."""
    return interpreter(proto)(feeds)

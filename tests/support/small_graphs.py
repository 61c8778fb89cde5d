"""Makes models of a few operators, emitted by a function under test, and runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import numpy.typing
import onnx
import onnx_ir
import onnxruntime
from onnx.reference import ReferenceEvaluator

from cnndsl.graph.emitter import IR_VERSIONS, GraphEmitter

__all__ = ["Array", "interpreted", "model_of", "ran"]

Array = numpy.typing.NDArray[Any]


def model_of(
    emit: GraphEmitter,
    inputs: Sequence[onnx_ir.Value],
    outputs: Mapping[str, onnx_ir.Value],
    opset: int = 18,
) -> onnx.ModelProto:
    """A model of all that was emitted so far, checked in full; outputs get the names given."""
    for name, value in outputs.items():
        emit.rename(value, name)
    graph = onnx_ir.Graph(
        inputs, [*outputs.values()], nodes=emit.nodes, opset_imports={"": opset}, name="test"
    )
    proto: onnx.ModelProto = onnx_ir.serde.serialize_model(
        onnx_ir.Model(graph, ir_version=IR_VERSIONS[opset])
    )
    onnx.checker.check_model(proto, full_check=True)
    return proto


def ran(proto: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The model's outputs in ONNX Runtime, on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return _named(proto, session.run(None, dict(feeds)))


def interpreted(proto: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The model's outputs by the ``onnx`` package's own interpreter."""
    return _named(proto, [*ReferenceEvaluator(proto).run(None, dict(feeds))])


def _named(proto: onnx.ModelProto, arrays: Sequence[Any]) -> dict[str, Array]:
    names = (value.name for value in proto.graph.output)
    return {name: numpy.asarray(array) for name, array in zip(names, arrays, strict=True)}

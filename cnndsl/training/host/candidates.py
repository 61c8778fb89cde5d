"""The two forms of one part of a convolution as models of their own, to be timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
import onnx_ir

from cnndsl.autodiff.convolution import choose_input_algorithm, choose_kernel_algorithm
from cnndsl.autodiff.geometry import Convolved, Geometry
from cnndsl.autodiff.rules import VjpContext
from cnndsl.graph.builder import DEFAULT_OPSET, IR_VERSIONS, GraphBuilder
from cnndsl.training.host.blocked import forward, input_gradient, kernel_gradient
from cnndsl.training.host.kernels import BLOCKED, Part
from cnndsl.training.host.nodes import Nodes
from cnndsl.training.passes.unused import RemoveUnused

__all__ = ["candidates", "inputs_of"]


def inputs_of(part: Part, g: Geometry) -> Mapping[str, tuple[int, ...]]:
    """What a part is made of, by names, with sizes."""
    x, w = (g.batch, g.channels, *g.inputs), (g.filters, g.per_group, *g.kernel)
    dy = (g.batch, g.filters, *g.outputs)
    return {
        "forward": {"x": x, "w": w},
        "input gradient": {"dy": dy, "w": w},
        "kernel gradient": {"x": x, "dy": dy},
    }[part]


def candidates(part: Part, g: Geometry, block: int) -> tuple[bytes, bytes]:
    """The standard form and the blocked one, each from :func:`inputs_of` to ``result``."""
    return _standard(part, g), _blocked(part, g, block)


def _standard(part: Part, g: Geometry) -> bytes:
    emit = GraphBuilder(g.batch)
    dims = {**inputs_of("forward", g), **inputs_of("input gradient", g)}
    values = {
        name: emit.placeholder(name, size, onnx_ir.DataType.FLOAT) for name, size in dims.items()
    }
    emit.enter("candidate")
    result = emit.op(
        "Conv",
        values["x"],
        values["w"],
        strides=g.strides,
        dilations=g.dilations,
        pads=[*g.before, *g.after],
        group=g.groups,
    )
    if part != "forward":
        choose = choose_input_algorithm if part == "input gradient" else choose_kernel_algorithm
        context = VjpContext(emit, emit.nodes[-1], values["dy"], (True, True), "cpu")
        convolved = Convolved(context, g, values["x"], values["w"], values["dy"])
        result = choose(g, "cpu")(convolved)
    given = [values[name] for name in inputs_of(part, g)]
    return _model(given, result, emit.nodes)


def _blocked(part: Part, g: Geometry, block: int) -> bytes:
    first, second = (
        onnx_ir.Value(
            name=name,
            type=onnx_ir.TensorType(onnx_ir.DataType.FLOAT),
            shape=onnx_ir.Shape(size),
        )
        for name, size in inputs_of(part, g).items()
    )
    emit = Nodes(first)
    if part == "forward":
        result = forward(emit, g, block, first, second)
    elif part == "input gradient":
        result = input_gradient(emit, g, block, first, second)
    else:
        result = kernel_gradient(emit, g, block, first, second)
    return _model([first, second], result, emit.made)


def _model(
    given: list[onnx_ir.Value], result: onnx_ir.Value, nodes: Sequence[onnx_ir.Node]
) -> bytes:
    result.name = "result"
    graph = onnx_ir.Graph(
        given,
        [result],
        nodes=nodes,
        opset_imports={"": DEFAULT_OPSET, BLOCKED: 1},
        name="candidate",
    )
    model = onnx_ir.Model(graph, ir_version=IR_VERSIONS[DEFAULT_OPSET])
    RemoveUnused()(model)
    proto: onnx.ModelProto = onnx_ir.serde.serialize_model(model)
    data: bytes = proto.SerializeToString()
    return data

"""The two forms of one part of a convolution as models of their own, to be timed."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir

from cnndsl.autodiff.convolution import choose_input_algorithm, choose_kernel_algorithm
from cnndsl.autodiff.geometry import Convolved, Geometry
from cnndsl.autodiff.rules import VjpContext
from cnndsl.graph.builder import GraphBuilder
from cnndsl.training.host.dimensions import forward, input_gradient, kernel_gradient
from cnndsl.training.host.kernels import Part
from cnndsl.training.host.models import input_value, model_bytes
from cnndsl.training.host.nodes import BlockedNodes

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
    return model_bytes(given, {"result": result}, emit.nodes)


def _blocked(part: Part, g: Geometry, block: int) -> bytes:
    first, second = (input_value(name, size) for name, size in inputs_of(part, g).items())
    emit = BlockedNodes()
    if part == "forward":
        result = forward(emit, g, block, first, second)
    elif part == "input gradient":
        result = input_gradient(emit, g, block, first, second)
    else:
        result = kernel_gradient(emit, g, block, first, second)
    return model_bytes([first, second], {"result": result}, emit)

"""What can be seen of a training step from within: sizes of feature maps, gradients and updates.

The probes are further outputs of the step's graph, one number each. They cost time, so a step has
them only where it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.lower import Forward, origin
from cnndsl.layers.base import Init
from cnndsl.training.graph import StepGraph

__all__ = ["Probe", "ProbeKind", "emit_probes"]

ProbeKind: TypeAlias = Literal["activation", "dead", "gradient", "update", "weight"]
"""What a probe measures.

``activation`` is the mean size of a layer's output, ``dead`` the share of a ReLU's units that are
zero for the whole batch; ``weight``, ``gradient`` and ``update`` are the Euclidean norms of a
weight before the step, of its gradient, and of what the step adds to it.
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that is measured: of a layer or a weight, under the name of a graph's output.

    ``place`` is the line of the spec that it belongs to. ``from_zero`` says of a weight that it
    begins at zero: at first, each update is large beside it.
    """

    kind: ProbeKind
    of: str
    output: str
    place: str
    from_zero: bool = False


def emit_probes(
    graph: StepGraph,
    typed: TypedNetwork,
    forward: Forward,
    gradients: Mapping[onnx_ir.Value, onnx_ir.Value],
    updated: Mapping[str, onnx_ir.Value],
) -> dict[Probe, onnx_ir.Value]:
    """The probes of every layer, in the network's order, then of every weight that learns."""
    found = dict(_activations(graph, typed, forward))
    found.update(_norms(graph, typed, gradients, updated))
    return found


def _norms(
    graph: StepGraph,
    typed: TypedNetwork,
    gradients: Mapping[onnx_ir.Value, onnx_ir.Value],
    updated: Mapping[str, onnx_ir.Value],
) -> Iterator[tuple[Probe, onnx_ir.Value]]:
    places, zero = {}, Init("constant", 0.0)
    for owner in typed.network.owners:
        for name, weight in typed.weights_of(owner).items():
            places[name] = origin(typed.network.nodes[owner]), weight.init == zero
    for value, gradient in gradients.items():
        name = str(value.name)
        place, from_zero = places[name]
        graph.enter(f"{name}/probe", place)
        change = graph.op("Sub", updated[name], value)
        measured: dict[ProbeKind, onnx_ir.Value] = {
            "weight": value,
            "gradient": gradient,
            "update": change,
        }
        for kind, tensor in measured.items():
            number = _scaled(graph, tensor, "ReduceL2")
            yield _named(graph, Probe(kind, name, f"{kind}:{name}", place, from_zero), number)


def _activations(
    graph: StepGraph, typed: TypedNetwork, forward: Forward
) -> Iterator[tuple[Probe, onnx_ir.Value]]:
    for position, value in forward.values.items():
        node = typed.network.nodes[position]
        if not isinstance(node, LayerNode):
            continue
        place = origin(node)
        graph.enter(f"{node.name}/probe", place)
        size = _scaled(graph, graph.op("Abs", value), "ReduceMean")
        yield _named(graph, Probe("activation", node.name, f"activation:{node.name}", place), size)
        if node.layer.slope_below_zero == 0:
            share = _dead(graph, value)
            yield _named(graph, Probe("dead", node.name, f"dead:{node.name}", place), share)


def _scaled(graph: StepGraph, value: onnx_ir.Value, reduction: str) -> onnx_ir.Value:
    """A mean or norm that is infinite only where a number is: the largest one is taken out."""
    largest = graph.op("ReduceMax", graph.op("Abs", value), keepdims=0)
    scale = graph.op("Max", largest, graph.scalar(1e-30, value))
    share = graph.op(reduction, graph.op("Div", value, scale), keepdims=0)
    return graph.op("Mul", share, scale)


def _dead(graph: StepGraph, value: onnx_ir.Value) -> onnx_ir.Value:
    """The share of the channels (or units) that are nowhere above zero."""
    axes = [axis for axis in range(len(dims_of(value))) if axis != 1]
    most = graph.op("ReduceMax", value, graph.constant(axes), keepdims=0)
    dead = graph.op("LessOrEqual", most, graph.scalar(0.0, most))
    return graph.op("ReduceMean", graph.op("Where", dead, *_truth(graph)), keepdims=0)


def _truth(graph: StepGraph) -> tuple[onnx_ir.Value, onnx_ir.Value]:
    return graph.constant(1.0), graph.constant(0.0)


def _named(graph: StepGraph, probe: Probe, value: onnx_ir.Value) -> tuple[Probe, onnx_ir.Value]:
    graph.rename(value, probe.output)
    return probe, value

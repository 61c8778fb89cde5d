"""Turns a typed network into its forward graph: an :class:`onnx_ir.Model` of standard operators.

Every node that an output depends on is lowered by its own layer. A node's value carries the
node's name, an output the output's; where those differ, or where a layer gives back its input,
the model's ``cnndsl.layers`` property says which value holds the node's result. It says so too of
the labels of block calls.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeAlias

import onnx_ir

from cnndsl.analysis.liveness import live_nodes
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.network import InputNode, LayerNode, Node, TypedNetwork
from cnndsl.graph.builder import DEFAULT_OPSET, IR_VERSIONS, GraphBuilder
from cnndsl.graph.garbage_collection import uncollected
from cnndsl.graph.manifest import LAYERS_KEY
from cnndsl.graph.raw_inputs import emit_preparation
from cnndsl.layers.base import Weight
from cnndsl.layers.lowering import LoweringContext
from cnndsl.typecheck.scores import Logits, logits

__all__ = [
    "Forward",
    "aliases",
    "lower",
    "lower_into",
    "network_weights",
    "origin",
]

_TEXT_WIDTH = 80
_CALLS = 8
"""How many calls of blocks a node's origin shows; the rest is counted."""


@uncollected()
def lower(
    typed: TypedNetwork,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    raw: Collection[str] = (),
) -> onnx_ir.Model:
    """The graph that computes the network's outputs for a batch.

    The weights are initializers by name, with shapes but yet without numbers; the batch is the
    symbolic dimension ``N`` unless its size is given. ``raw`` are the names of inputs that take
    pictures as bytes, which the first nodes prepare.

    Raises:
        UserError: CNN605, for an opset that is not supported, CNN608 for a preparation that
            float32 cannot hold.
        LoweringError: where a layer's operators do not compute what its size rule promises.
    """
    emit = GraphBuilder(batch, opset)
    forward = lower_into(
        emit,
        typed,
        typed.network.outputs,
        lambda node, context: node.layer.lower(emit, context),
        raw,
    )
    named = aliases(typed, forward)
    model = onnx_ir.Model(
        onnx_ir.Graph(
            forward.inputs,
            forward.outputs,
            nodes=emit.nodes,
            initializers=[*forward.weights.values()],
            opset_imports={"": opset},
            name=typed.name,
        ),
        ir_version=IR_VERSIONS[opset],
        producer_name="cnndsl",
    )
    if named:
        model.metadata_props[LAYERS_KEY] = json.dumps(named, ensure_ascii=False)
    return model


LowerLayer: TypeAlias = Callable[[LayerNode, LoweringContext[onnx_ir.Value]], onnx_ir.Value]
"""Which of a layer's lowerings is taken."""


@dataclass(eq=False)
class Forward:
    """A network as nodes of a graph: its inputs, outputs and weights, and each node's value.

    ``logits`` are those of outputs and heads, by their nodes' positions: None where no activation
    made them.
    """

    inputs: list[onnx_ir.Value] = field(default_factory=list)
    outputs: list[onnx_ir.Value] = field(default_factory=list)
    weights: dict[str, onnx_ir.Value] = field(default_factory=dict)
    values: dict[int, onnx_ir.Value] = field(default_factory=dict)
    logits: dict[int, Logits[onnx_ir.Value] | None] = field(default_factory=dict)

    def scores(self, position: int, activation: str) -> onnx_ir.Value:
        """What a loss compares that is about the numbers before this activation (decision 0021).

        That is what the activation was given, where it made the output or head at this position,
        and that itself where it did not.
        """
        found = self.logits[position]
        if found is not None and found.activation == activation:
            return found.source
        return self.values[position]


def lower_into(
    emit: GraphBuilder,
    typed: TypedNetwork,
    outputs: Mapping[str, int],
    lower_layer: LowerLayer,
    raw: Collection[str] = (),
    heads: Collection[int] = (),
) -> Forward:
    """Emit all that some outputs of a network (a name and a node's position each) depend on.

    The inputs called ``raw`` take pictures as bytes. ``heads`` are the positions of further nodes
    to emit, which are no outputs.
    """
    lowering = _Lowering(typed, emit, outputs, lower_layer, raw, heads)
    lowering.run()
    return lowering.forward


def network_weights(typed: TypedNetwork, heads: Iterable[int] = ()) -> dict[str, Weight]:
    """The weights that the forward graph has, by their full names (``C1.weight``), in order.

    With the positions of ``heads``, those too that only these depend on, as in training.
    """
    return {
        name: weight
        for position in live_nodes(typed.network, [*typed.network.outputs.values(), *heads])
        for name, weight in typed.weights_of(position).items()
    }


def origin(node: Node) -> str:
    """The line of the spec that a node stands on, and the calls that led there, innermost first.

    ``lenet5.cnn:5: C1: conv 6@5x5``
    """
    trace = node.trace if isinstance(node, LayerNode) else ()
    inner = trace[: -_CALLS - 1 : -1]
    calls = "".join(f", called at {_place(call)}: {_text(call)}" for call in inner)
    rest = len(trace) - len(inner)
    more = f", and {rest} calls more" if rest else ""
    return f"{_place(node.span)}: {node.name}: {_text(node.span)}{calls}{more}"


def _place(span: Span) -> str:
    # Only the file's own name: the folder it lies in must not change the compiled bytes.
    name = PurePath(span.source.name).name
    # A name that is no UTF-8 cannot stand in a model.
    return f"{name.encode(errors='backslashreplace').decode()}:{span.first.line}"


def _text(span: Span) -> str:
    """One line of what was written: a join may go over many."""
    text = span.source.text[span.start : min(span.end, span.start + 4 * _TEXT_WIDTH)]
    first, newline, _ = text.partition("\n")
    line = " ".join(first.partition("#")[0].split())
    cut = bool(newline) or len(line) > _TEXT_WIDTH
    return line[:_TEXT_WIDTH].rstrip() + (" …" if cut else "")


def aliases(typed: TypedNetwork, forward: Forward) -> dict[str, str]:
    """The values of the nodes and labels that do not carry their names."""
    names = [(node.name, position) for position, node in enumerate(typed.network.nodes)]
    found = (
        (name, forward.values.get(position))
        for name, position in (*names, *typed.network.scopes.items())
    )
    return {
        name: str(value.name) for name, value in found if value is not None and value.name != name
    }


@dataclass(eq=False)
class _Lowering:
    """The state of one run."""

    typed: TypedNetwork
    emit: GraphBuilder
    outputs: Mapping[str, int]
    lower_layer: LowerLayer
    raw: Collection[str] = ()
    heads: Collection[int] = ()
    forward: Forward = field(default_factory=Forward)

    def run(self) -> None:
        live = set(live_nodes(self.typed.network, [*self.outputs.values(), *self.heads]))
        for position, node in enumerate(self.typed.network.nodes):
            if isinstance(node, InputNode):
                # An input that nothing reads stays: it is part of how the network is called.
                self.forward.values[position] = self._input(node)
            elif position in live:
                self.forward.values[position] = self._layer(position, node)
        self._name_outputs()
        for position in (*self.outputs.values(), *self.heads):
            self.forward.logits[position] = self._logits(position)

    def _logits(self, position: int) -> Logits[onnx_ir.Value] | None:
        found = logits(self.typed, position)
        if found is None:
            return None
        return Logits(found.activation, self.forward.values[found.source])

    def _input(self, node: InputNode) -> onnx_ir.Value:
        if node.name not in self.raw:
            value = self.emit.input(node.name, node.type)
            self.forward.inputs.append(value)
            return value
        pictures = self.emit.pictures(node.name, (*node.type.spatial, node.type.channels))
        self.forward.inputs.append(pictures)
        self.emit.enter(node.name, origin(node))
        value = emit_preparation(self.emit, node, pictures)
        self.emit.settle(value, f"{node.name}/prepared", node.type)
        return value

    def _layer(self, position: int, node: LayerNode) -> onnx_ir.Value:
        weights = {}
        for name, weight in self.typed.weights_of(position).items():
            if name not in self.forward.weights:
                self.forward.weights[name] = self.emit.weight(name, weight.shape)
            weights[weight.name] = self.emit.latest(self.forward.weights[name])
        inputs = tuple(self.forward.values[read] for read in node.inputs)
        output = self.typed.types[position]
        self.emit.enter(node.name, origin(node))
        value = self.lower_layer(
            node, LoweringContext(inputs, self.typed.input_types(node), output, weights)
        )
        # Identity and dropout give back what they got: it keeps the name it has.
        if value not in inputs:
            self.emit.settle(value, self._free_name(node.name), output)
        return value

    def _free_name(self, name: str) -> str:
        """A node's value cannot have the name of an output, which is another value's."""
        taken = name in self.typed.network.outputs or name in self.emit.reserved
        return f"{name}/value" if taken else name

    def _name_outputs(self) -> None:
        """Give each output its name: to the value itself where it is free, else to a copy."""
        inputs, outputs = self.forward.inputs, self.forward.outputs
        for name, position in self.outputs.items():
            value = self.forward.values[position]
            if value in inputs and value.name == name:
                outputs.append(value)
                continue
            if value in inputs or value in outputs:
                self.emit.enter(name, origin(self.typed.network.nodes[position]))
                value = self.emit.op("Identity", value)
            self.emit.settle(value, name, self.typed.types[position])
            outputs.append(value)

"""Turns a typed network into its forward graph: an :class:`onnx_ir.Model` of standard operators.

Every node that an output depends on is lowered by its own layer. A node's value carries the
node's name, an output the output's; where those differ, or where a layer gives back its input,
the model's ``cnndsl.layers`` property says which value holds the node's result. It says so too of
the labels of block calls.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import PurePath

import onnx_ir

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.source import Span
from cnndsl.graph.emitter import DEFAULT_OPSET, IR_VERSIONS, GraphEmitter
from cnndsl.graph.manifest import LAYERS_KEY
from cnndsl.layers.base import Site, Weight
from cnndsl.semantics.network import InputNode, LayerNode, Node, TypedNetwork

__all__ = ["live_nodes", "lower", "network_weights", "origin"]

_TEXT_WIDTH = 80
_CALLS = 8
"""How many calls of blocks a node's origin shows; the rest is counted."""


def lower(
    typed: TypedNetwork, batch: int | None = None, opset: int = DEFAULT_OPSET
) -> onnx_ir.Model:
    """The graph that computes the network's outputs for a batch.

    The weights are initializers by name, with shapes but yet without numbers; the batch is the
    symbolic dimension ``N`` unless its size is given.

    Raises:
        UserError: CNN605, for an opset that is not supported.
        LoweringError: where a layer's operators do not compute what its size rule promises.
    """
    if opset not in IR_VERSIONS:
        raise _unsupported(opset)
    graph = _Lowering(typed, GraphEmitter(batch, opset))
    graph.run()
    model = onnx_ir.Model(
        onnx_ir.Graph(
            graph.inputs,
            graph.outputs,
            nodes=graph.emit.nodes,
            initializers=graph.weights,
            opset_imports={"": opset},
            name=typed.name,
        ),
        ir_version=IR_VERSIONS[opset],
        producer_name="cnndsl",
    )
    if graph.aliases:
        model.metadata_props[LAYERS_KEY] = json.dumps(graph.aliases, ensure_ascii=False)
    return model


def live_nodes(typed: TypedNetwork) -> list[int]:
    """The positions of the nodes that an output depends on, in topological order."""
    nodes = typed.network.nodes
    live: set[int] = set()
    pending = list(typed.network.outputs.values())
    while pending:
        position = pending.pop()
        if position not in live:
            live.add(position)
            node = nodes[position]
            pending.extend(node.inputs if isinstance(node, LayerNode) else ())
    return sorted(live)


def network_weights(typed: TypedNetwork) -> dict[str, Weight]:
    """The weights that the forward graph has, by their full names (``C1.weight``), in order."""
    return {
        f"{typed.network.nodes[position].name}.{weight.name}": weight
        for position in live_nodes(typed)
        for weight in typed.weights[position]
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
    return f"{PurePath(span.source.name).name}:{span.first.line}"


def _text(span: Span) -> str:
    """One line of what was written: a join may go over many."""
    text = span.source.text[span.start : min(span.end, span.start + 4 * _TEXT_WIDTH)]
    first, newline, _ = text.partition("\n")
    line = " ".join(first.partition("#")[0].split())
    cut = bool(newline) or len(line) > _TEXT_WIDTH
    return line[:_TEXT_WIDTH].rstrip() + (" …" if cut else "")


def _unsupported(opset: int) -> UserError:
    least, most = min(IR_VERSIONS), max(IR_VERSIONS)
    why = (
        f"layers are lowered to the operators of opset {least}"
        if opset < least
        else f"ONNX Runtime's CUDA kernels stop at opset {most}"
    )
    return UserError(
        "CNN605",
        f"opset {opset} is not supported: {why}",
        help=f"choose an opset from {least} to {most}",
    )


@dataclass
class _Lowering:
    """The state of one run: the values found so far, by the positions of their nodes."""

    typed: TypedNetwork
    emit: GraphEmitter
    inputs: list[onnx_ir.Value] = field(default_factory=list)
    outputs: list[onnx_ir.Value] = field(default_factory=list)
    weights: list[onnx_ir.Value] = field(default_factory=list)
    values: dict[int, onnx_ir.Value] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        live = set(live_nodes(self.typed))
        for position, node in enumerate(self.typed.network.nodes):
            if isinstance(node, InputNode):
                # An input that nothing reads stays: it is part of how the network is called.
                self.values[position] = self.emit.input(node.name, node.type)
                self.inputs.append(self.values[position])
            elif position in live:
                self.values[position] = self._layer(position, node)
        self._name_outputs()
        names = [(node.name, position) for position, node in enumerate(self.typed.network.nodes)]
        for name, position in (*names, *self.typed.network.scopes.items()):
            value = self.values.get(position)
            if value is not None and value.name != name:
                self.aliases[name] = str(value.name)

    def _layer(self, position: int, node: LayerNode) -> onnx_ir.Value:
        weights = {
            weight.name: self.emit.weight(f"{node.name}.{weight.name}", weight.shape)
            for weight in self.typed.weights[position]
        }
        self.weights.extend(weights.values())
        inputs = tuple(self.values[read] for read in node.inputs)
        types = self.typed.input_types(node)
        output = self.typed.types[position]
        self.emit.enter(node.name, origin(node))
        value = node.layer.lower(self.emit, Site(inputs, types, output, weights))
        # Identity and dropout give back what they got: it keeps the name it has.
        if value not in inputs:
            self.emit.settle(value, self._free_name(node.name), output)
        return value

    def _free_name(self, name: str) -> str:
        """A node's value cannot have the name of an output, which is another value's."""
        return f"{name}/value" if name in self.typed.network.outputs else name

    def _name_outputs(self) -> None:
        """Give each output its name: to the value itself where it is free, else to a copy."""
        for name, position in self.typed.network.outputs.items():
            value = self.values[position]
            if value in self.inputs and value.name == name:
                self.outputs.append(value)
                continue
            if value in self.inputs or value in self.outputs:
                self.emit.enter(name, origin(self.typed.network.nodes[position]))
                value = self.emit.op("Identity", value)
            self.emit.settle(value, name, self.typed.types[position])
            self.outputs.append(value)

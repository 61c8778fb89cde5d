"""Turns a graph into a finished model: checked, with its manifest and its weights.

The same network, weights or seed, batch and opset give the same bytes, on every run.
"""

from __future__ import annotations

import json
import re

import onnx
import onnx_ir

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.values import show
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.lower import network_weights
from cnndsl.graph.manifest import LAYERS_KEY, Manifest, Precision, sha256
from cnndsl.graph.starting_weights import StartingWeights
from cnndsl.graph.weights import not_finite
from cnndsl.typecheck.answers import answers_of
from cnndsl.version import __version__

__all__ = [
    "export",
    "graph_text",
    "make_manifest",
    "model_text",
    "self_check",
    "to_graph_only",
]


def export(
    model: onnx_ir.Model, manifest: Manifest, given: StartingWeights | None = None
) -> Artifact:
    """The model that a graph and its manifest make, with its weights where they are given."""
    graph_only = to_graph_only(model, manifest)
    if given is None:
        return Artifact(manifest, graph_only, {})
    broken = not_finite(given.arrays)
    said = (f"the weight `{name}` holds numbers that are not finite" for name in broken)
    return Artifact(manifest, graph_only, given.arrays, (*given.warnings, *said))


def to_graph_only(model: onnx_ir.Model, manifest: Manifest) -> onnx.ModelProto:
    """The model without the numbers of its weights, checked, with its manifest.

    Raises:
        onnx.checker.ValidationError, onnx.shape_inference.InferenceError: where the compiler made
            a wrong graph.
    """
    proto = _with_weights_as_inputs(model)
    self_check(proto)
    del proto.graph.input[len(model.graph.inputs) :]
    proto.producer_version = manifest.version
    for key, value in manifest.properties().items():
        proto.metadata_props.add(key=key, value=value)
    return proto


def self_check(proto: onnx.ModelProto) -> None:
    """Let the ``onnx`` package check a model, and that its own types do not contradict ours."""
    onnx.checker.check_model(proto, full_check=True)


def graph_text(model: onnx_ir.Model) -> str:
    """A graph as ONNX's own text: a line for each value and node, the weights among the inputs."""
    return _text(_with_weights_as_inputs(model))


def model_text(artifact: Artifact) -> str:
    """A model as ONNX's own text, then a line for each weight: its shape, and its numbers' range.

    What the model says of itself stands at the head.
    """
    lines = [_text(artifact.graph_only), "weights:\n"]
    for name, array in artifact.weights.items():
        shape = "x".join(map(str, array.shape))
        lines.append(f"   {name}: {shape} from {array.min():.6g} to {array.max():.6g}\n")
    return "".join(lines)


def _text(proto: onnx.ModelProto) -> str:
    graph = onnx.printer.to_text(proto.graph)
    head = onnx.printer.to_text(proto).removesuffix(graph)
    # The printer puts all values into two lines, in which no change could be seen.
    types = "float|double|int64|uint64|uint8|bool"
    return head + re.sub(rf", (?=(?:{types})[ \[])", ",\n   ", graph).rstrip("\n") + "\n"


def _with_weights_as_inputs(model: onnx_ir.Model) -> onnx.ModelProto:
    """A model that needs no numbers to be valid.

    Checking a model copies it more than once; this one is small whatever its weights are.
    """
    graph = model.graph
    view = onnx_ir.GraphView(
        [*graph.inputs, *graph.initializers.values()],
        graph.outputs,
        nodes=tuple(graph),
        opset_imports=graph.opset_imports,
        name=graph.name,
    )
    proto = onnx.ModelProto(
        ir_version=model.ir_version,
        producer_name=model.producer_name,
        graph=onnx_ir.serde.serialize_graph(view),  # type: ignore[arg-type]  # it is one of theirs
    )
    for domain, version in graph.opset_imports.items():
        proto.opset_import.add(domain=domain, version=version)
    return proto


def make_manifest(
    typed: TypedNetwork,
    text: str,
    seed: int | None,
    model: onnx_ir.Model | None = None,
    raw: tuple[str, ...] = (),
    precision: Precision = "float32",
) -> Manifest:
    """What a model says of itself.

    ``text`` is the spec in its canonical form, ``seed`` what its weights were drawn from, ``model``
    the forward graph, ``raw`` names its inputs that take pictures as bytes, ``precision`` what it
    computes in.
    """
    network = typed.network
    aliases = "{}" if model is None else model.metadata_props.get(LAYERS_KEY, "{}")
    learnable = (weight for weight in network_weights(typed).values() if weight.trainable)
    return Manifest(
        version=__version__,
        network=network.name,
        spec=text,
        spec_sha256=sha256(text),
        parameters={name: show(value) for name, value in network.parameters.items()},
        preparation={node.name: node.preparation for node in network.inputs},
        classes=network.classes,
        learnable=sum(weight.elements for weight in learnable),
        seed=seed,
        layers=json.loads(aliases),
        answers=answers_of(typed),
        raw=raw,
        precision=precision,
        vocabularies={
            node.name: node.type.vocabulary
            for node in network.inputs
            if node.type.vocabulary is not None
        },
    )

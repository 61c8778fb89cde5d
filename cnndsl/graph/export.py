"""Turns a typed network into a finished model: its graph lowered and checked, its weights found.

The same network, weights or seed, batch and opset give the same bytes, on every run.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from types import MappingProxyType

import onnx
import onnx_ir

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import InputNode, TypedNetwork
from cnndsl.elaborate.values import show
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.builder import DEFAULT_OPSET
from cnndsl.graph.initializers import initialise
from cnndsl.graph.lower import lower, network_weights
from cnndsl.graph.manifest import LAYERS_KEY, Manifest, sha256
from cnndsl.graph.raw_inputs import raw_inputs
from cnndsl.graph.weight_files import read_weights
from cnndsl.graph.weights import not_finite
from cnndsl.layers.base import Init
from cnndsl.typecheck.answers import answers_of
from cnndsl.version import __version__

__all__ = [
    "LARGEST",
    "check_size",
    "compile_network",
    "graph_text",
    "make_manifest",
    "self_check",
    "to_graph_only",
]

LARGEST = 1_900_000_000
"""Bytes of weights in one file; protobuf's limit is 2 GiB for all of it."""


def compile_network(
    typed: TypedNetwork,
    *,
    text: str,
    weights_path: str | os.PathLike[str] | None = None,
    verify: bool = True,
    seed: int | None = None,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    raw: bool = False,
) -> Artifact:
    """The model that computes the network's outputs, with everything it needs inside.

    ``text`` is the spec in its canonical form. The weights come from a file, whose checksum is
    compared first with ``verify``, or are drawn from ``seed`` (by default the recipe's, else 0).
    ``batch`` fixes the batch's size. With ``raw``, inputs for pictures take bytes, which the graph
    prepares.

    Raises:
        UserError: CNN601 and CNN602 for the weights' file, CNN605 for the opset, CNN606 where the
            weights are too large for one file, CNN608 where no input can be raw.
    """
    raw_names = raw_inputs(typed) if raw else ()
    model = lower(typed, batch, opset, raw_names)
    check_size(typed)
    recipe = typed.network.recipe
    said: list[str] = []
    if weights_path is not None:
        drawn = None
        weights = read_weights(weights_path, typed, said.append, verify=verify)
    else:
        drawn = seed if seed is not None else recipe.seed if recipe else 0
        weights = initialise(typed, drawn, recipe.init if recipe else Init("he"))
    layers = json.loads(model.metadata_props.get(LAYERS_KEY, "{}"))
    manifest = make_manifest(typed, text, drawn, layers, raw_names)
    return Artifact(
        manifest=manifest,
        graph_only=to_graph_only(model, manifest),
        weights=weights,
        warnings=(
            *said,
            *(
                f"the weight `{name}` holds numbers that are not finite"
                for name in not_finite(weights)
            ),
        ),
    )


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
    text = onnx.printer.to_text(_with_weights_as_inputs(model))
    # The printer puts all values into two lines, in which no change could be seen.
    types = "float|double|int64|uint64|uint8|bool"
    return re.sub(rf", (?=(?:{types})[ \[])", ",\n   ", text).rstrip("\n") + "\n"


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


def check_size(typed: TypedNetwork) -> None:
    """Make sure that a network's weights fit into one file.

    Raises:
        UserError: CNN606, where they do not.
    """
    size = 4 * sum(weight.elements for weight in network_weights(typed).values())
    if size > LARGEST:
        raise UserError(
            "CNN606",
            f"the weights of `{typed.name}` take {size / 1e9:.2f} GB, "
            f"one ONNX file holds at most {LARGEST / 1e9:.1f} GB",
            help=f"make the network smaller: at most {LARGEST // 4:,} parameters fit",
        )


def make_manifest(
    typed: TypedNetwork,
    text: str,
    seed: int | None,
    layers: Mapping[str, str] = MappingProxyType({}),
    raw: tuple[str, ...] = (),
) -> Manifest:
    """What a model says of itself; ``layers`` are the values that carry other names than theirs."""
    network = typed.network
    learnable = (weight for weight in network_weights(typed).values() if weight.trainable)
    return Manifest(
        version=__version__,
        network=network.name,
        spec=text,
        spec_sha256=sha256(text),
        parameters={name: show(value) for name, value in network.parameters.items()},
        preparation={
            node.name: node.preparation for node in network.nodes if isinstance(node, InputNode)
        },
        classes=network.classes,
        learnable=sum(weight.elements for weight in learnable),
        seed=seed,
        layers=layers,
        answers=answers_of(typed),
        raw=raw,
    )

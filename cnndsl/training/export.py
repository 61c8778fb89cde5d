"""Turns a network into the two files that any ONNX Runtime trains it with.

The step does one step of training. It holds no weights: the second model, which has no inputs,
gives those to begin with and the optimizer's state, by the names of the step's inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.builder import IR_VERSIONS
from cnndsl.graph.manifest import Manifest
from cnndsl.graph.starting_weights import StartingWeights
from cnndsl.training.signature import Signature
from cnndsl.training.step import Step
from cnndsl.version import __version__

__all__ = ["TrainingFiles", "export_training"]

_INITIAL = ".initial"
"""What the names of the first weights end with, where they are stored."""


@dataclass(frozen=True, eq=False)
class TrainingFiles:
    """A training step and what it begins with, both ready to be written.

    ``warnings`` are facts that whoever compiled it must be told.
    """

    step: Step
    step_model: bytes
    initial: Artifact
    warnings: tuple[str, ...] = ()


def export_training(
    typed: TypedNetwork, step: Step, manifest: Manifest, given: StartingWeights
) -> TrainingFiles:
    """The models of a network's training step and of what it begins with."""
    proto = step.to_proto()
    for key, value in manifest.properties().items():
        proto.metadata_props.add(key=key, value=value)
    initial = Artifact(
        manifest=manifest,
        graph_only=_initial_graph(typed.name, step.signature, step.model.opset_imports[""]),
        weights={name + _INITIAL: given.arrays[name] for name in step.signature.weights},
    )
    step_model = Artifact(manifest, proto, {}).to_bytes()
    return TrainingFiles(step, step_model, initial, given.warnings)


def _initial_graph(name: str, signature: Signature, opset: int) -> onnx.ModelProto:
    """Each weight handed out as it is stored, each state as zeros."""
    nodes = [
        helper.make_node("Identity", [weight + _INITIAL], [weight], name=weight)
        for weight in signature.weights
    ]
    for state, dims in signature.state.items():
        shape = helper.make_tensor("", TensorProto.INT64, [len(dims)], list(dims))
        nodes.append(helper.make_node("Constant", [], [f"{state}/shape"], value=shape))
        nodes.append(helper.make_node("ConstantOfShape", [f"{state}/shape"], [state], name=state))
    outputs = [
        helper.make_tensor_value_info(value, TensorProto.FLOAT, dims)
        for value, dims in (*signature.weights.items(), *signature.state.items())
    ]
    graph = helper.make_graph(nodes, f"{name} before training", [], outputs)
    return helper.make_model(
        graph,
        producer_name="cnndsl",
        producer_version=__version__,
        ir_version=IR_VERSIONS[opset],
        opset_imports=[helper.make_opsetid("", opset)],
    )

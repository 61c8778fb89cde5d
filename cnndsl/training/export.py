"""Turns a network into the two files that any ONNX Runtime trains it with.

The step does one step of training. It holds no weights: the second model, which has no inputs,
gives those to begin with and the optimizer's state, by the names of the step's inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from cnndsl.autodiff.rules import Target
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.builder import DEFAULT_OPSET, IR_VERSIONS
from cnndsl.graph.export import check_size, make_manifest
from cnndsl.graph.initializers import initialise
from cnndsl.graph.weights import Array
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.signature import Signature
from cnndsl.training.step import Step, build_step
from cnndsl.version import __version__

__all__ = ["TrainingFiles", "compile_training"]

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


def compile_training(
    typed: TypedNetwork,
    *,
    text: str,
    weights: Mapping[str, Array] | None = None,
    seed: int | None = None,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    target: Target = "cpu",
    warnings: Sequence[str] = (),
) -> TrainingFiles:
    """The models of a network's training step and of what it begins with.

    ``text`` is the spec in its canonical form. The weights are those given, or drawn from
    ``seed`` (by default the recipe's, else 0).

    Raises:
        UserError: as :func:`build_step` does, and CNN606 where the weights are too large for a
            file.
    """
    check_size(typed)
    recipe = typed.network.recipe or Recipe()
    if weights is None:
        seed = recipe.seed if seed is None else seed
        weights = initialise(typed, seed, recipe.init)
    step = build_step(typed, batch=batch, opset=opset, target=target)
    first = {name: weights[name] for name in step.signature.weights}
    manifest = make_manifest(typed, text, seed)
    proto = step.to_proto()
    for key, value in manifest.properties().items():
        proto.metadata_props.add(key=key, value=value)
    initial = Artifact(
        manifest=manifest,
        graph_only=_initial_graph(typed.name, step.signature, opset),
        weights={name + _INITIAL: array for name, array in first.items()},
    )
    step_model = Artifact(manifest, proto, {}).to_bytes()
    return TrainingFiles(step, step_model, initial, tuple(warnings))


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

"""Turns a network into the files that any ONNX Runtime trains it with.

The step, one model or two, does one step of training. It holds no weights: a further model, which
has no inputs, gives those to begin with and the optimizer's state, by the names of the step's
inputs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import onnx
from onnx import TensorProto, helper

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.builder import IR_VERSIONS
from cnndsl.graph.files import write_atomically
from cnndsl.graph.manifest import Manifest
from cnndsl.graph.starting_weights import StartingWeights
from cnndsl.training.signature import TensorSpec
from cnndsl.training.step import Step
from cnndsl.version import __version__

__all__ = ["TrainingFiles", "export_training"]

_INITIAL = ".initial"
"""What the names of the first weights end with, where they are stored."""

_Dims: TypeAlias = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class TrainingFiles:
    """What a network is trained with, and what that begins with, ready to be written.

    ``steps`` are the whole step, or the graph of the gradients and that of the update; ``models``
    are their files' contents. ``warnings`` are facts that whoever compiled it must be told.
    """

    steps: tuple[Step, ...]
    models: tuple[bytes, ...]
    initial: Artifact
    warnings: tuple[str, ...] = ()

    def save(self, path: str | os.PathLike[str]) -> dict[Path, int]:
        """Write the files, each whole or not at all, and give their sizes in bytes.

        The step is written to ``path``; of two graphs the name ends with ``.gradient.onnx`` and
        ``.update.onnx``, and what training begins with ends with ``.init.onnx``.

        Raises:
            UserError: CNN603, where one cannot be written.
        """
        target = Path(path)
        paths = [target.with_suffix(one.suffix) if one.suffix else target for one in self.steps]
        beside = target.with_suffix(".init.onnx")
        # The steps come last: where they are there, what they begin with is there too.
        initial = self.initial.write(beside)
        files = zip(paths, self.models, strict=True)
        sizes = {path: write_atomically(path, model) for path, model in files}
        return {**sizes, beside: initial}


def export_training(
    typed: TypedNetwork, steps: Sequence[Step], manifest: Manifest, given: StartingWeights
) -> TrainingFiles:
    """The models of a network's training step, or of both its halves, and what it begins with."""
    first, last = steps[0], steps[-1]
    graph = _initial_graph(
        typed.name,
        first.signature.weights,
        last.signature.inputs_of("state"),
        first.model.opset_imports[""],
    )
    initial = Artifact(
        manifest=manifest,
        graph_only=graph,
        weights={name + _INITIAL: given.arrays[name] for name in first.signature.weights},
    )
    models = tuple(_model(step, manifest) for step in steps)
    return TrainingFiles(tuple(steps), models, initial, given.warnings)


def _model(step: Step, manifest: Manifest) -> bytes:
    proto = step.to_proto()
    for key, value in manifest.properties().items():
        proto.metadata_props.add(key=key, value=value)
    return Artifact(manifest, proto, {}).to_bytes()


def _initial_graph(
    name: str, weights: _Dims, states: Sequence[TensorSpec], opset: int
) -> onnx.ModelProto:
    """Each weight handed out as it is stored, each state as the numbers that it begins with."""
    nodes = [
        helper.make_node("Identity", [weight + _INITIAL], [weight], name=weight)
        for weight in weights
    ]
    for state in states:
        slot, dims = state.name, state.dims
        shape = helper.make_tensor("", TensorProto.INT64, [len(dims)], list(dims))
        nodes.append(helper.make_node("Constant", [], [f"{slot}/shape"], value=shape))
        start = {"value": helper.make_tensor("", TensorProto.FLOAT, [1], [state.start])}
        number = start if state.start else {}
        shape_of = [f"{slot}/shape"]
        nodes.append(helper.make_node("ConstantOfShape", shape_of, [slot], name=slot, **number))
    outputs = [
        helper.make_tensor_value_info(value, TensorProto.FLOAT, dims)
        for value, dims in (*weights.items(), *((one.name, one.dims) for one in states))
    ]
    graph = helper.make_graph(nodes, f"{name} before training", [], outputs)
    return helper.make_model(
        graph,
        producer_name="cnndsl",
        producer_version=__version__,
        ir_version=IR_VERSIONS[opset],
        opset_imports=[helper.make_opsetid("", opset)],
    )

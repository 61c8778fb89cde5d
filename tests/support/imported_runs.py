"""Imported networks, run: written as specs, read again, compared, compiled with given weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy
import onnxruntime
from safetensors.numpy import save_file

import cnndsl
from cnndsl import pipeline
from cnndsl.analysis.cost import quantity
from cnndsl.diagnostics.model import Severity
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.importers.networks.graph import ImportedNetwork, ImportedNode
from cnndsl.importers.networks.proof import correspondence, labels_of
from cnndsl.importers.networks.write import Written, written

__all__ = ["Numbers", "checked", "counts", "outputs_of"]

Numbers = Callable[[ImportedNode, Mapping[str, tuple[int, ...]]], Mapping[str, numpy.ndarray]]
"""The weights of a node, by role; it is given the shapes that they have here."""


def checked(network: ImportedNetwork) -> tuple[Written, TypedNetwork, Mapping[int, int]]:
    """The spec of a network, which is right, and which of its layers is which of the network's."""
    spec = written(network)
    typed = pipeline.check_text(spec.text).typed()
    labels = labels_of(spec.network, typed, correspondence(spec.network, spec.order, typed))
    spec = written(network, labels=labels)
    found = pipeline.check_text(spec.text)
    errors = [one for one in found.diagnostics if one.severity is Severity.ERROR]
    assert not errors, f"{errors}\n{spec.text}"
    typed = found.typed()
    return spec, typed, correspondence(spec.network, spec.order, typed)


def counts(network: ImportedNetwork) -> tuple[int, int]:
    """How many parameters a network has, and multiply-accumulates for one sample."""
    _, typed, _ = checked(network)
    return quantity(typed, "params")[0], quantity(typed, "macs")[0]


def outputs_of(
    network: ImportedNetwork, numbers: Numbers, folder: Path, *inputs: numpy.ndarray
) -> list[numpy.ndarray]:
    """What a network's spec computes with these weights, in the order of its outputs."""
    spec, typed, places = checked(network)
    weights: dict[str, numpy.ndarray] = {}
    for at, position in places.items():
        node = spec.network.nodes[at]
        types = [spec.network.types[one] for one in node.inputs]
        shapes = {one.name: one.shape for one in node.layer.weights(*types)}
        if shapes and not node.share:
            name = typed.network.nodes[position].name
            given = numbers(node, shapes)
            for role, shape in shapes.items():
                array = numpy.ascontiguousarray(given[role], numpy.float32)
                assert array.shape == shape, (node.place, role, array.shape, shape)
                weights[f"{name}.{role}"] = array
    path = folder / "imported.cnn"
    path.write_text(spec.text, encoding="utf-8")
    save_file(weights, folder / "weights.safetensors")
    model = folder / "imported.onnx"
    cnndsl.load(path).compile(folder / "weights.safetensors").save(model)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feeds = dict(zip((one.name for one in session.get_inputs()), inputs, strict=True))
    return [numpy.asarray(one) for one in session.run(None, feeds)]

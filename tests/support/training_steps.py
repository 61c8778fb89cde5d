"""Trains a network with its own step graph, in the plainest way: one call of a runtime per step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import onnx
import onnx.numpy_helper
import onnx.reference
import onnxruntime
from exact_reference import Pad
from oracle import Array

from cnndsl.training.step import Step

__all__ = ["StepTrainer", "in_double", "masks_of"]

_FLOAT, _DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE


class StepTrainer:
    """A network in training by its step graph.

    With ``double``, the ``onnx`` package's own interpreter computes in float64. ``watched`` are
    values inside the graph, to be found in ``seen`` after each step.
    """

    def __init__(
        self,
        step: Step,
        weights: Mapping[str, Array],
        *,
        watched: Sequence[str] = (),
        double: bool = False,
        seed: int = 0,
    ) -> None:
        proto = step.to_proto()
        for name in watched:
            proto.graph.output.append(onnx.ValueInfoProto(name=name))
        self._signature = step.signature
        self.dtype = numpy.float64 if double else numpy.float32
        self.values = {name: self._cast(weights[name]) for name in self._signature.weights}
        self.values |= {
            name: self._cast(zeros) for name, zeros in self._signature.initial_state().items()
        }
        self.seen: dict[str, Array] = {}
        self.done = 0
        self.seed = seed
        self._watched = watched
        self._outputs = [value.name for value in proto.graph.output]
        self._session: Any
        if double:
            self._session = onnx.reference.ReferenceEvaluator(in_double(proto), new_ops=[Pad])
        else:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )

    def step(self, inputs: Mapping[str, Array], labels: Array, lr: float) -> tuple[float, float]:
        """Learn from a batch: its loss before that, and what that is measured by."""
        signature = self._signature
        feeds = signature.feeds(inputs, labels, lr=lr, step=self.done, seed=self.seed)
        batch = {name: self._cast(array) for name, array in feeds.items()}
        found = self._session.run(None, batch | self.values)
        outputs = dict(zip(self._outputs, found, strict=True))
        self.seen = {name: outputs[name] for name in self._watched}
        self.values |= signature.next_values(outputs)
        self.done += 1
        (metric,) = signature.metrics.values()
        return float(outputs[signature.loss]), float(outputs[metric.output])

    def _cast(self, array: Array) -> Array:
        return array.astype(self.dtype) if array.dtype.kind == "f" else array


def masks_of(step: Step, layers: Sequence[str]) -> dict[str, str]:
    """The values that hold what dropout multiplies with and noise adds, by their layers' names."""
    masks = {}
    for node in step.model.graph:
        scope, _, _ = str(node.name).rpartition("/")
        # It is the second input of a layer's last node.
        if scope in layers and (mask := node.inputs[-1] if node.inputs else None) is not None:
            masks[scope] = str(mask.name)
    assert set(masks) == set(layers)
    return masks


def in_double(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with float64 wherever it has float32."""
    double = onnx.ModelProto()
    double.CopyFrom(proto)
    graph = double.graph
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type == _FLOAT:
            value.type.tensor_type.elem_type = _DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t") and attribute.t.data_type == _FLOAT:
                array = onnx.numpy_helper.to_array(attribute.t).astype(numpy.float64)
                attribute.t.CopyFrom(onnx.numpy_helper.from_array(array, attribute.t.name))
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == _FLOAT:
                attribute.i = _DOUBLE
    return double

"""Lets gradients leave a graph in the shapes in which they are made, where only numbers count.

ONNX Runtime copies what a ``Reshape`` gives as an output of the graph into the caller's buffer. In
the middle of a graph it is a view and costs nothing, and so it is for who reads the buffer as
another shape. The gradients of kernels end so on a CPU: ResNet-18 copies 42 MB, a hundredth of its
step.
"""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.training.step import Step

__all__ = ["as_made"]

S = TypeVar("S", bound=Step)


def as_made(step: S) -> tuple[S, dict[str, tuple[int, ...]]]:
    """The same step, and the shapes of those of its outputs that come in others than it says."""
    model = step.model.clone()
    graph = model.graph
    shapes: dict[str, tuple[int, ...]] = {}
    for index, value in enumerate(graph.outputs):
        node = value.producer()
        if node is None or node.op_type != "Reshape" or node.domain or any(value.uses()):
            continue
        source = node.inputs[0]
        if source is None or not _can_leave(source):
            continue
        name = str(value.name)
        graph.outputs[index] = source
        graph.remove(node, safe=True)
        value.name, source.name = None, name
        shapes[name] = dims_of(source)
    return dataclasses.replace(step, model=model), shapes


def _can_leave(value: onnx_ir.Value) -> bool:
    """Whether a value is made in the graph, and does not leave it under another name."""
    return value.producer() is not None and not value.is_graph_output() and value.shape is not None

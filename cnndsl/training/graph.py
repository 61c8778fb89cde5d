"""The graph that a training step is emitted into: a builder with chance and changing buffers."""

from __future__ import annotations

import onnx_ir
from typing_extensions import override

from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.builder import DEFAULT_OPSET, GraphBuilder
from cnndsl.layers.lowering import TrainingBuilder
from cnndsl.training.random import Draws
from cnndsl.training.signature import RATE, RESERVED, SEED, STEP

__all__ = ["StepGraph"]


class StepGraph(GraphBuilder, TrainingBuilder[onnx_ir.Value]):
    """Collects the nodes of a training step.

    ``rate``, ``step`` and ``seed`` are its scalar inputs, ``updates`` the new values of buffers.
    """

    reserved = RESERVED

    def __init__(self, batch: int, opset: int = DEFAULT_OPSET) -> None:
        super().__init__(batch, opset)
        self._size = batch
        self.rate = self.placeholder(RATE, (), onnx_ir.DataType.FLOAT)
        self.step = self.placeholder(STEP, (), onnx_ir.DataType.INT64)
        self.seed = self.placeholder(SEED, (), onnx_ir.DataType.INT64)
        self.updates: dict[onnx_ir.Value, onnx_ir.Value] = {}
        self._roots: dict[onnx_ir.Value, onnx_ir.Value] = {}
        self._draws = Draws(self, self.seed, self.step)

    @property
    @override
    def batch(self) -> int:
        return self._size

    @override
    def uniform(self, like: onnx_ir.Value | tuple[int, ...]) -> onnx_ir.Value:
        return self._draws.uniform(like if isinstance(like, tuple) else dims_of(like))

    @override
    def normal(self, like: onnx_ir.Value) -> onnx_ir.Value:
        return self._draws.normal(dims_of(like))

    @override
    def latest(self, weight: onnx_ir.Value) -> onnx_ir.Value:
        """What the layer before left of a shared buffer, as if they were called in turn."""
        return self.updates.get(weight, weight)

    @override
    def update(self, weight: onnx_ir.Value, value: onnx_ir.Value) -> None:
        root = self._roots.get(weight, weight)
        self.updates[root] = value
        self._roots[value] = root

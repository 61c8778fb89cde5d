"""A door to ONNX made of `onnx.helper` alone, independent of the product's own builder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import Attribute, LoweringContext
from cnndsl.types import TensorType

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Case: TypeAlias = tuple[Layer, Sequence[Array], dict[str, Array]]


class Graph:
    """Collects the nodes of several layers, so that one session can run them all."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.constants: list[Any] = []
        self.feeds: dict[str, Array] = {}

    def op(self, op_type: str, *inputs: str | None, **attributes: Attribute) -> str:
        name = f"v{len(self.nodes)}"
        operands = [value or "" for value in inputs]
        keywords: dict[str, Any] = dict(attributes)
        self.nodes.append(helper.make_node(op_type, operands, [name], **keywords))
        return name

    def several(
        self, op_type: str, count: int, *inputs: str | None, **attributes: Attribute
    ) -> Sequence[str]:
        first = self.op(op_type, *inputs, **attributes)
        names = [first, *(f"{first}_{at}" for at in range(1, count))]
        self.nodes[-1].output[:] = names
        return names

    def constant(self, value: float | Sequence[int] | Sequence[float]) -> str:
        whole = not isinstance(value, float) and all(isinstance(v, int) for v in value)
        array = np.asarray(value, np.int64 if whole else np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def feed(self, array: Array) -> str:
        name = f"x{len(self.feeds)}"
        self.feeds[name] = array
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
        return name

    def add(self, layer: Layer, arrays: Sequence[Array], weights: dict[str, Array]) -> None:
        types = tuple(TensorType(array.shape[1:]) for array in arrays)
        context = LoweringContext(
            tuple(self.feed(array) for array in arrays),
            types,
            layer.output(*types),
            {name: self.feed(array) for name, array in weights.items()},
        )
        self.give(layer.lower(self, context))

    def give(self, value: str) -> None:
        output = self.op("Identity", value)
        self.outputs.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))

    def run(self) -> list[Array]:
        graph = helper.make_graph(self.nodes, "test", self.inputs, self.outputs, self.constants)
        imports = [helper.make_opsetid("", 18)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=8)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return list(session.run(None, self.feeds))


@pytest.fixture
def graph() -> Callable[[], Graph]:
    """Makes an empty graph."""
    return Graph


@pytest.fixture
def compute() -> Callable[[Sequence[Case]], list[Array]]:
    """Runs many layers in one ONNX Runtime session: (layer, inputs, weights) to outputs."""

    def run(cases: Sequence[Case]) -> list[Array]:
        graph = Graph()
        for layer, arrays, weights in cases:
            graph.add(layer, arrays, weights)
        return graph.run()

    return run

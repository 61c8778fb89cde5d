"""Turns a graph in float32 into one that computes in float16, for GPUs that do so faster.

Inputs and outputs stay float32. So does what needs the range: operators of :data:`FLOAT32`, and
all those of layers whose squares or powers leave float16's (``Layer.arithmetic``). In between
stand casts, one for each value at most.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy
import onnx_ir

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import abridged_lines
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.compile_options import Form
from cnndsl.graph.fold_batchnorm import fold_batchnorm
from cnndsl.graph.starting_weights import StartingWeights
from cnndsl.graph.weights import SHOWN, Array, quoted

__all__ = ["FLOAT32", "in_form"]

# fmt: off
FLOAT32 = frozenset({
    "Exp", "InstanceNormalization", "LayerNormalization", "Log", "LogSoftmax", "Pow", "ReduceL1",
    "ReduceL2", "ReduceLogSumExp", "ReduceSum", "ReduceSumSquare", "Softmax",
})
# fmt: on
"""Operators whose results or sums may leave the range of float16."""

_KEPT = {"Resize": (1, 2)}
"""Which inputs of an operator are float32 whatever the others are."""

_HALF, _FULL = onnx_ir.DataType.FLOAT16, onnx_ir.DataType.FLOAT
_LARGEST = float(numpy.finfo(numpy.float16).max)


def in_form(
    form: Form, model: onnx_ir.Model, typed: TypedNetwork, given: StartingWeights
) -> StartingWeights:
    """Bring a graph, which is changed, into a form, and give its weights as it holds them then.

    Batch normalisations become part of what they follow before anything is rounded.

    Raises:
        UserError: CNN610 for weights that are too large for float16.
    """
    if form == "plain":
        return given
    weights = fold_batchnorm(model, given.arrays)
    if form == "folded":
        return replace(given, arrays=weights)
    wide = {
        node.name
        for node in typed.network.nodes
        # Raw pictures are prepared in float32.
        if not isinstance(node, LayerNode) or node.layer.arithmetic != "any"
    }
    _Conversion(model.graph, wide).run()
    halves = [name for name, value in model.graph.initializers.items() if value.dtype == _HALF]
    _refuse_too_large(halves, weights)
    arrays = {
        name: array.astype(numpy.float16) if name in halves else array
        for name, array in weights.items()
    }
    return replace(given, arrays=arrays)


def _refuse_too_large(halves: Iterable[str], weights: Mapping[str, Array]) -> None:
    largest = {name: float(numpy.abs(weights[name]).max(initial=0)) for name in halves}
    wrong = [name for name, size in largest.items() if size > _LARGEST]
    if not wrong:
        return
    first, others = wrong[0], [*map(quoted, wrong[1:])]
    raise UserError(
        "CNN610",
        f"the weight {quoted(first)} holds {largest[first]:g}, and float16 ends at {_LARGEST:g}",
        notes=[f"so do {', '.join(abridged_lines(others, SHOWN))}"] if others else (),
        help="leave out `--float16`: this network needs the range of float32",
    )


class _Conversion:
    """The state of one run: the values that are float16 now, and each value's cast."""

    def __init__(self, graph: onnx_ir.Graph, wide: Collection[str]) -> None:
        self.graph = graph
        self.wide = wide
        self.casts: dict[tuple[onnx_ir.Value, onnx_ir.DataType], onnx_ir.Value] = {}

    def run(self) -> None:
        for node in tuple(self.graph):
            if node.op_type in ("Cast", "Constant"):
                continue  # constants are taken as they are wanted
            wanted = _FULL if self._is_wide(node) else _HALF
            changed = False
            for at, value in enumerate(node.inputs):
                if value is None or value.dtype not in (_HALF, _FULL):
                    continue
                kind = _FULL if at in _KEPT.get(node.op_type, ()) else wanted
                changed = changed or at not in _KEPT.get(node.op_type, ())
                node.replace_input_with(at, self._as(value, kind, node))
            for output in node.outputs:
                if changed and output.dtype in (_HALF, _FULL):
                    output.dtype = wanted
        for at, output in enumerate(self.graph.outputs):
            if output.dtype == _HALF:
                self.graph.outputs[at] = self._output(output)

    def _is_wide(self, node: onnx_ir.Node) -> bool:
        """Whether a node computes in float32; its name says which layer it is of."""
        if node.op_type == "BatchNormalization":  # its statistics are in its factors
            return False
        scope = str(node.name).rpartition("/")[0]
        return node.op_type in FLOAT32 or scope in self.wide

    def _as(
        self, value: onnx_ir.Value, kind: onnx_ir.DataType, reader: onnx_ir.Node
    ) -> onnx_ir.Value:
        """A value in this type: itself, or one that is made of it before its reader."""
        if value.dtype == kind:
            return value
        if kind == _HALF and value.is_initializer() and self._only_half(value):
            value.dtype = _HALF
            return value
        if (value, kind) not in self.casts:
            made = self._constant(value) if kind == _HALF else None
            node = made or onnx_ir.node("Cast", [value], {"to": int(kind)})
            result = node.outputs[0]
            result.name = node.name = f"{value.name}/{kind.name.lower()}"
            result.dtype, result.shape = kind, value.shape
            reader.prepend(node)
            self.casts[value, kind] = result
        return self.casts[value, kind]

    def _only_half(self, weight: onnx_ir.Value) -> bool:
        return not any(self._is_wide(use.node) for use in weight.uses())

    def _constant(self, value: onnx_ir.Value) -> onnx_ir.Node | None:
        """A constant's node with its numbers in float16, where they have a place there."""
        node = value.producer()
        if node is None or node.op_type != "Constant":
            return None
        numbers = node.attributes["value"].as_tensor().numpy()
        finite = numpy.clip(numbers, -_LARGEST, _LARGEST).astype(numpy.float16)
        return onnx_ir.node("Constant", [], {"value": onnx_ir.Tensor(finite)})

    def _output(self, value: onnx_ir.Value) -> onnx_ir.Value:
        """What an output is, in float32 and by its name."""
        name = str(value.name)
        value.name = f"{name}/float16"
        node = onnx_ir.node("Cast", [value], {"to": int(_FULL)})
        result = node.outputs[0]
        node.name, result.name = f"{name}/Cast", name
        result.dtype, result.shape = _FULL, value.shape
        self.graph.append(node)
        return result

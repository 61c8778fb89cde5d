"""Computes what is computed twice only once (common subexpressions).

Before::

    half = Mul(x, 0.5)
    other = Mul(x, 0.5)

After, all that read ``other`` read ``half``.

The pass of onnx-ir looks through all outputs of the graph for each node that it removes, so that
its time grows with the square of a network's depth.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable

import onnx_ir
import onnx_ir.passes
from typing_extensions import override

from cnndsl.training.passes.rewiring import replace_outputs, replace_uses

__all__ = ["MergeDuplicates"]

_SIZE = 80
"""Constants of more bytes are compared by their digests: orders of many cells are long."""

_CHANCE = frozenset(
    {
        "Bernoulli",
        "Dropout",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
"""Operators whose results differ though their inputs do not."""


class MergeDuplicates(onnx_ir.passes.InPlacePass):
    """Leaves one node of those with the same operator, inputs and attributes: the first."""

    @override
    def call(self, model: onnx_ir.Model) -> onnx_ir.passes.PassResult:
        first: dict[Hashable, onnx_ir.Node] = {}
        needless: list[onnx_ir.Node] = []
        outputs: dict[onnx_ir.Value, onnx_ir.Value] = {}
        results = set(model.graph.outputs)
        for node in model.graph:
            key = _key(node)
            if key is None or (same := first.setdefault(key, node)) is node:
                continue
            pairs = list(zip(node.outputs, same.outputs, strict=True))
            given = {value: twin for value, twin in pairs if value in results}
            if not results.isdisjoint(given.values()):
                continue  # Two outputs are two values.
            outputs |= given
            results.update(given.values())
            for value, twin in pairs:
                replace_uses(value, twin)
            needless.append(node)
        replace_outputs(model.graph, outputs)
        model.graph.remove(needless, safe=True)
        return onnx_ir.passes.PassResult(model, modified=bool(needless))


def _key(node: onnx_ir.Node) -> Hashable | None:
    """What two nodes that compute the same have alike; None where that can't be said."""
    if node.domain == "" and node.op_type in _CHANCE:
        return None
    attributes = []
    for name, attribute in sorted(node.attributes.items()):
        value = _comparable(attribute)
        if value is None:
            return None
        attributes.append((name, value))
    inputs = tuple(map(id, node.inputs))
    return (node.op_identifier(), len(node.outputs), inputs, tuple(attributes))


def _comparable(attribute: onnx_ir.Attr) -> Hashable | None:
    kinds = onnx_ir.AttributeType
    if attribute.type in (kinds.INT, kinds.FLOAT, kinds.STRING):
        return repr(attribute.value)  # 0.0 is not -0.0
    if attribute.type in (kinds.INTS, kinds.FLOATS, kinds.STRINGS):
        return repr(tuple(attribute.value))
    if attribute.type is kinds.TENSOR:
        array = attribute.value.numpy()
        data = array.tobytes()
        digest = data if len(data) <= _SIZE else hashlib.sha256(data).digest()
        return array.dtype.str, array.shape, digest
    return None

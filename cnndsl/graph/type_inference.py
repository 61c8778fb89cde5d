"""Infers the types of what a node gives by its operator's own rule, in the ``onnx`` package.

Networks repeat themselves: of the 9,400 nodes of a ResNet-152's training step 600 ask something
new. What was asked is remembered; the rule itself takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy
import numpy.typing
import onnx
import onnx.defs
import onnx.numpy_helper
import onnx.shape_inference
import onnx_ir

from cnndsl.graph.value_types import ValueType

__all__ = ["TypeInference"]

_COMPARED = 1024
"""Up to so many bytes of a constant are compared with those that were asked about before."""

_Constants = Mapping[onnx_ir.Value, numpy.typing.NDArray[numpy.generic]]


class TypeInference:
    """The types that nodes of one opset give.

    ``types`` are those of the values so far, ``constants`` the numbers that are known: whoever
    emits the nodes keeps both up to date.
    """

    def __init__(
        self,
        opset: int,
        ir_version: int,
        types: Mapping[onnx_ir.Value, ValueType],
        constants: _Constants,
    ) -> None:
        self._opset = opset
        self._ir_version = ir_version
        self._imports = [onnx.OperatorSetIdProto(domain="", version=opset)]
        self._types = types
        self._constants = constants
        self._known: dict[tuple[object, ...], Sequence[ValueType | None]] = {}

    def outputs(self, node: onnx_ir.Node) -> Sequence[ValueType | None]:
        """A type for each output of a node; None where none follows.

        Raises:
            onnx.defs.SchemaError: where there is no such operator.
            onnx.shape_inference.InferenceError: where the inputs do not suit it.
        """
        key = self._key(node)
        if key is None:
            return self._inferred(node)
        if key not in self._known:
            self._known[key] = self._inferred(node)
        return self._known[key]

    def _key(self, node: onnx_ir.Node) -> tuple[object, ...] | None:
        """All that the rule sees of a node; None where that is too large to be kept."""
        key: list[object] = [node.op_type, len(node.outputs)]
        for given in node.inputs:
            if given is None:
                key.append(None)
                continue
            key.append(self._types[given])
            constant = self._constants.get(given)
            if constant is not None:
                if constant.nbytes > _COMPARED:
                    return None
                key.append(constant.tobytes())
        for name, attribute in node.attributes.items():
            key += name, repr(attribute.value)
        return tuple(key)

    def _inferred(self, node: onnx_ir.Node) -> Sequence[ValueType | None]:
        inputs = [given for given in node.inputs if given is not None]
        types = onnx.shape_inference.infer_node_outputs(
            onnx.defs.get_schema(node.op_type, self._opset, ""),
            _node_proto(node),
            {str(given.name): self._types[given].to_proto() for given in inputs},
            {
                str(given.name): onnx.numpy_helper.from_array(self._constants[given])
                for given in inputs
                if given in self._constants
            },
            opset_imports=self._imports,
            ir_version=self._ir_version,
        )
        found = [types.get(str(output.name)) for output in node.outputs]
        return [None if type is None else ValueType.of_proto(type) for type in found]


def _node_proto(node: onnx_ir.Node) -> onnx.NodeProto:
    """What inference asks of a node: onnx-ir writes all of it, which takes thrice the time."""
    proto = onnx.NodeProto(
        op_type=node.op_type,
        input=["" if given is None else str(given.name) for given in node.inputs],
        output=[str(value.name) for value in node.outputs],
    )
    for attribute in node.attributes.values():
        onnx_ir.serde.serialize_attribute_into(proto.attribute.add(), attribute)
    return proto

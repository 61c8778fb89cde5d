"""The types of values as they are compared and remembered: element type and sizes."""

from __future__ import annotations

from typing import NamedTuple

import onnx
import onnx_ir
from typing_extensions import override

__all__ = ["ValueType"]


class ValueType(NamedTuple):
    """The type of a tensor: a size that is free has a name, None is one that is not known."""

    element: int
    """ONNX's number of the element type."""

    dims: tuple[int | str | None, ...]

    @classmethod
    def of(cls, dtype: onnx_ir.DataType, dims: tuple[int | str, ...]) -> ValueType:
        """The type of these elements and sizes."""
        return cls(dtype.value, dims)

    @classmethod
    def of_proto(cls, proto: onnx.TypeProto) -> ValueType | None:
        """ONNX's own form read; None where it does not even say how many sizes there are."""
        tensor = proto.tensor_type
        if not tensor.HasField("shape"):
            return None
        return cls(tensor.elem_type, tuple(map(_size, tensor.shape.dim)))

    @property
    def dtype(self) -> onnx_ir.DataType:
        """The element type."""
        return onnx_ir.DataType(self.element)

    def agrees(self, expected: ValueType) -> bool:
        """Whether what was inferred is the expected type, where it is known at all."""
        return (
            self.element == expected.element
            and len(self.dims) == len(expected.dims)
            and all(
                one is None or one == other
                for one, other in zip(self.dims, expected.dims, strict=True)
            )
        )

    def to_proto(self) -> onnx.TypeProto:
        """ONNX's own form."""
        proto = onnx.TypeProto()
        proto.tensor_type.elem_type = self.element
        proto.tensor_type.shape.SetInParent()
        for dim in self.dims:
            size = proto.tensor_type.shape.dim.add()
            if isinstance(dim, int):
                size.dim_value = dim
            elif dim is not None:
                size.dim_param = dim
        return proto

    @override
    def __str__(self) -> str:
        """As people write it: ``float 1x3x224x224``."""
        dims = "x".join("?" if dim is None else str(dim) for dim in self.dims)
        return f"{self.dtype.name.lower()} {dims}"


def _size(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    which = dim.WhichOneof("value")
    return None if which is None else getattr(dim, which)

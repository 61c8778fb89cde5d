"""Turns element types and sizes into ONNX's types of values, and compares these."""

from __future__ import annotations

import onnx
import onnx_ir

__all__ = ["agrees", "dims_of_type", "type_proto", "type_text"]


def type_proto(dtype: onnx_ir.DataType, dims: tuple[int | str, ...]) -> onnx.TypeProto:
    """The type of a tensor; a size that is free has a name."""
    type = onnx.TypeProto()
    type.tensor_type.elem_type = dtype.value
    type.tensor_type.shape.SetInParent()
    for dim in dims:
        if isinstance(dim, int):
            type.tensor_type.shape.dim.add(dim_value=dim)
        else:
            type.tensor_type.shape.dim.add(dim_param=dim)
    return type


def dims_of_type(type: onnx.TypeProto) -> list[int | str | None]:
    """The sizes of a tensor of a type; None where one is not known."""
    return [
        getattr(dim, dim.WhichOneof("value")) if dim.WhichOneof("value") else None
        for dim in type.tensor_type.shape.dim
    ]


def agrees(found: onnx.TypeProto, expected: onnx.TypeProto) -> bool:
    """Whether what was inferred is the expected type, where it is known at all."""
    pairs = list(zip(dims_of_type(found), dims_of_type(expected), strict=False))
    return (
        found.tensor_type.elem_type == expected.tensor_type.elem_type
        and len(dims_of_type(found)) == len(dims_of_type(expected))
        and all(one is None or one == other for one, other in pairs)
    )


def type_text(type: onnx.TypeProto) -> str:
    """A type as people write it: ``float 1x3x224x224``."""
    dims = "x".join("?" if dim is None else str(dim) for dim in dims_of_type(type))
    return f"{onnx_ir.DataType(type.tensor_type.elem_type).name.lower()} {dims}"

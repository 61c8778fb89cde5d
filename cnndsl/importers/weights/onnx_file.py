"""Reads the weights of anybody's ONNX model: what its nodes multiply, add and normalise by.

An exporter may call an initializer ``onnx::Conv_193``; the node that reads it says what it is. So
layers are nodes here, in the order in which they are computed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import numpy_helper

from cnndsl.files import open_regular
from cnndsl.graph.weights import Numbers
from cnndsl.importers.weights.source import (
    LeftOut,
    Role,
    SourceLayer,
    SourceTensor,
    WeightsSource,
    broken,
    kernel_axes,
    opened,
    told_as_unreadable,
)

__all__ = ["onnx_source", "open_onnx", "tensor_numbers"]

_LARGEST = 2**31
"""The bytes of the largest file that protobuf can be."""

_NORMS: Mapping[str, tuple[Role, ...]] = MappingProxyType(
    {
        "BatchNormalization": (Role.SCALE, Role.BIAS, Role.MEAN, Role.VARIANCE),
        "InstanceNormalization": (Role.SCALE, Role.BIAS),
        "LayerNormalization": (Role.SCALE, Role.BIAS),
        "GroupNormalization": (Role.SCALE, Role.BIAS),
        "RMSNormalization": (Role.SCALE,),
        "PRelu": (Role.SLOPE,),
    }
)

_MOST_CONNECTED = 10_000
"""Of more layers it is not worked out what depends on what."""

_KERNELS = frozenset({"Conv", "ConvTranspose", "Gemm"})
"""The operators that a normalisation behind them can be part of."""

_FLOATS = frozenset(
    {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.DOUBLE,
        onnx.TensorProto.BFLOAT16,
    }
)


def open_onnx(path: str) -> AbstractContextManager[WeightsSource]:
    """The weights of a model, whose numbers may stand in files beside it.

    Raises:
        UserError: CNN650 where it is no whole model, or has no weights.
    """
    return opened(path, "ONNX model", (DecodeError, TypeError), partial(_source, path))


def _source(path: str, stack: ExitStack) -> WeightsSource:
    del stack  # nothing stays open
    with open_regular(path, most=_LARGEST) as file:
        model = onnx.ModelProto.FromString(file.read())
    return onnx_source(path, model)


def onnx_source(path: str, model: onnx.ModelProto) -> WeightsSource:
    """The weights of a model that was read from a path.

    Raises:
        UserError: CNN650 where it has none.
    """
    reader = _Reader(path, model.graph)
    layers = tuple(reader.layers())
    if not layers:
        raise broken(path, "no node in it reads a weight", help="give a model with its weights")
    return WeightsSource(path, "ONNX model", layers, left_out=tuple(reader.left()))


@dataclass(eq=False)
class _Reader:
    path: str
    graph: onnx.GraphProto
    tensors: dict[str, onnx.TensorProto] = field(default_factory=dict)
    turned: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    """What is an initializer with its axes in another order."""
    readers: dict[str, list[onnx.NodeProto]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.tensors = {one.name: one for one in self.graph.initializer}
        for node in self.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
            if not node.output:
                continue
            if node.op_type == "Constant":
                for one in node.attribute:
                    if one.name == "value":
                        self.tensors[node.output[0]] = one.t
            elif node.op_type == "Identity" and node.input[0] in self.tensors:
                self.tensors[node.output[0]] = self.tensors[node.input[0]]
            elif node.op_type == "Transpose" and node.input[0] in self.tensors:
                rank = len(self.tensors[node.input[0]].dims)
                perm = _ints(node, "perm") or tuple(reversed(range(rank)))
                self.turned[node.output[0]] = node.input[0], perm

    def layers(self) -> Iterator[SourceLayer]:
        """A layer for each node that has weights."""
        outputs = {one.name for one in self.graph.output}
        makers: dict[str, str] = {}
        after: dict[str, int] = {}
        place = 0
        for node in self.graph.node:
            before = 0
            for name in node.input:
                before |= after.get(name, 0)
            tensors = tuple(self._tensors(node))
            name = _name(node)
            if tensors:
                first = node.input[0]
                alone = len(self.readers[first]) == 1 and first not in outputs
                is_norm = alone and node.op_type == "BatchNormalization"
                norm_of = makers.get(first, "") if is_norm else ""
                known = before if place < _MOST_CONNECTED else None
                yield SourceLayer(name, node.op_type, tensors, _eps(node), norm_of, place, known)
                before |= 1 << place if place < _MOST_CONNECTED else 0
                place += 1
            after |= dict.fromkeys(node.output, before)
            if tensors and node.op_type in _KERNELS:
                makers |= dict.fromkeys(node.output, name)

    def left(self) -> Iterator[LeftOut]:
        """Arrays of numbers that no layer is made of."""
        for name, tensor in self.tensors.items():
            used = name in self.taken
            if not used and tensor.data_type in _FLOATS and math.prod(tensor.dims) > 1:
                read = self.readers.get(name, [])
                by = f"a constant of {read[0].op_type}" if read else "read by no node"
                yield LeftOut(name, by)

    def _tensors(self, node: onnx.NodeProto) -> Iterator[SourceTensor]:
        kind = node.op_type
        if kind in ("Conv", "ConvTranspose"):
            yield from self._kernel(node, 1, "OI*" if kind == "Conv" else "IO*")
            yield from self._vector(node, 2, Role.BIAS)
        elif kind == "Gemm":
            flipped = not _flag(node, "transB")
            yield from self._kernel(node, 1, "IO" if flipped else "OI")
            yield from self._vector(node, 2, Role.BIAS)
        elif kind == "MatMul":
            yield from self._kernel(node, 1, "IO")
            yield from self._added(node)
        elif kind == "Gather":
            yield from self._kernel(node, 0, "")
        elif kind in _NORMS:
            for at, role in enumerate(_NORMS[kind]):
                yield from self._vector(node, at + 1, role)
        elif kind in ("Mul", "Add"):
            for at in (0, 1):
                role = Role.SCALE if kind == "Mul" else Role.BIAS
                if at < len(node.input) and self._is_per_channel(node.input[at]):
                    yield from self._vector(node, at, role)

    def _added(self, node: onnx.NodeProto) -> Iterator[SourceTensor]:
        """The bias that the only reader of a product adds."""
        readers = self.readers.get(node.output[0], [])
        if len(readers) == 1 and readers[0].op_type == "Add":
            for at, name in enumerate(readers[0].input):
                found = self._found(name)
                if found is not None and len(found.dims) == 1:
                    yield from self._vector(readers[0], at, Role.BIAS)

    def _is_per_channel(self, name: str) -> bool:
        """Whether an array is a number for each channel: for maps C x 1 x 1, else C."""
        found = self._found(name)
        if found is None:
            return False
        dims = [*found.dims]
        while dims and dims[0] == 1 and len(dims) > 1:
            dims.pop(0)
        return math.prod(dims) > 1 and all(size == 1 for size in dims[1:])

    def _found(self, name: str) -> onnx.TensorProto | None:
        tensor = self.tensors.get(name)
        return tensor if tensor is not None and tensor.data_type in _FLOATS else None

    def _kernel(self, node: onnx.NodeProto, at: int, order: str) -> Iterator[SourceTensor]:
        name = node.input[at] if at < len(node.input) else ""
        name, perm = self.turned.get(name, (name, ()))
        tensor = self._found(name)
        if tensor is None or name in self.taken or len(tensor.dims) < 2:
            return
        self.taken.add(name)
        axes = kernel_axes(order, len(tensor.dims))
        if perm and axes:
            # What the node reads at `perm[i]` of the array is its axis i.
            letters = dict(zip(perm, axes, strict=True))
            axes = "".join(letters[at] for at in range(len(axes)))
        yield self._tensor(name, tensor, Role.KERNEL, tuple(tensor.dims), axes)

    def _vector(self, node: onnx.NodeProto, at: int, role: Role) -> Iterator[SourceTensor]:
        name = node.input[at] if at < len(node.input) else ""
        tensor = self._found(name)
        if tensor is None or name in self.taken:
            return
        self.taken.add(name)
        yield self._tensor(name, tensor, role, tuple(tensor.dims))

    def _tensor(
        self,
        name: str,
        tensor: onnx.TensorProto,
        role: Role,
        shape: tuple[int, ...],
        axes: str = "",
    ) -> SourceTensor:
        dtype = onnx.TensorProto.DataType.Name(tensor.data_type).lower()
        dtype = {"float": "float32", "double": "float64"}.get(dtype, dtype)
        return SourceTensor(
            name, role, shape, dtype, partial(tensor_numbers, tensor, self.path), axes
        )


def tensor_numbers(tensor: onnx.TensorProto, path: str) -> Numbers:
    """The numbers of a tensor of the model at a path, which may stand in a file beside it.

    Raises:
        UserError: CNN650 where they are not there, not as many, or in another folder.
    """
    count = math.prod(tensor.dims)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        content = _external(tensor, path)
        tensor = onnx.TensorProto(
            data_type=tensor.data_type, dims=tensor.dims, raw_data=content, name=tensor.name
        )
    try:
        numbers: Numbers = numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise broken(path, f"`{tensor.name}` has not the numbers that its sizes say") from error
    if numbers.size != count:
        raise broken(path, f"`{tensor.name}` has {numbers.size:,} numbers, not {count:,}")
    if tensor.data_type == onnx.TensorProto.BFLOAT16:
        return numbers.astype("float32")
    return numbers


def _external(tensor: onnx.TensorProto, path: str) -> bytes:
    """The bytes of a tensor in another file, which must lie beside the model or below it."""
    entries = {one.key: one.value for one in tensor.external_data}
    location = PurePosixPath(entries.get("location", "").replace("\\", "/"))
    if (
        location.is_absolute()
        or ".." in location.parts
        or not location.name
        or ":" in str(location)
    ):
        raise broken(
            path,
            f"`{tensor.name}` is said to stand in `{location}`, which is not beside the model",
            help="put the file of its weights beside the model, and write its name there",
        )
    where = os.path.join(os.path.dirname(path), *location.parts)
    try:
        start, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
    except ValueError as error:
        raise broken(path, f"where `{tensor.name}` stands is no number") from error
    with told_as_unreadable(where, "file of a model's weights"), open_regular(where) as file:
        size = os.fstat(file.fileno()).st_size
        length = size - start if length < 0 else length
        if start < 0 or start + length > size:
            raise broken(where, f"`{tensor.name}` reaches beyond its end")
        file.seek(start)
        return file.read(length)


def _name(node: onnx.NodeProto) -> str:
    return node.name or (node.output[0] if node.output else node.op_type)


def _eps(node: onnx.NodeProto) -> float | None:
    if "Normalization" not in node.op_type:
        return None
    return next((float(one.f) for one in node.attribute if one.name == "epsilon"), 1e-5)


def _flag(node: onnx.NodeProto, name: str) -> bool:
    return any(one.name == name and one.i for one in node.attribute)


def _ints(node: onnx.NodeProto, name: str) -> tuple[int, ...]:
    found: Sequence[int] = next((one.ints for one in node.attribute if one.name == name), ())
    return tuple(found)

"""Turns calls such as ``emit.op("Conv", x, w)`` into typed, named, documented graph nodes.

Layers know only the :class:`~cnndsl.layers.lowering.Builder` protocol; :class:`GraphBuilder` is the
one class behind it. The type of every value is inferred the moment it is emitted, by the
operator's own rule in the ``onnx`` package, so that no value is ever untyped and a wrong lowering
is met where it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

import numpy
import numpy.typing
import onnx
import onnx.defs
import onnx.shape_inference
import onnx_ir
import onnx_ir.tape
from typing_extensions import override

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.type_inference import TypeInference
from cnndsl.graph.value_types import ValueType
from cnndsl.layers.lowering import Attribute, Builder
from cnndsl.types import DType, TensorType

__all__ = [
    "BATCH",
    "COMPOSITES",
    "DEFAULT_OPSET",
    "IR_VERSIONS",
    "GraphBuilder",
    "LoweringError",
    "attribute",
]

BATCH = "N"
"""The batch dimension's name where its size is free."""

COMPOSITES = "cnndsl"
"""The domain of composites: nodes whose operators stand in a function of the model's."""

DEFAULT_OPSET = 18

IR_VERSIONS = MappingProxyType({18: 8, 19: 9, 20: 9, 21: 10})
"""The opsets that can be compiled for, each with the least IR version that has it."""

BROADCASTING = frozenset(
    (
        *("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max"),
        *("Mean", "Min", "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor"),
    )
)
"""The operators that stretch their inputs to one shape."""

_DTYPES = {DType.FLOAT32: onnx_ir.DataType.FLOAT, DType.INT64: onnx_ir.DataType.INT64}

_SHARED = 1024
"""Up to so many bytes a constant is looked for among those that are there."""


class LoweringError(RuntimeError):
    """A layer's lowering is wrong: a mistake in the layer's class, never in a spec."""


class GraphBuilder(Builder[onnx_ir.Value]):
    """Collects the nodes of a graph.

    Nodes are named after the place they are emitted for, which :meth:`enter` sets: ``C1/Conv``,
    then ``C1/Conv_2``; the value that a node gives has the node's name until :meth:`settle`
    gives it a better one.

    Raises:
        UserError: CNN605, for an opset that cannot be compiled for.
    """

    reserved: frozenset[str] = frozenset()
    """Names that no layer's value may have, since the graph's own inputs and outputs do."""

    def __init__(self, batch: int | None = None, opset: int = DEFAULT_OPSET) -> None:
        _check_opset(opset)
        self._batch = batch
        self._opset = opset
        self._tape = onnx_ir.tape.Tape()
        self._functions: list[onnx_ir.Function] = []
        self._scope = ""
        self._origin = ""
        self._counts: dict[str, int] = {}
        self._types: dict[onnx_ir.Value, ValueType] = {}
        self._constants: dict[onnx_ir.Value, numpy.typing.NDArray[numpy.generic]] = {}
        self._shared: dict[tuple[str, tuple[int, ...], bytes], onnx_ir.Value] = {}
        """The small constants so far; a composite has its own."""
        self._scalars: dict[tuple[onnx_ir.Value, int], onnx_ir.Value] = {}
        self._inference = TypeInference(opset, IR_VERSIONS[opset], self._types, self._constants)

    @property
    def opset(self) -> int:
        """The version of the operator set that is emitted."""
        return self._opset

    @property
    def nodes(self) -> Sequence[onnx_ir.Node]:
        """The nodes so far, in the order they were emitted, without constants that nothing reads.

        Such a one is left where a number was wanted with more dimensions.
        """
        return _read(self._tape.nodes)

    @property
    def functions(self) -> Sequence[onnx_ir.Function]:
        """What the composites among the nodes consist of; a model of the nodes needs them."""
        return tuple(self._functions)

    def enter(self, scope: str, origin: str = "") -> None:
        """From here on, emit for this place: its name, and the line of the spec it stands on."""
        self._scope = scope
        self._origin = origin

    def input(self, name: str, type: TensorType) -> onnx_ir.Value:
        """A batch of values of a type that comes from outside."""
        return self._value(name, (self._batch or BATCH, *type.dims), type.dtype)

    def pictures(self, name: str, dims: tuple[int, ...]) -> onnx_ir.Value:
        """A batch of bytes that comes from outside."""
        return self.placeholder(name, (self._batch or BATCH, *dims), onnx_ir.DataType.UINT8)

    def weight(self, name: str, shape: tuple[int, ...]) -> onnx_ir.Value:
        """A float32 tensor without a batch dimension; its numbers come later."""
        return self._value(name, shape, DType.FLOAT32)

    def latest(self, weight: onnx_ir.Value) -> onnx_ir.Value:
        """What a layer reads of a weight: here always the weight itself."""
        return weight

    @override
    def op(
        self, op_type: str, *inputs: onnx_ir.Value | None, **attributes: Attribute
    ) -> onnx_ir.Value:
        """Emit one node of the standard domain and give its first output, typed."""
        if op_type in BROADCASTING:
            inputs = self._of_full_rank(inputs)
        name = self._name(op_type)
        value = self._tape.op(
            op_type,
            inputs,
            {key: attribute(key, given) for key, given in attributes.items()},
            name=name,
            doc_string=self._origin or None,
        )
        value.name = name
        self._infer(value)
        return value

    @override
    def several(
        self, op_type: str, count: int, *inputs: onnx_ir.Value | None, **attributes: Attribute
    ) -> Sequence[onnx_ir.Value]:
        """Emit one node of the standard domain and give its first outputs, typed."""
        name = self._name(op_type)
        values = self._tape.op_multi_out(
            op_type,
            inputs,
            {key: attribute(key, given) for key, given in attributes.items()},
            num_outputs=count,
            name=name,
            doc_string=self._origin or None,
        )
        for at, value in enumerate(values):
            value.name = f"{name}/output_{at}" if at else name
        self._infer(values[0])
        return values

    def composite(
        self,
        name: str,
        body: Callable[..., Sequence[onnx_ir.Value]],
        *inputs: onnx_ir.Value,
        **attributes: Attribute,
    ) -> Sequence[onnx_ir.Value]:
        """Emit what ``body(*inputs)`` emits as one node of several outputs, and give them.

        Its operators are a function of their own, made for this one node: their sizes are fixed.
        """
        call = self._name(name)
        formal = [self._twin(value, f"{call}/input_{at}") for at, value in enumerate(inputs)]
        outer, self._tape = (self._tape, self._shared), onnx_ir.tape.Tape()
        self._shared = {}
        made, inner = body(*formal), self._tape
        self._tape, self._shared = outer
        graph = onnx_ir.Graph(
            formal, made, nodes=_read(inner.nodes), opset_imports={"": self._opset}, name=call
        )
        function = onnx_ir.Function(COMPOSITES, name, call, graph=graph, attributes=())
        self._functions.append(function)
        outputs = [self._twin(value, str(value.name)) for value in made]
        return self._tape.op_multi_out(
            name,
            inputs,
            {key: attribute(key, given) for key, given in attributes.items()},
            outputs=outputs,
            domain=COMPOSITES,
            overload=call,
            name=call,
            doc_string=self._origin or None,
        )

    def _twin(self, value: onnx_ir.Value, name: str) -> onnx_ir.Value:
        """Another value of the same type."""
        twin = onnx_ir.Value(name=name)
        self._set_type(twin, self._types[value])
        return twin

    def _of_full_rank(
        self, inputs: tuple[onnx_ir.Value | None, ...]
    ) -> tuple[onnx_ir.Value | None, ...]:
        """The inputs of an operator that stretches them, single numbers with as many dimensions.

        ONNX Runtime's kernels go element by element where a number of fewer dimensions meets a
        tensor whose last ones are 1: 75 times as long for a million numbers of [1024, 1024, 1, 1].
        """
        shapes = [() if one is None or one.shape is None else tuple(one.shape) for one in inputs]
        rank = max(map(len, shapes))
        if not any(len(shape) == rank and 1 in shape[1:] for shape in shapes):
            return inputs
        return tuple(
            self._reshaped_scalar(one, rank)
            if one is not None and len(shape) < rank and all(size == 1 for size in shape)
            else one
            for one, shape in zip(inputs, shapes, strict=True)
        )

    def _reshaped_scalar(self, number: onnx_ir.Value, rank: int) -> onnx_ir.Value:
        key = (number, rank)
        if key not in self._scalars:
            known = self._constants.get(number)
            if known is not None:
                self._scalars[key] = self.tensor(known.reshape((1,) * rank))
            else:
                self._scalars[key] = self.op("Reshape", number, self.constant([1] * rank))
        return self._scalars[key]

    @override
    def constant(self, value: float | Sequence[int] | Sequence[float]) -> onnx_ir.Value:
        """A constant: float32 for floats, int64 for ints, a scalar or one dimension.

        It becomes a node, not an initializer, so that a model's initializers are its weights.
        """
        array = numpy.asarray(value)
        array = array.astype(numpy.float32 if array.dtype.kind == "f" else numpy.int64)
        return self.tensor(array)

    def tensor(self, array: numpy.typing.NDArray[numpy.generic]) -> onnx_ir.Value:
        """A constant of an array's own type and shape; equal small ones are one."""
        key = (array.dtype.str, array.shape, array.tobytes()) if array.nbytes <= _SHARED else None
        if key is not None and (shared := self._shared.get(key)):
            return shared
        name = self._name("Constant")
        held = onnx_ir.Tensor(array)
        result = self._tape.op(
            "Constant",
            (),
            {"value": onnx_ir.AttrTensor("value", held)},
            name=name,
            doc_string=self._origin or None,
        )
        result.name = name
        self._set_type(result, ValueType.of(held.dtype, array.shape))
        self._constants[result] = array
        if key is not None:
            self._shared[key] = result
        return result

    def scalar(self, number: float, like: onnx_ir.Value) -> onnx_ir.Value:
        """A number of the type that another value's elements have."""
        return self.array(numpy.array(number), like)

    def array(
        self, numbers: numpy.typing.NDArray[numpy.generic], like: onnx_ir.Value
    ) -> onnx_ir.Value:
        """Numbers of the type that another value's elements have."""
        assert like.dtype is not None
        return self.tensor(numpy.asarray(numbers, like.dtype.numpy()))

    def placeholder(
        self, name: str, dims: tuple[int | str, ...], dtype: onnx_ir.DataType
    ) -> onnx_ir.Value:
        """A value that comes from outside, of any type."""
        value = onnx_ir.Value(name=name)
        self._set_type(value, ValueType.of(dtype, dims))
        return value

    def rename(self, value: onnx_ir.Value, name: str) -> None:
        """Name a value for good; its type stays the one that was inferred."""
        value.name = name

    def settle(self, value: onnx_ir.Value, name: str, type: TensorType) -> None:
        """Name a value for good and give it the type that the checker proved.

        Raises:
            LoweringError: if the operators make something else of it.
        """
        dtype = self.settled_type(value, _DTYPES[type.dtype])
        expected = ValueType.of(dtype, (self._batch or BATCH, *type.dims))
        found = self._types[value]
        if not found.agrees(expected):
            raise LoweringError(
                f"{self._origin or name}: the checker says {expected}, the operators say {found}"
            )
        value.name = name
        self._set_type(value, expected)

    def settled_type(self, value: onnx_ir.Value, dtype: onnx_ir.DataType) -> onnx_ir.DataType:
        """The element type that a layer's value is to have, where the checker says this one."""
        return dtype

    def _name(self, op_type: str) -> str:
        name = f"{self._scope}/{op_type}"
        count = self._counts[name] = self._counts.get(name, 0) + 1
        return f"{name}_{count}" if count > 1 else name

    def _value(self, name: str, dims: tuple[int | str, ...], dtype: DType) -> onnx_ir.Value:
        return self.placeholder(name, dims, _DTYPES[dtype])

    def _set_type(self, value: onnx_ir.Value, type: ValueType) -> None:
        self._types[value] = type
        value.dtype = type.dtype
        value.shape = onnx_ir.Shape(type.dims)

    def _infer(self, value: onnx_ir.Value) -> None:
        """Give the outputs of the node that makes a value their types."""
        node = value.producer()
        assert node is not None
        try:
            types = self._inference.outputs(node)
        except (onnx.defs.SchemaError, onnx.shape_inference.InferenceError) as error:
            raise LoweringError(f"{self._origin or node.name}: {error}") from error
        for output, type in zip(node.outputs, types, strict=True):
            if type is None:
                raise LoweringError(
                    f"{self._origin or node.name}: no type follows for {output.name}"
                )
            self._set_type(output, type)


def _read(nodes: Sequence[onnx_ir.Node]) -> Sequence[onnx_ir.Node]:
    return [one for one in nodes if one.op_type != "Constant" or one.outputs[0].uses()]


def attribute(name: str, value: Attribute) -> onnx_ir.Attr:
    """An attribute of onnx-ir, which would find out its type itself, but slowly."""
    if isinstance(value, str):
        return onnx_ir.AttrString(name, value)
    if isinstance(value, int):
        return onnx_ir.AttrInt64(name, value)
    if isinstance(value, float):
        return onnx_ir.AttrFloat32(name, value)
    numbers = list(value)
    if all(isinstance(number, int) for number in numbers):
        return onnx_ir.AttrInt64s(name, [int(number) for number in numbers])
    return onnx_ir.AttrFloat32s(name, [float(number) for number in numbers])


def _check_opset(opset: int) -> None:
    if opset in IR_VERSIONS:
        return
    least, most = min(IR_VERSIONS), max(IR_VERSIONS)
    why = (
        f"layers are lowered to the operators of opset {least}"
        if opset < least
        else f"ONNX Runtime's CUDA kernels stop at opset {most}"
    )
    raise UserError(
        "CNN605",
        f"opset {opset} is not supported: {why}",
        help=f"choose an opset from {least} to {most}",
    )

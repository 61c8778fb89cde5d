"""The graph that a training step is emitted into: a builder with chance and changing buffers.

Under mixed precision it is also where casts come from: each operator's inputs are brought to the
type that the policy says (:mod:`cnndsl.training.precision`) as the operator is emitted, so that
layers, losses and gradient rules need not know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy
import numpy.typing
import onnx_ir
from typing_extensions import override

from cnndsl.autodiff.rules import dims_of
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.builder import DEFAULT_OPSET, GraphBuilder
from cnndsl.layers.lowering import Attribute, TrainingBuilder
from cnndsl.recipe.settings import PrecisionWord
from cnndsl.training.precision import POLICIES, Arithmetic, is_held, type_parameters
from cnndsl.training.random import Draws
from cnndsl.training.shards import Shard
from cnndsl.training.signature import FIRST_SAMPLE, RATE, RESERVED, SEED, STEP

__all__ = ["StepGraph"]

_WIDE = onnx_ir.DataType.FLOAT


class StepGraph(GraphBuilder, TrainingBuilder[onnx_ir.Value]):
    """Collects the nodes of a training step.

    ``rate``, ``step`` and ``seed`` are its scalar inputs, ``updates`` the new values of buffers;
    that of a shard has the place of its ``first`` sample as well.
    What is emitted is computed in float32 but within :meth:`computing`.
    """

    reserved = RESERVED

    def __init__(
        self,
        batch: int,
        opset: int = DEFAULT_OPSET,
        precision: PrecisionWord = "float32",
        shard: Shard | None = None,
    ) -> None:
        super().__init__(batch, opset)
        self._size = batch
        self.policy = POLICIES.get(precision)
        self._arithmetic: Arithmetic = "float32"
        self._casts: dict[tuple[onnx_ir.Value, onnx_ir.DataType], onnx_ir.Value] = {}
        self.rate = self.placeholder(RATE, (), onnx_ir.DataType.FLOAT)
        self.step = self.placeholder(STEP, (), onnx_ir.DataType.INT64)
        self.seed = self.placeholder(SEED, (), onnx_ir.DataType.INT64)
        self.updates: dict[onnx_ir.Value, onnx_ir.Value] = {}
        self._roots: dict[onnx_ir.Value, onnx_ir.Value] = {}
        self.first: onnx_ir.Value | None = None
        if shard is None:
            self._draws = Draws(self, self.seed, self.step)
        else:
            self.first = self.placeholder(FIRST_SAMPLE, (), onnx_ir.DataType.INT64)
            self._draws = Draws(self, self.seed, self.step, first=self.first, batch=shard.batch)

    @property
    @override
    def batch(self) -> int:
        return self._size

    @override
    def uniform(
        self, like: onnx_ir.Value | tuple[int, ...], *, by_sample: bool = True
    ) -> onnx_ir.Value:
        dims = like if isinstance(like, tuple) else dims_of(like)
        return self._draws.uniform(dims, by_sample=by_sample)

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

    # --- types --------------------------------------------------------------------------------

    @contextmanager
    def computing(self, how: Arithmetic) -> Iterator[None]:
        """Within this, operators compute so; it changes nothing unless precision is mixed."""
        before, self._arithmetic = self._arithmetic, how
        try:
            yield
        finally:
            self._arithmetic = before

    def cast(self, value: onnx_ir.Value, to: onnx_ir.DataType) -> onnx_ir.Value:
        """The same numbers in another type; a value is cast to a type once."""
        if value.dtype is to:
            return value
        known = self._constants.get(value)
        if known is not None:
            return self.tensor(known.astype(to.numpy()))
        if (value, to) not in self._casts:
            self._casts[value, to] = self._made_as(value, to)
        return self._casts[value, to]

    def _made_as(self, value: onnx_ir.Value, to: onnx_ir.DataType) -> onnx_ir.Value:
        """A mask is made anew in the other type; all else is cast."""
        node = value.producer()
        if node is None or to is _WIDE or not self._is_weak(value):
            return super().op("Cast", value, to=to.value)
        if node.op_type == "Cast":
            return super().op("Cast", node.inputs[0], to=to.value)
        assert self.policy is not None
        if node.op_type not in self.policy.following:
            return super().op("Cast", value, to=to.value)
        condition, *choices = node.inputs
        narrow = [self.cast(one, to) for one in choices if one is not None]
        return super().op("Where", condition, *narrow)

    def _is_weak(self, value: onnx_ir.Value) -> bool:
        """Whether a float32 is a constant, or a choice of constants, that the low type holds."""
        assert self.policy is not None
        known = self._constants.get(value)
        if known is not None:
            return is_held(known, self.policy.type)
        node = value.producer()
        if node is None:
            return False
        if node.op_type == "Where":
            return all(one is not None and self._is_weak(one) for one in node.inputs[1:])
        (source, *_) = node.inputs or (None,)
        return (
            node.op_type == "Cast" and source is not None and source.dtype is onnx_ir.DataType.BOOL
        )

    @override
    def op(
        self, op_type: str, *inputs: onnx_ir.Value | None, **attributes: Attribute
    ) -> onnx_ir.Value:
        return super().op(op_type, *self._brought(op_type, inputs), **attributes)

    @override
    def several(
        self, op_type: str, count: int, *inputs: onnx_ir.Value | None, **attributes: Attribute
    ) -> Sequence[onnx_ir.Value]:
        return super().several(op_type, count, *self._brought(op_type, inputs), **attributes)

    @override
    def composite(
        self,
        name: str,
        body: Callable[..., Sequence[onnx_ir.Value]],
        *inputs: onnx_ir.Value,
        **attributes: Attribute,
    ) -> Sequence[onnx_ir.Value]:
        """As a builder's; what it consists of computes in float32."""
        if self.policy is not None:
            low = self.policy.type
            inputs = tuple(self.cast(one, _WIDE) if one.dtype is low else one for one in inputs)
        with self.computing("float32"):
            return super().composite(name, body, *inputs, **attributes)

    @override
    def array(
        self, numbers: numpy.typing.NDArray[numpy.generic], like: onnx_ir.Value
    ) -> onnx_ir.Value:
        """Constants are float32 until an operator that follows its inputs takes them."""
        if self.policy is not None and like.dtype is self.policy.type:
            return self.tensor(numpy.asarray(numbers, numpy.float32))
        return super().array(numbers, like)

    @override
    def settled_type(self, value: onnx_ir.Value, dtype: onnx_ir.DataType) -> onnx_ir.DataType:
        """A layer's result may have the low type."""
        low = None if self.policy is None else self.policy.type
        return low if low is not None and value.dtype is low else dtype

    def _brought(
        self, op_type: str, inputs: Sequence[onnx_ir.Value | None]
    ) -> Sequence[onnx_ir.Value | None]:
        """The inputs in the types in which the operator computes."""
        if self.policy is None or op_type in ("Cast", "Constant"):
            return inputs
        if self._arithmetic == "forward" and op_type in self.policy.missing:
            raise self._refusal(op_type)
        floats: dict[str, list[onnx_ir.Value]] = {}
        parameters = type_parameters(op_type, self.opset, len(inputs))
        for parameter, one in zip(parameters, inputs, strict=True):
            if one is not None and one.dtype in (_WIDE, self.policy.type):
                floats.setdefault(parameter, []).append(one)
        types = {one: self._type_of(op_type, group) for one, group in floats.items()}
        return [
            self.cast(one, types[parameter])
            if one is not None and parameter in types and one.dtype in (_WIDE, self.policy.type)
            else one
            for parameter, one in zip(parameters, inputs, strict=True)
        ]

    def _type_of(self, op_type: str, inputs: Sequence[onnx_ir.Value]) -> onnx_ir.DataType:
        """The type of those of an operator's inputs that must have the same."""
        assert self.policy is not None
        low, products = self.policy.type, self.policy.products
        if self._arithmetic == "float32" or op_type not in products | self.policy.following:
            return _WIDE
        if self._arithmetic == "forward" and op_type in products:
            return low
        is_low = [one.dtype is low for one in inputs]
        follows = any(is_low) and all(
            here or self._is_weak(one) for here, one in zip(is_low, inputs, strict=True)
        )
        return low if follows else _WIDE

    def _refusal(self, op_type: str) -> UserError:
        assert self.policy is not None
        word = self.policy.type.name.lower()
        return UserError(
            "CNN850",
            f"`{self._origin or self._scope}` cannot be computed in {word}: ONNX Runtime has no"
            f" CUDA kernel of `{op_type}` for it",
            ("without it, a step in mixed precision would be no faster than one in float32",),
            "choose `float16`",
        )

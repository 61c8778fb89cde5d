"""Turns the raw pictures that a model takes into the prepared input of its first layers.

A raw input takes bytes ``[batch, height, width, channels]``, colours in the order red, green, blue:
what decoders of pictures give. The nodes behind it compute what ``prepare_values`` in
:mod:`cnndsl.data.normalize` does, step by step and in the same order, so that the prepared numbers
are the same to the bit. Bytes become float32 first of all: few runtimes do more with bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy
import onnx
import onnx_ir

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted
from cnndsl.elaborate.network import InputNode, TypedNetwork
from cnndsl.graph.builder import GraphBuilder
from cnndsl.graph.weights import Array
from cnndsl.recipe.preparation import Preparation

__all__ = ["emit_preparation", "prepare_outside", "raw_inputs"]

_LARGEST_BYTE = 255

_OPERATORS = {"Sub": numpy.subtract, "Mul": numpy.multiply, "Div": numpy.divide}


def raw_inputs(typed: TypedNetwork) -> tuple[str, ...]:
    """The inputs that can take raw pictures; the others are not changed.

    Raises:
        UserError: CNN608 where there is none, or an output has the name of one.
    """
    network = typed.network
    names = tuple(
        node.name for node in network.inputs if node.preparation.layout_for(node.type) is not None
    )
    if not names:
        kinds = quoted((node.type for node in network.inputs), " and ")
        raise UserError(
            "CNN608",
            f"`{typed.name}` has no input for pictures, only {kinds}",
            help="leave out `--raw`: it is for inputs of 1 or 3 channels x height x width",
        )
    for name in names:
        if name in network.outputs:
            raise UserError(
                "CNN608",
                f"`{name}` is both an input and an output: the raw and the prepared numbers cannot"
                " have one name",
                help=f"take `output {name}` away, or leave out `--raw`",
            )
    return names


def emit_preparation(emit: GraphBuilder, node: InputNode, pictures: onnx_ir.Value) -> onnx_ir.Value:
    """The prepared input ``[batch, channels, height, width]`` of raw pictures.

    Raises:
        UserError: CNN608 where float32 cannot hold what becomes of some byte.
    """
    preparation = node.preparation
    value = emit.op("Cast", pictures, to=onnx_ir.DataType.FLOAT.value)
    value = emit.op("Transpose", value, perm=(0, 3, 1, 2))
    if preparation.layout_for(node.type) == "bgr":
        value = emit.op("Gather", value, emit.constant([2, 1, 0]), axis=1)
    every: Array = numpy.arange(_LARGEST_BYTE + 1, dtype=numpy.float32).reshape(1, 1, -1, 1)
    for operator, number, is_left in _steps(preparation):
        constant = emit.tensor(number)
        value = emit.op(operator, *((constant, value) if is_left else (value, constant)))
        with numpy.errstate(all="ignore"):
            every = _OPERATORS[operator](*((number, every) if is_left else (every, number)))
    if not numpy.isfinite(every).all():
        raise UserError(
            "CNN608",
            f"the preparation of `{node.name}` makes numbers of bytes that float32 cannot hold",
            help="mend `scale`, `mean` and `std` in the spec's input",
        )
    return value


def prepare_outside(model: onnx.ModelProto, typed: TypedNetwork, raw: Collection[str]) -> None:
    """Let a model take its ``raw`` inputs prepared, without the nodes that would do so."""
    for name in raw:
        makers = {output: node for node in model.graph.node for output in node.output}
        wanted, upstream = [f"{name}/prepared"], []
        while wanted:
            node = makers.get(wanted.pop())
            if node is not None:
                upstream.append(node)
                wanted += node.input
        for node in upstream:
            model.graph.node.remove(node)
        for node in model.graph.node:
            for at, value in enumerate(node.input):
                if value == f"{name}/prepared":
                    node.input[at] = name
        [given] = (one for one in model.graph.input if one.name == name)
        [kind] = (one.type for one in typed.network.inputs if one.name == name)
        batch = given.type.tensor_type.shape.dim[0]
        sizes = [batch.dim_param or batch.dim_value, *kind.dims]
        given.CopyFrom(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes))


def _steps(preparation: Preparation) -> Iterator[tuple[str, Array, bool]]:
    """The operators, each with its constant and whether that stands on the left.

    None of them can be merged with another: each rounds.
    """
    if preparation.invert:
        yield "Sub", _per_channel((_LARGEST_BYTE,)), True
    if preparation.scale != 1:
        yield "Mul", _per_channel((preparation.scale,)), False
    if preparation.mean != (0.0,):
        yield "Sub", _per_channel(preparation.mean), False
    if preparation.std != (1.0,):
        yield "Div", _per_channel(preparation.std), False


def _per_channel(numbers: tuple[float, ...]) -> Array:
    # Of full rank: ONNX Runtime computes some broadcasts of scalars element by element.
    with numpy.errstate(all="ignore"):
        return numpy.array(numbers, numpy.float32).reshape(1, -1, 1, 1)

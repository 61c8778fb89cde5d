"""Turns ONNX graphs of the operators that our layers are lowered to into specs that say the same.

Weights are taken from the graph's constants, and from its inputs where an operator wants weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import onnx
from onnx import helper
from oracle import Array
from translated_activations import ACTIVATIONS

__all__ = ["NOT_FLOAT32", "OPERATORS", "Translation", "Untranslatable", "translate"]

_WEIGHTS = {
    "BatchNormalization": (1, 2, 3, 4),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Clip": (1, 2),
    "Dropout": (1, 2),
    "PRelu": (1,),
    "Gemm": (1, 2),
    "MatMul": (1,),
    "Transpose": (0,),
}
"""Which inputs of an operator are not streams."""

_WORDS = {
    "Add": "add",
    "Max": "maximum",
    "Min": "minimum",
    "Mul": "multiply",
    "Sum": "add",
    "GlobalAveragePool": "globalavgpool",
    "GlobalMaxPool": "globalmaxpool",
    "HardSwish": "hardswish",
    "Identity": "identity",
    "Mish": "mish",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}
"""Operators without attributes."""


NOT_FLOAT32 = "its inputs are not float32"
"""A reason why a graph is :class:`Untranslatable`."""


class Untranslatable(Exception):  # noqa: N818 (it is no error)
    """Why a graph cannot be written as a spec."""


@dataclass(frozen=True)
class Translation:
    """A spec, its weights by name, and its inputs in the spec's order."""

    text: str
    weights: dict[str, Array]
    inputs: list[Array]


def translate(model: onnx.ModelProto, arrays: Mapping[str, Array]) -> Translation:
    """A spec that computes what the graph does, given its inputs and constants.

    The first axis of all inputs is the batch; where that does not work, the inputs are one
    sample.

    Raises:
        Untranslatable: where no spec says the same.
    """
    constants = {one.name for one in model.graph.initializer}
    unknown = {
        node.op_type
        for node in model.graph.node
        if node.op_type not in OPERATORS
        or (node.op_type == "Transpose" and node.input[0] not in constants)
    }
    if unknown:
        raise Untranslatable(f"nothing here translates {', '.join(sorted(unknown))}")
    if len(model.graph.output) > 1:
        raise Untranslatable("asks for more than one output")
    if any(array.ndim < 2 for array in _streams(model, arrays).values()):
        return _Translator(model, arrays, batched=False).translation()
    try:
        return _Translator(model, arrays, batched=True).translation()
    except Untranslatable as reason:
        try:
            return _Translator(model, arrays, batched=False).translation()
        except Untranslatable:
            raise reason from None


def _streams(model: onnx.ModelProto, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays that are not some operator's weights, in the order of the graph's inputs."""
    weights = {
        node.input[at]
        for node in model.graph.node
        for at in _WEIGHTS.get(node.op_type, ())
        if at < len(node.input)
    }
    names = [one.name for one in model.graph.input if one.name not in weights]
    return {name: arrays[name] for name in names}


@dataclass
class _Translator:
    model: onnx.ModelProto
    arrays: Mapping[str, Array]
    batched: bool
    lines: list[str] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    streams: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)

    def translation(self) -> Translation:
        inputs = _streams(self.model, self.arrays)
        if any(array.dtype != numpy.float32 for array in inputs.values()):
            raise Untranslatable(NOT_FLOAT32)
        for at, (name, array) in enumerate(inputs.items()):
            dims = array.shape[1:] if self.batched else array.shape
            self.streams[name], self.shapes[name] = f"x{at}", array.shape
            self.lines.append(f"input x{at} {_sizes(dims)}")
        for at, node in enumerate(self.model.graph.node):
            phrase = OPERATORS[node.op_type](self, node, f"L{at}")
            if phrase is None:
                continue
            self.lines.append(f"y{at} = {phrase}")
            self.streams[node.output[0]] = f"y{at}"
        self.lines.append(f"{self.streams[self.model.graph.output[0].name]} -> identity")
        return Translation("\n".join(self.lines) + "\n", self.weights, list(inputs.values()))

    # --- what the operators share -------------------------------------------------------------

    def stream(self, node: onnx.NodeProto, at: int = 0) -> str:
        if node.input[at] not in self.streams:
            raise Untranslatable("no layer joins a stream with a constant")
        return self.streams[node.input[at]]

    def shape(self, node: onnx.NodeProto) -> tuple[int, ...]:
        if node.input[0] not in self.shapes:
            raise Untranslatable("the shape is not an input's")
        return self.shapes[node.input[0]]

    def constant(self, node: onnx.NodeProto, at: int) -> Array | None:
        if at >= len(node.input):
            return None
        name = node.input[at]
        found = self.constants.get(name, self.arrays.get(name))
        if found is None:
            raise Untranslatable("its weights are computed")
        return found

    def axis(self, node: onnx.NodeProto, default: int) -> int:
        """The axis within a sample: 0 are the channels."""
        axis = int(_attributes(node).get("axis", default))
        return axis % len(self.shape(node)) - self.batched

    def pads(self, node: onnx.NodeProto, kernel: Sequence[int]) -> str:
        attributes = _attributes(node)
        strides = attributes.get("strides", [1] * len(kernel))
        dilations = attributes.get("dilations", [1] * len(kernel))
        match attributes.get("auto_pad", b"NOTSET"):
            case b"SAME_UPPER":
                return "padding same"
            case b"SAME_LOWER":
                begins, ends = [], []
                sizes = self.shape(node)[2:]
                for size, cells, step, gap in zip(sizes, kernel, strides, dilations, strict=True):
                    extent = gap * (cells - 1) + 1
                    total = max(0, (-(-size // step) - 1) * step + extent - size)
                    begins.append(total - total // 2)
                    ends.append(total // 2)
                return f"padding {[*begins, *ends]}"
        return f"padding {attributes.get('pads', [0] * 2 * len(kernel))}"

    def window(self, node: onnx.NodeProto, kernel: Sequence[int]) -> str:
        """The attributes that convolutions and pools have in common."""
        if not self.batched:
            raise Untranslatable("windows need a batch")
        attributes = _attributes(node)
        strides = attributes.get("strides", [1] * len(kernel))
        rounding = "ceil" if attributes.get("ceil_mode", 0) else "floor"
        return f"stride {strides} {self.pads(node, kernel)} rounding {rounding}"


# --- one function for each operator -----------------------------------------------------------


def _plain(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    if not self.batched and node.op_type.startswith("Global"):
        raise Untranslatable("windows need a batch")
    self.shapes[node.output[0]] = self.shape(node)
    return f"{self.stream(node)} -> {_WORDS[node.op_type]}"


def _join(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    streams = [self.stream(node, at) for at in range(len(node.input))]
    if len(streams) < 2:
        raise Untranslatable("a join has two inputs or more")
    if len({self.shapes.get(name) for name in node.input}) > 1:
        raise Untranslatable("its inputs have different shapes")
    self.shapes[node.output[0]] = self.shape(node)
    return f"{_WORDS[node.op_type]}({', '.join(streams)})"


def _concat(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    if self.axis(node, 1) != 0:
        raise Untranslatable("layers join along the channels only")
    return f"concat({', '.join(self.stream(node, at) for at in range(len(node.input)))})"


def _conv(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    weight, bias = self.constant(node, 1), self.constant(node, 2)
    assert weight is not None
    filters, kernel = weight.shape[0], weight.shape[2:]
    groups = _attributes(node).get("group", 1)
    dilation = _attributes(node).get("dilations", [1] * len(kernel))
    if groups > 1 and weight.shape[1] == 1:
        head = f"depthwise {[*kernel]} multiplier {filters // groups}"
    else:
        head = f"conv {filters}@{[*kernel]} groups {groups}"
    self.weights[f"{label}.weight"] = weight
    if bias is not None:
        self.weights[f"{label}.bias"] = bias
    window = f"dilation {dilation} {self.window(node, kernel)}"
    return f"{self.stream(node)} -> {label}: {head} {window} bias {_yes(bias is not None)}"


def _conv_transpose(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    weight, bias = self.constant(node, 1), self.constant(node, 2)
    assert weight is not None
    if not self.batched:
        raise Untranslatable("windows need a batch")
    attributes, kernel = _attributes(node), weight.shape[2:]
    ones, zeros = [1] * len(kernel), [0] * len(kernel)
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    added, sizes = attributes.get("output_padding", zeros), self.shape(node)[2:]
    pads = attributes.get("pads", zeros * 2)
    wanted, upper = attributes.get("output_shape"), True
    if attributes.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER"):
        upper = attributes["auto_pad"] == b"SAME_UPPER"
        wanted = wanted or [size * step for size, step in zip(sizes, strides, strict=True)]
    if wanted is not None:  # as the operator's specification says
        columns = zip(sizes, strides, kernel, dilations, added, wanted, strict=True)
        totals = [
            (size - 1) * step + extra + gap * (cells - 1) + 1 - output
            for size, step, cells, gap, extra, output in columns
        ]
        added = [extra + max(0, -over) for extra, over in zip(added, totals, strict=True)]
        halves = [max(0, over) // 2 for over in totals]
        rest = [max(0, over) - half for over, half in zip(totals, halves, strict=True)]
        pads = [*halves, *rest] if upper else [*rest, *halves]
    self.weights[f"{label}.weight"] = weight
    if bias is not None:
        self.weights[f"{label}.bias"] = bias
    groups = attributes.get("group", 1)
    head = f"upconv {weight.shape[1] * groups}@{[*kernel]} groups {groups} stride {[*strides]}"
    window = f"padding {[*pads]} output_padding {[*added]} dilation {[*dilations]}"
    return f"{self.stream(node)} -> {label}: {head} {window} bias {_yes(bias is not None)}"


def _maxpool(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    kernel = _attributes(node)["kernel_shape"]
    dilation = _attributes(node).get("dilations", [1] * len(kernel))
    window = f"dilation {dilation} {self.window(node, kernel)}"
    return f"{self.stream(node)} -> maxpool {kernel} {window}"


def _avgpool(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    attributes = _attributes(node)
    kernel = attributes["kernel_shape"]
    if any(gap > 1 for gap in attributes.get("dilations", [])):
        raise Untranslatable("avgpool has no dilation")
    counts = _yes(attributes.get("count_include_pad", 0))
    window = self.window(node, kernel)
    return f"{self.stream(node)} -> avgpool {kernel} {window} count_padding {counts}"


def _batchnorm(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    attributes = _attributes(node)
    if attributes.get("training_mode", 0):
        raise Untranslatable("it trains")
    if not self.batched:
        raise Untranslatable("windows need a batch")
    for at, kind in enumerate(("scale", "bias", "mean", "var"), 1):
        array = self.constant(node, at)
        assert array is not None
        self.weights[f"{label}.{kind}"] = array
    return f"{self.stream(node)} -> {label}: batchnorm eps {attributes.get('epsilon', 1e-5)}"


def _lrn(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    if not self.batched:
        raise Untranslatable("windows need a batch")
    has = _attributes(node)
    numbers = f"alpha {has.get('alpha', 1e-4)} beta {has.get('beta', 0.75)} k {has.get('bias', 1)}"
    return f"{self.stream(node)} -> lrn {has['size']} {numbers}"


def _gemm(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    attributes = _attributes(node)
    if attributes.get("transA", 0):
        raise Untranslatable("no layer takes a transposed batch")
    if not self.batched:
        raise Untranslatable("a matrix needs a batch")
    weight, bias = self.constant(node, 1), self.constant(node, 2)
    assert weight is not None
    weight = weight if attributes.get("transB", 0) else weight.T
    self.weights[f"{label}.weight"] = weight * numpy.float32(attributes.get("alpha", 1))
    if bias is not None:
        if bias.ndim > 1 and bias.shape[0] > 1:
            raise Untranslatable("its bias differs from sample to sample")
        shift = numpy.broadcast_to(bias.reshape(-1), weight.shape[:1])
        self.weights[f"{label}.bias"] = shift * numpy.float32(attributes.get("beta", 1))
    return f"{self.stream(node)} -> {label}: dense {len(weight)} bias {_yes(bias is not None)}"


def _matmul(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    weight = self.constant(node, 1)
    assert weight is not None
    self.weights[f"{label}.weight"] = weight.T
    return f"{self.stream(node)} -> {label}: dense {weight.shape[1]} bias no"


def _transpose(self: _Translator, node: onnx.NodeProto, label: str) -> None:
    """Carried out here: it turns the weights of a dense layer."""
    array = self.arrays[node.input[0]]
    self.constants[node.output[0]] = array.transpose(_attributes(node)["perm"])


def _softmax(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    # Before opset 13, all axes from this one on were taken as one.
    old = self.model.opset_import[0].version < 13
    if self.axis(node, 1 if old else -1) != 0 or (old and len(self.shape(node)) > 2):
        raise Untranslatable("softmax is over the channels only")
    return f"{self.stream(node)} -> {node.op_type.lower()}"


def _flatten(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    if self.axis(node, 1) != 0:
        raise Untranslatable("flatten makes one vector of a sample")
    return f"{self.stream(node)} -> flatten"


def _leakyrelu(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    return f"{self.stream(node)} -> leakyrelu {_attributes(node).get('alpha', 0.01)}"


def _dropout(self: _Translator, node: onnx.NodeProto, label: str) -> str:
    training = self.constant(node, 2)
    if training is not None and training:
        raise Untranslatable("it trains")
    return f"{self.stream(node)} -> dropout {_attributes(node).get('ratio', 0.5)}"


OPERATORS: Mapping[str, Callable[[_Translator, onnx.NodeProto, str], str | None]] = {
    **ACTIVATIONS,
    **dict.fromkeys(_WORDS, _plain),
    **dict.fromkeys(("Add", "Max", "Min", "Mul", "Sum"), _join),
    "AveragePool": _avgpool,
    "BatchNormalization": _batchnorm,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "LRN": _lrn,
    "LeakyRelu": _leakyrelu,
    "MatMul": _matmul,
    "MaxPool": _maxpool,
    "LogSoftmax": _softmax,
    "Softmax": _softmax,
    "Transpose": _transpose,
}
"""The operators that can be translated: a node and its label to a phrase."""


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _sizes(dims: Sequence[int]) -> str:
    return "x".join(map(str, dims))


def _yes(value: object) -> str:
    return "yes" if value else "no"

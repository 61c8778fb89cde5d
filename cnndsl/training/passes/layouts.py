"""Lets what lies between convolutions work on blocked feature maps, where that spares reorders.

Before, with y and z of blocked convolutions::

    sums = ReduceSum(Mul(ReorderOutput(y), ReorderOutput(z)), [0, 2, 3])
    u = nchwc.Conv(ReorderInput(Add(ReorderOutput(y), ReorderOutput(z))), w)

After::

    sums = … nchwc.Conv(y as maps, z as kernels) …
    u = nchwc.Conv(Add(y, z), w)

Each operator that has a form on blocks (:mod:`cnndsl.training.host.maps`) works on them or does
not, and each value that is read in the other layout than it is written in is reordered once. Which
do is a minimum cut: a reorder is the cost of an arc, and so is what an operator takes longer in the
plain layout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy
import onnx_ir
import onnx_ir.passes
from typing_extensions import override

from cnndsl.autodiff.convolution import geometry_of
from cnndsl.autodiff.rules import constant_of, dims_of
from cnndsl.training.host.blocked import convolved
from cnndsl.training.host.kernels import BLOCKED, Host
from cnndsl.training.host.maps import scaled, sums, sums_of_products
from cnndsl.training.host.minimum_cut import source_side
from cnndsl.training.host.nodes import BlockedNodes
from cnndsl.training.host.rule import can_block
from cnndsl.training.nodes import typed
from cnndsl.training.passes.channel_products import LARGE
from cnndsl.training.passes.fusion import Fusion, made_for, size_of

__all__ = ["BlockedLayouts"]

_ELEMENTWISE = frozenset(
    {"Abs", "Add", "Clip", "Div", "Exp", "HardSigmoid", "LeakyRelu", "Log", "Max", "Min", "Mul"}
    | {"Neg", "Relu", "Sigmoid", "Sqrt", "Sub", "Sum", "Tanh"}
)
"""Operators that are the same in any layout, if all their tensors have it."""

_DEARER = {"Relu": 0.5, "Clip": 0.5, "Add": 0.2, "BatchNormalization": 0.7}
"""What some cost more in the plain layout, in reorders: a convolution on blocks takes them in."""

_PER_PRODUCT = 0.004
"""What a product of a convolution of single cells costs more in the plain layout, in numbers.

Of 206 million at 56x56 it takes 1.6-2.1 ms and 1.4 on blocks (Intel, Emerald Rapids, AVX-512, 2
threads); that is as long as 1 to 3 million numbers are reordered.
"""

_PER_KERNEL = 5
"""What a number of its kernels costs on blocks, for these are reordered twice."""

_NODE = 2000
"""How many numbers could be reordered in the time that one node more takes."""


@dataclass(frozen=True, eq=False)
class _Movable:
    """A node with a form on blocks; ``maps`` are what that reads in blocks."""

    node: onnx_ir.Node
    maps: Sequence[onnx_ir.Value]
    gives_map: bool
    dearer: int
    """How many numbers could be reordered in the time that the plain layout takes longer."""
    form: Callable[[BlockedNodes, Sequence[onnx_ir.Value]], onnx_ir.Value]
    product: onnx_ir.Node | None = None
    """What makes the products that are summed; it goes with the sum."""


class BlockedLayouts(Fusion):
    """Moves operators to blocked feature maps, as many as make the fewest reorders."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.block = host.block
        self._chosen: Mapping[onnx_ir.Node, _Movable] = {}

    @override
    def call(self, model: onnx_ir.Model) -> onnx_ir.passes.PassResult:
        if BLOCKED not in model.graph.opset_imports:
            self._chosen = {}
            return super().call(model)
        movables = {
            node: movable
            for node in model.graph
            if (movable := _movable(node, self.block)) is not None
        }
        for product in [one.product for one in movables.values() if one.product is not None]:
            movables.pop(product, None)
        self._chosen = _chosen(movables)
        return super().call(model)

    @override
    def applies(self, node: onnx_ir.Node) -> bool:
        return node in self._chosen

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        # An operand may have become another value since it was found: the nodes say which.
        movable = _movable(node, self.block)
        assert movable is not None
        emit = BlockedNodes()
        result = movable.form(emit, [emit.blocked(value) for value in movable.maps])
        if movable.gives_map:
            emit.plain(result)
        return emit


def _is_reorder(node: onnx_ir.Node, op_type: str) -> bool:
    source = node.inputs[0]
    return (
        (node.domain, node.op_type) == (BLOCKED, op_type)
        and source is not None
        and dims_of(source) == dims_of(node.outputs[0])
    )


# --- what can move ----------------------------------------------------------------------------


def _movable(node: onnx_ir.Node, block: int) -> _Movable | None:
    if node.domain or not node.inputs or len(node.outputs) != 1:
        return None
    first = node.inputs[0]
    if first is None or first.shape is None or first.dtype != onnx_ir.DataType.FLOAT:
        return None
    if node.op_type in ("ReduceSum", "ReduceMean", "GlobalAveragePool"):
        return _reduction(node, block)
    result = node.outputs[0]
    if not _is_map(result, block):
        return None
    if node.op_type == "Conv":
        return _convolution(node, block)
    if node.op_type in ("Concat", "Slice"):
        return _parted(node, block)
    dearer = round(_DEARER.get(node.op_type, 0.0) * size_of(result))
    if node.op_type == "BatchNormalization":
        return _Movable(node, [first], True, dearer, _normalized(node))
    if node.op_type not in _ELEMENTWISE:
        return None
    values = [value for value in node.inputs if value is not None]
    maps = [value for value in values if dims_of(value) == dims_of(result)]
    others = [value for value in values if dims_of(value) != dims_of(result)]
    if all(size_of(value) == 1 for value in others):
        return _Movable(node, maps, True, dearer, _same(node))
    if node.op_type in ("Add", "Mul", "Sub") and maps == [first] and _is_column(others[0], result):
        return _Movable(node, maps, True, dearer, _of_channels(node, others[0]))
    return None


def _is_map(value: onnx_ir.Value, block: int) -> bool:
    dims = dims_of(value)
    return value.dtype == onnx_ir.DataType.FLOAT and len(dims) == 4 and dims[1] % block == 0


def _is_column(value: onnx_ir.Value, like: onnx_ir.Value) -> bool:
    """Whether a value has one number for each channel of feature maps."""
    channels = dims_of(like)[1]
    return dims_of(value) in ((channels, 1, 1), (1, channels, 1, 1))


def _convolution(node: onnx_ir.Node, block: int) -> _Movable | None:
    """One of single cells: as fast as a product of matrices, where it need not be reordered for."""
    first, kernels, *rest = (value for value in node.inputs if value is not None)
    if len(dims_of(first)) != 4:
        return None
    g = geometry_of(node, first, kernels, node.outputs[0])
    if math.prod(g.kernel) > 1 or g.groups > 1 or g.channels % block or not can_block(g, block):
        return None
    products, numbers = g.cells * g.filters * g.channels, g.filters * g.channels

    def form(emit: BlockedNodes, maps: Sequence[onnx_ir.Value]) -> onnx_ir.Value:
        return convolved(emit, g, block, maps[0], kernels, *rest)

    dearer = round(_PER_PRODUCT * products) - _PER_KERNEL * numbers
    return _Movable(node, [first], True, dearer, form)


def _parted(node: onnx_ir.Node, block: int) -> _Movable | None:
    """Channels of several maps together, or some of one map's, each of whole blocks."""
    result, values = node.outputs[0], [value for value in node.inputs if value is not None]
    if node.op_type == "Concat":
        maps, bounds, axis = values, [], node.attributes["axis"].as_int()
    else:
        maps, bounds = values[:1], values[1:]
        numbers = [constant_of(one) for one in bounds]
        if len(numbers) != 3 or any(one is None or one.size != 1 for one in numbers):
            return None
        start, _, axis = (int(one.item()) for one in numbers if one is not None)
        if start < 0 or start % block:
            return None
    if axis != 1 or not all(_is_map(value, block) for value in maps):
        return None

    def form(emit: BlockedNodes, maps: Sequence[onnx_ir.Value]) -> onnx_ir.Value:
        new = onnx_ir.Node("", node.op_type, [*maps, *bounds], node.attributes.values())
        emit.append(typed(new, result, dims_of(result)))
        return new.outputs[0]

    return _Movable(node, maps, True, 0, form)


def _same(node: onnx_ir.Node) -> Callable[[BlockedNodes, Sequence[onnx_ir.Value]], onnx_ir.Value]:
    result = node.outputs[0]
    dims = dims_of(result)

    def form(emit: BlockedNodes, maps: Sequence[onnx_ir.Value]) -> onnx_ir.Value:
        given = iter(maps)
        inputs = [
            next(given) if value is not None and dims_of(value) == dims else value
            for value in node.inputs
        ]
        emit.append(
            typed(onnx_ir.Node("", node.op_type, inputs, node.attributes.values()), result, dims)
        )
        return emit[-1].outputs[0]

    return form


def _of_channels(
    node: onnx_ir.Node, column: onnx_ir.Value
) -> Callable[[BlockedNodes, Sequence[onnx_ir.Value]], onnx_ir.Value]:
    """A number for each channel added, taken away or multiplied by."""

    def form(emit: BlockedNodes, maps: Sequence[onnx_ir.Value]) -> onnx_ir.Value:
        if node.op_type == "Mul":
            return scaled(emit, maps[0], column)
        shift = column
        if node.op_type == "Sub":
            shift = emit.op("Neg", column, dims=dims_of(column))
        ones = emit.constant(numpy.ones((size_of(column), 1, 1, 1), numpy.float32))
        return scaled(emit, maps[0], ones, shift)

    return form


def _normalized(
    node: onnx_ir.Node,
) -> Callable[[BlockedNodes, Sequence[onnx_ir.Value]], onnx_ir.Value]:
    """By statistics that are given."""
    _, scale, bias, mean, variance = (value for value in node.inputs if value is not None)
    given = node.attributes.get("epsilon")
    number = numpy.array([1e-5 if given is None else given.as_float()], numpy.float32)

    def form(emit: BlockedNodes, maps: Sequence[onnx_ir.Value]) -> onnx_ir.Value:
        each = dims_of(scale)
        spread = emit.op("Add", variance, emit.constant(number), dims=each)
        slope = emit.op("Div", scale, emit.op("Sqrt", spread, dims=each), dims=each)
        shift, middle = bias, constant_of(mean)
        if middle is None or middle.any():
            shift = emit.op("Sub", bias, emit.op("Mul", mean, slope, dims=each), dims=each)
        return scaled(emit, maps[0], slope, shift)

    return form


def _reduction(node: onnx_ir.Node, block: int) -> _Movable | None:
    """A sum or mean over places, or samples too: of maps, or of the products of two."""
    source, result = node.inputs[0], node.outputs[0]
    given = constant_of(node.inputs[1]) if len(node.inputs) > 1 else None
    axes = [2, 3] if given is None else given.tolist()
    if source is None or not _is_map(source, block) or axes not in ([2, 3], [0, 2, 3]):
        return None
    if given is None and node.op_type != "GlobalAveragePool":
        return None
    samples, factor = len(axes) == 3, 1.0
    if node.op_type != "ReduceSum":
        factor = size_of(result) / size_of(source)
    product = made_for(source, "Mul")
    maps, dearer = [source], 0
    factors = [] if product is None else [value for value in product.inputs if value is not None]
    if product is not None and all(dims_of(value) == dims_of(source) for value in factors):
        small = math.prod(dims_of(source)[2:]) < LARGE
        maps, dearer = factors, size_of(source) // (1 if small else 10)
    else:
        product = None

    def form(emit: BlockedNodes, maps: Sequence[onnx_ir.Value]) -> onnx_ir.Value:
        if len(maps) == 1:
            total = sums(emit, maps[0], block, factor, samples=samples)
        else:
            one, other = maps
            total = sums_of_products(emit, one, other, block, factor, samples=samples)
        return emit.shaped(total, *dims_of(result))

    return _Movable(node, maps, False, dearer, form, product)


# --- what does --------------------------------------------------------------------------------


def _chosen(movables: Mapping[onnx_ir.Node, _Movable]) -> Mapping[onnx_ir.Node, _Movable]:
    """Those on the side of the blocks."""
    blocks, plain = 0, 1
    numbers = count(2)
    vertices = {node: next(numbers) for node in movables}
    arcs: list[tuple[int, int, float]] = [
        (blocks, vertices[node], one.dearer)
        if one.dearer > 0
        else (vertices[node], plain, -one.dearer)
        for node, one in movables.items()
    ]
    summed = {one.product: vertices[node] for node, one in movables.items() if one.product}
    read = {value for one in movables.values() for value in one.maps}
    made = {node.outputs[0] for node, one in movables.items() if one.gives_map}
    for value in read | made:
        producer = value.producer()
        written = plain
        if producer in vertices:
            written = vertices[producer]
        elif producer is not None and _is_reorder(producer, "ReorderOutput"):
            written = blocks
        readers = {
            blocks
            if _is_reorder(use.node, "ReorderInput")
            else summed.get(use.node, vertices.get(use.node, plain))
            for use in value.uses()
        }
        if value.is_graph_output():
            readers.add(plain)
        unblocked, blocked = next(numbers), next(numbers)
        cost = size_of(value) + _NODE
        arcs += [(written, unblocked, cost), (blocked, written, cost)]
        for reader in readers:
            arcs += [(unblocked, reader, float("inf")), (reader, blocked, float("inf"))]
    side = source_side(next(numbers), arcs, blocks, plain)
    return {node: one for node, one in movables.items() if vertices[node] in side}

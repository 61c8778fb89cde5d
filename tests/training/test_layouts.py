"""Blocked feature maps between convolutions: the forms, the choice, and whole chains' numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy
import onnx
import onnx_ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import Array

import cnndsl
from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.builder import GraphBuilder
from cnndsl.runtime.host import found_host
from cnndsl.runtime.start import CPU, TRAINING, start
from cnndsl.training.host.kernels import BLOCKED, Host
from cnndsl.training.host.maps import scaled, sums, sums_of_products
from cnndsl.training.host.minimum_cut import source_side
from cnndsl.training.host.models import input_value, model_bytes
from cnndsl.training.host.nodes import BlockedNodes
from cnndsl.training.passes import simplify
from cnndsl.training.passes.blocked_chains import (
    BlockedAddition,
    BlockedClip,
    BlockedRelu,
    UnblockedTwice,
)
from cnndsl.training.passes.blocking import BlockedConvolutions
from cnndsl.training.passes.layouts import BlockedLayouts
from cnndsl.training.passes.unused import RemoveUnused
from cnndsl.training.step import build_step

HOST = found_host()
BLOCK = 16 if HOST is None else HOST.block
FLOAT = onnx_ir.DataType.FLOAT

needs_host = pytest.mark.skipif(HOST is None, reason="ONNX Runtime has no blocks for this CPU")


# --- the forms --------------------------------------------------------------------------------


def ran(model: bytes, feeds: Mapping[str, Array]) -> Array:
    (found,) = start(model, CPU, TRAINING, threads=1).run(None, dict(feeds))
    return numpy.asarray(found)


Form = Callable[[BlockedNodes, Sequence[onnx_ir.Value]], onnx_ir.Value]


def found_by(form: Form, feeds: Mapping[str, Array]) -> Array:
    """What a form makes of feature maps, which it gets in blocks, and other numbers."""
    emit = BlockedNodes()
    given = [input_value(name, array.shape) for name, array in feeds.items()]
    inputs = [emit.blocked(one) if len(dims_of(one)) == 4 else one for one in given]
    return ran(model_bytes(given, {"result": form(emit, inputs)}, emit), feeds)


shapes = st.tuples(
    st.integers(1, 5), st.sampled_from([BLOCK, 3 * BLOCK]), st.integers(1, 40), st.integers(1, 40)
)


@needs_host
@settings(max_examples=30, deadline=None)
@given(dims=shapes, shifted=st.booleans(), seed=st.integers(0, 99))
def test_channels_are_scaled_and_shifted(dims: tuple[int, ...], shifted: bool, seed: int) -> None:
    random = numpy.random.default_rng(seed)
    feeds = {"x": random.standard_normal(dims, numpy.float32)}
    feeds |= {name: random.standard_normal(dims[1], numpy.float32) for name in "ab"[: 1 + shifted]}
    found = found_by(lambda emit, inputs: emit.plain(scaled(emit, *inputs)), feeds)
    x, a, *b = (array.astype(float) for array in feeds.values())
    expected = x * a[:, None, None] + sum(one[:, None, None] for one in b)
    assert numpy.abs(found - expected).max() < 2e-6


@needs_host
@settings(max_examples=30, deadline=None)
@given(
    dims=shapes,
    samples=st.booleans(),
    middle=st.sampled_from([0, 1, 100]),
    seed=st.integers(0, 99),
)
def test_sums_are_as_near_as_numbers_of_float32_allow(
    dims: tuple[int, ...], samples: bool, middle: int, seed: int
) -> None:
    random = numpy.random.default_rng(seed)
    feeds = {name: middle + random.standard_normal(dims, numpy.float32) for name in "xy"}
    feeds = {name: array.astype(numpy.float32) for name, array in feeds.items()}
    x, y = (array.astype(float) for array in feeds.values())
    axes = (0, 2, 3) if samples else (2, 3)
    ones = {"x": feeds["x"]}
    found = found_by(lambda emit, maps: sums(emit, maps[0], BLOCK, 0.5, samples=samples), ones)
    assert found.shape == x.sum(axes).shape
    assert (numpy.abs(found - x.sum(axes) / 2) <= 2e-6 * numpy.abs(x).sum(axes)).all()
    found = found_by(
        lambda emit, maps: sums_of_products(emit, maps[0], maps[1], BLOCK, 2.0, samples=samples),
        feeds,
    )
    assert found.shape == x.sum(axes).shape
    assert (numpy.abs(found - 2 * (x * y).sum(axes)) <= 8e-6 * numpy.abs(x * y).sum(axes)).all()


# --- the choice -------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    arcs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), max_size=20)
)
def test_no_other_cut_costs_less(arcs: list[tuple[int, int, int]]) -> None:
    def cost(side: frozenset[int]) -> int:
        return sum(room for one, other, room in arcs if one in side and other not in side)

    some = [them for n in range(5) for them in itertools.combinations(range(2, 6), n)]
    others = [frozenset({0, *them}) for them in some]
    side = source_side(6, arcs, 0, 1)
    assert 0 in side
    assert 1 not in side
    assert cost(side) == min(map(cost, others))


def test_what_must_stay_together_is_not_cut() -> None:
    arcs = [(0, 2, 3), (2, 3, float("inf")), (3, 2, float("inf")), (3, 1, 2)]
    assert source_side(4, arcs, 0, 1) == {0, 2, 3}


# --- chains -----------------------------------------------------------------------------------


class Chain:
    """Convolutions with what lies between, for the target `host`."""

    def __init__(self) -> None:
        self.emit = GraphBuilder(4)
        self.emit.enter("C/Conv", "spec.cnn:1: C: conv")
        self.inputs: list[onnx_ir.Value] = []

    def given(self, *dims: int) -> onnx_ir.Value:
        self.inputs.append(self.emit.placeholder(f"given{len(self.inputs)}", dims, FLOAT))
        return self.inputs[-1]

    def conv(self, source: onnx_ir.Value, filters: int) -> onnx_ir.Value:
        kernels = self.given(filters, dims_of(source)[1], 3, 3)
        return self.emit.op("Conv", source, kernels, pads=[1, 1, 1, 1])

    def cut(self, source: onnx_ir.Value, start: int, end: int) -> onnx_ir.Value:
        bounds = [self.emit.constant([number]) for number in (start, end, 1)]
        return self.emit.op("Slice", source, *bounds)

    def normalized(self, source: onnx_ir.Value) -> onnx_ir.Value:
        channels = dims_of(source)[1]
        axes, flat = self.emit.constant([0, 2, 3]), self.emit.constant([channels])
        mean = self.emit.op("ReduceMean", source, axes, keepdims=1)
        centred = self.emit.op("Sub", source, mean)
        squares = self.emit.op("Mul", centred, centred)
        variance = self.emit.op("ReduceMean", squares, axes, keepdims=0)
        given = [self.given(channels), self.given(channels)]
        middle = self.emit.op("Reshape", mean, flat)
        return self.emit.op("BatchNormalization", source, *given, middle, variance, epsilon=1e-5)

    def models(self, *outputs: onnx_ir.Value) -> tuple[onnx_ir.Model, bytes]:
        """The chain with blocks as a model, and the standard one as bytes."""
        graph = onnx_ir.Graph(
            self.inputs, outputs, nodes=self.emit.nodes, opset_imports={"": 18}, name="chain"
        )
        model = onnx_ir.Model(graph, ir_version=8)
        standard = serialized(model)
        assert BlockedConvolutions(Host(BLOCK), every=True)(model).modified
        for form in (BlockedLayouts(Host(BLOCK)), UnblockedTwice(), RemoveUnused()):
            form(model)
        return model, standard


def serialized(model: onnx_ir.Model) -> bytes:
    proto: onnx.ModelProto = onnx_ir.serde.serialize_model(model)
    data: bytes = proto.SerializeToString()
    return data


def operators(model: onnx_ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def assert_same(model: onnx_ir.Model, standard: bytes) -> None:
    random = numpy.random.default_rng(8)
    feeds = {}
    for value in model.graph.inputs:
        array = random.standard_normal(dims_of(value), numpy.float32)
        feeds[str(value.name)] = array / numpy.sqrt(numpy.float32(array[0].size))
    found, expected = (
        start(data, CPU, TRAINING, threads=2).run(None, feeds)
        for data in (serialized(model), standard)
    )
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert numpy.abs(one - other).max() <= 1e-5 * max(1.0, float(numpy.abs(other).max()))


def residual(channels: int, batch: int, side: int) -> tuple[onnx_ir.Model, bytes]:
    chain = Chain()
    x = chain.given(batch, channels, side, side)
    first = chain.emit.op("Relu", chain.normalized(chain.conv(x, channels)))
    second = chain.normalized(chain.conv(first, channels))
    y = chain.emit.op("Relu", chain.emit.op("Add", second, first))
    z = chain.conv(y, channels)
    return chain.models(z, chain.emit.op("GlobalAveragePool", z))


@needs_host
@pytest.mark.parametrize(("batch", "side"), [(1, 3), (4, 20), (2, 24), (3, 1)])
def test_a_residual_block_is_blocked_once_and_unblocked_once(batch: int, side: int) -> None:
    model, standard = residual(2 * BLOCK, batch, side)
    assert_same(model, standard)
    if side >= 20:
        ways = operators(model)
        assert ways.count("ReorderInput") == 1 + 2 * 3  # two for the kernels of each
        assert ways.count("ReorderOutput") == 1
        assert "BatchNormalization" not in ways
    fused = [form()(model).modified for form in (BlockedAddition, BlockedRelu)]
    if side >= 20:
        assert fused == [True, True]
        assert not {"Add", "Relu"} & {
            node.op_type for node in model.graph if len(dims_of(node.outputs[0])) == 4
        }
    assert_same(model, standard)


@needs_host
@pytest.mark.parametrize("name", ["Add", "Sub", "Mul"])
def test_numbers_of_channels_are_taken_from_blocks_too(name: str) -> None:
    chain = Chain()
    x = chain.given(4, BLOCK, 9, 9)
    y = chain.emit.op(name, chain.conv(x, 2 * BLOCK), chain.given(2 * BLOCK, 1, 1))
    model, standard = chain.models(chain.conv(chain.emit.op("Sigmoid", y), BLOCK))
    assert name not in operators(model)
    assert_same(model, standard)


@needs_host
@pytest.mark.parametrize("stride", [1, 2])
def test_single_cells_between_blocks_are_blocked_too(stride: int) -> None:
    chain = Chain()
    y = chain.conv(chain.given(4, BLOCK, 25, 25), 2 * BLOCK)
    given = [chain.given(3 * BLOCK, 2 * BLOCK, 1, 1), chain.given(3 * BLOCK)]
    z = chain.emit.op("Conv", y, *given, strides=[stride, stride])
    model, standard = chain.models(chain.conv(chain.emit.op("Relu", z), BLOCK))
    assert all(node.domain for node in model.graph if node.op_type == "Conv")
    assert operators(model).count("ReorderOutput") == 1
    assert_same(model, standard)


def _pointwise() -> onnx_ir.Model:
    """With far more kernels than cells, which would be reordered twice."""
    chain = Chain()
    y = chain.conv(chain.given(1, BLOCK, 4, 4), 32 * BLOCK)
    z = chain.emit.op("Conv", y, chain.given(32 * BLOCK, 32 * BLOCK, 1, 1))
    graph = onnx_ir.Graph(
        chain.inputs, [z], nodes=chain.emit.nodes, opset_imports={"": 18}, name="kernels"
    )
    model = onnx_ir.Model(graph, ir_version=8)
    assert BlockedConvolutions(Host(BLOCK))(model).modified is False
    return model


def test_single_cells_with_many_kernels_stay_plain() -> None:
    model = _pointwise()
    model.graph.opset_imports[BLOCKED] = 1
    assert not BlockedLayouts(Host(BLOCK))(model).modified


@needs_host
def test_channels_are_joined_and_parted_in_blocks() -> None:
    chain = Chain()
    x = chain.given(4, BLOCK, 17, 17)
    y = chain.emit.op("Concat", chain.conv(x, 2 * BLOCK), chain.conv(x, BLOCK), axis=1)
    z = chain.emit.op("Add", chain.cut(y, BLOCK, 3 * BLOCK), chain.cut(y, 0, 2 * BLOCK))
    model, standard = chain.models(chain.conv(z, BLOCK))
    assert operators(model).count("ReorderOutput") == 1
    assert_same(model, standard)


@needs_host
def test_parts_of_blocks_are_plain() -> None:
    chain = Chain()
    y = chain.conv(chain.given(4, BLOCK, 17, 17), 2 * BLOCK)
    z = chain.emit.op("Sigmoid", chain.cut(y, 4, BLOCK + 4))
    model, standard = chain.models(chain.conv(z, BLOCK))
    assert operators(model).count("ReorderOutput") == 2
    assert_same(model, standard)


@needs_host
def test_a_clip_with_two_bounds_becomes_the_convolutions_own() -> None:
    chain = Chain()
    x = chain.given(4, BLOCK, 9, 9)
    bounds = [chain.emit.constant(bound) for bound in (0.0, 0.25)]
    y = chain.emit.op("Clip", chain.conv(x, BLOCK), *bounds)
    z = chain.emit.op("Clip", chain.conv(y, BLOCK), bounds[0])
    model, standard = chain.models(chain.conv(z, BLOCK))
    assert BlockedClip()(model).modified
    assert operators(model).count("Clip") == 1
    assert_same(model, standard)


@needs_host
def test_what_needs_no_fewer_reorders_stays_plain() -> None:
    """Maps that one convolution gives, and something else reads."""
    chain = Chain()
    x = chain.given(4, BLOCK, 9, 9)
    chained = chain.emit.op("Sigmoid", chain.emit.op("Neg", x))
    y = chain.emit.op("Tanh", chain.conv(chained, BLOCK))
    model, standard = chain.models(y, chain.emit.op("Sqrt", chain.emit.op("Exp", y)))
    ways = operators(model)
    assert ways.count("ReorderOutput") == 1
    assert_same(model, standard)


def test_channels_that_fill_no_blocks_stay_plain() -> None:
    chain = Chain()
    x = chain.given(2, 16, 8, 8)
    y = chain.emit.op("Relu", chain.emit.op("Conv", x, chain.given(12, 16, 3, 3)))
    graph = onnx_ir.Graph(
        chain.inputs, [y], nodes=chain.emit.nodes, opset_imports={"": 18, BLOCKED: 1}, name="few"
    )
    model = onnx_ir.Model(graph, ir_version=8)
    assert not BlockedLayouts(Host(16))(model).modified


NETWORK = """
network blocks
import "std/residual"
input 3x20x20
conv1: conv 32@3 padding 1 bias no -> batchnorm -> relu
layer1: paddeds(32, 2)
conv 64@3 padding 1 stride 2 rounding floor bias no -> batchnorm -> relu6
conv 64@3 padding 1 -> relu -> globalavgpool
dense 3 -> softmax
train {
  optimizer sgd lr 0.1 momentum 0.9
  loss crossentropy
}
"""


@needs_host
@pytest.mark.parametrize("batch", [8, 16])
def test_a_step_of_residual_blocks_has_the_standard_steps_numbers(batch: int) -> None:
    assert HOST is not None
    typed = cnndsl.parse(NETWORK).typed
    steps = [
        build_step(typed, batch=batch, target="cpu"),
        build_step(typed, batch=batch, target="host", host=HOST),
    ]
    random = numpy.random.default_rng(4)
    signature = steps[0].signature
    feeds = {
        spec.name: numpy.asarray(0.3 * random.standard_normal(spec.dims), spec.dtype)
        for spec in signature.inputs
    }
    feeds = {
        name: numpy.abs(one) + numpy.float32(0.5) if "scale" in name or "var" in name else one
        for name, one in feeds.items()
    }
    feeds["labels"] = random.integers(0, 3, feeds["labels"].shape)
    names = [spec.name for spec in signature.outputs]
    found, expected = (
        start(step.to_proto().SerializeToString(), CPU, TRAINING, threads=1).run(names, feeds)
        for step in steps[::-1]
    )
    for name, one, other in zip(names, found, expected, strict=True):
        bound = 2e-4 * max(1.0, float(numpy.abs(other).max()))
        assert numpy.abs(one - other).max() <= bound, name
    normalized = [
        sum(node.op_type == "BatchNormalization" for node in step.model.graph) for step in steps
    ]
    assert normalized[1] < normalized[0]


def test_a_cpus_step_has_no_blocks() -> None:
    model = build_step(cnndsl.parse(NETWORK).typed, batch=4, target="cpu").model
    simplify(model)
    assert not any(node.domain for node in model.graph)

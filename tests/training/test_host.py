"""The forms of the target `host` give the numbers of the standard ones for any convolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import onnx_ir
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pass_goldens import compare

import cnndsl
from cnndsl.autodiff.convolution import INPUT_GRADIENT, KERNEL_GRADIENT
from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.builder import GraphBuilder
from cnndsl.graph.export import graph_text, self_check
from cnndsl.runtime.host import found_host
from cnndsl.runtime.start import CPU, TRAINING, start
from cnndsl.training.host import Host
from cnndsl.training.host.kernels import BLOCKED
from cnndsl.training.passes import simplify
from cnndsl.training.passes.blocked_chains import BlockedRelu
from cnndsl.training.passes.blocking import BlockedConvolutions
from cnndsl.training.step import build_step

FLOAT = onnx_ir.DataType.FLOAT
HOST = found_host()

needs_host = pytest.mark.skipif(HOST is None, reason="ONNX Runtime has no blocks for this CPU")


def convolution(
    x: tuple[int, ...], w: tuple[int, ...], *, bias: bool = False, **attributes: Sequence[int] | int
) -> tuple[onnx_ir.Model, Mapping[str, tuple[int, ...]]]:
    """A convolution and its gradients for `host`, with the gradient of its output among inputs."""
    emit = GraphBuilder(x[0])
    dims = {"x": x, "w": w} | ({"b": w[:1]} if bias else {})
    given = {name: emit.placeholder(name, size, FLOAT) for name, size in dims.items()}
    emit.enter("C/Conv", "spec.cnn:1: C: conv")
    y = emit.op("Conv", *given.values(), **attributes)
    dims["dy"] = dims_of(y)
    given["dy"] = emit.placeholder("dy", dims["dy"], FLOAT)
    score = emit.op("ReduceSum", emit.op("Mul", y, given["dy"]), keepdims=0)
    wanted = [given["x"], given["w"]]
    found = differentiate(emit, score, wanted, "host")
    outputs = [y, *(found[one] for one in wanted)]
    for name, value in zip(("y", "dx", "dw"), outputs, strict=True):
        value.name = name
    graph = onnx_ir.Graph(
        [*given.values()],
        outputs,
        nodes=emit.nodes,
        opset_imports={"": emit.opset},
        name="convolution",
    )
    return onnx_ir.Model(graph, ir_version=8, functions=emit.functions), dims


def results(model: onnx_ir.Model, feeds: Mapping[str, numpy.ndarray]) -> list[numpy.ndarray]:
    proto = onnx_ir.serde.serialize_model(model)
    self_check(proto)
    found: list[numpy.ndarray] = start(proto.SerializeToString(), CPU, TRAINING, threads=1).run(
        None, dict(feeds)
    )
    return found


def blocked_operators(model: onnx_ir.Model) -> list[str]:
    return [node.op_type for node in model.graph if node.domain == BLOCKED]


@st.composite
def convolutions(
    draw: st.DrawFn,
) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes whose channels fill blocks of 8 or 16, and all that a Conv can say of its windows."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    batch = draw(st.sampled_from([1, 2, 3, 4, 8, 16, 24] if rank < 3 else [1, 2, 3]))
    kinds = ["full", "full", "few", "grouped", "depthwise"]
    kind = draw(st.sampled_from(kinds if rank < 3 else kinds[:3]))
    groups = {"grouped": 2, "depthwise": 32}.get(kind, 1)
    filters = 32 if kind == "depthwise" else 16 * groups * draw(st.integers(1, 2))
    channels = draw(st.integers(1, 3)) * 16 * groups
    if kind == "few":
        channels = draw(st.sampled_from([1, 2, 3, 6, 20]))
    if kind == "depthwise":
        channels = 32
    sides = [draw(st.integers(1, 9 if rank < 3 else 5)) for _ in range(rank)]
    kernel = [draw(st.integers(1, 4)) for _ in range(rank)]
    strides = draw(st.sampled_from([[1, 1, 1], [1, 1, 1], [2, 2, 2], [1, 2, 1], [2, 1, 3]]))[:rank]
    dilations = [draw(st.integers(1, 2)) for _ in range(rank)]
    pads = [draw(st.integers(0, draw(st.sampled_from([2, 2, 5])))) for _ in range(2 * rank)]
    for axis in range(rank):
        room = sides[axis] + pads[axis] + pads[axis + rank]
        reach = dilations[axis] * (kernel[axis] - 1) + 1
        assume(room >= reach)
    attributes: dict[str, Any] = {
        "strides": strides,
        "dilations": dilations,
        "pads": pads,
        "group": groups,
    }
    return (batch, channels, *sides), (filters, channels // groups, *kernel), attributes


@needs_host
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@example(
    # No window reaches the input along its width: the gradient of kernels is zero.
    case=((1, 16, 2, 1), (16, 16, 2, 1), {"strides": [2, 2], "pads": [0, 1, 0, 0]}),
    bias=False,
    seed=0,
)
@example(  # A depth whose planes see the same planes, and some none.
    case=((2, 16, 3, 4, 4), (32, 16, 2, 3, 3), {"dilations": [2, 1, 1], "pads": [4, 1, 1] * 2}),
    bias=True,
    seed=2,
)
@example(
    case=((8, 16, 2, 3), (16, 16, 1, 2), {"strides": [3, 1], "pads": [2, 4, 0, 4]}),
    bias=True,
    seed=1,
)
@given(case=convolutions(), bias=st.booleans(), seed=st.integers(0, 99))
def test_every_form_gives_the_standard_ones_numbers(
    case: tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]],
    bias: bool,
    seed: int,
) -> None:
    assert HOST is not None
    x, w, attributes = case
    standard, dims = convolution(x, w, bias=bias, **attributes)
    simplify(standard)
    forms, _ = convolution(x, w, bias=bias, **attributes)
    assert BlockedConvolutions(HOST, every=True)(forms).modified
    simplify(forms)
    random = numpy.random.default_rng(seed)
    feeds = {name: random.standard_normal(size, numpy.float32) for name, size in dims.items()}
    for one, other in zip(results(forms, feeds), results(standard, feeds), strict=True):
        assert one.shape == other.shape
        assert numpy.abs(one - other).max() <= 1e-5 * max(1.0, float(numpy.abs(other).max()))


def test_what_it_puts_in_is_as_recorded() -> None:
    model, _ = convolution((8, 16, 6, 6), (32, 16, 3, 3), pads=[1, 1, 1, 1])
    compare("blocking.before.onnxtxt", graph_text(model))
    assert BlockedConvolutions(Host(8), every=True)(model).modified
    compare("blocking.after.onnxtxt", graph_text(model))


def test_what_it_puts_in_for_depthwise_kernels_is_as_recorded() -> None:
    model, _ = convolution((2, 16, 8, 8), (16, 1, 3, 3), pads=[1, 1, 1, 1], group=16)
    compare("blocking_depthwise.before.onnxtxt", graph_text(model))
    assert BlockedConvolutions(Host(8))(model).modified
    compare("blocking_depthwise.after.onnxtxt", graph_text(model))


def test_what_it_puts_in_for_strides_is_as_recorded() -> None:
    model, _ = convolution((2, 12, 9, 8), (32, 12, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2])
    compare("blocking_strides.before.onnxtxt", graph_text(model))
    assert BlockedConvolutions(Host(8), every=True)(model).modified
    compare("blocking_strides.after.onnxtxt", graph_text(model))


@needs_host
@pytest.mark.parametrize("channels", [6, 32, 40])
@pytest.mark.parametrize(
    ("sides", "kernel", "strides", "dilations", "pads"),
    [
        ((9, 8), 3, (2, 2), (1, 1), [1, 1, 1, 1]),
        ((8, 9), 3, (2, 1), (1, 2), [0, 2, 1, 1]),  # rows only, holes along columns
        ((13, 14), 5, (3, 2), (2, 3), [2, 5, 4, 6]),  # strides and holes
        ((7, 7), 4, (3, 3), (1, 1), [0, 0, 0, 0]),
        ((10, 10), 5, (1, 1), (1, 1), [0, 0, 0, 0]),
    ],
)
def test_the_input_has_the_gradient_of_the_definition(
    channels: int,
    sides: tuple[int, int],
    kernel: int,
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: list[int],
) -> None:
    """In float64, each place of the kernel adds to the cells that it stands on."""
    assert HOST is not None
    x, w = (2, channels, *sides), (32, channels, kernel, kernel)
    model, dims = convolution(x, w, strides=strides, dilations=dilations, pads=pads)
    assert BlockedConvolutions(HOST, every=True)(model).modified
    assert not any(node.op_type == INPUT_GRADIENT for node in model.graph)
    simplify(model)
    random = numpy.random.default_rng(7)
    feeds = {name: random.standard_normal(shape, numpy.float32) for name, shape in dims.items()}
    found = results(model, feeds)[1]
    weights, dy = (feeds[name].astype(numpy.float64) for name in ("w", "dy"))
    top, left, bottom, right = pads
    expected = numpy.zeros((2, channels, sides[0] + top + bottom, sides[1] + left + right))
    for i, j in numpy.ndindex(kernel, kernel):
        reached = [
            slice(place * dilation, place * dilation + stride * (size - 1) + 1, stride)
            for place, dilation, stride, size in zip(
                (i, j), dilations, strides, dy.shape[2:], strict=True
            )
        ]
        shares = numpy.einsum("nmhw,mc->nchw", dy, weights[:, :, i, j])
        expected[:, :, reached[0], reached[1]] += shares
    expected = expected[:, :, top : top + sides[0], left : left + sides[1]]
    assert numpy.abs(found - expected).max() <= 1e-5 * numpy.abs(expected).max()


@needs_host
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "pads"),
    [
        (9, 3, 1, 1, [1, 1, 1, 1]),
        (8, 3, 2, 1, [1, 1, 1, 1]),  # the last row and column of padding meet no window
        (8, 3, 2, 1, [0, 1, 1, 1]),
        (9, 5, 3, 1, [2, 1, 1, 2]),
        (11, 3, 2, 2, [1, 2, 2, 1]),
        (5, 5, 1, 1, [0, 0, 0, 0]),  # one window
    ],
)
def test_depthwise_kernels_have_the_gradient_of_the_definition(
    batch: int, size: int, kernel: int, stride: int, dilation: int, pads: list[int]
) -> None:
    """In float64, each place of the kernel is a sum over what it meets."""
    assert HOST is not None
    channels, sides = 32, (size, size + 1)
    model, dims = convolution(
        (batch, channels, *sides),
        (channels, 1, kernel, kernel),
        group=channels,
        strides=[stride] * 2,
        dilations=[dilation] * 2,
        pads=pads,
    )
    BlockedConvolutions(HOST)(model)
    is_blocked = not any(node.op_type == KERNEL_GRADIENT for node in model.graph)
    reach = dilation * (kernel - 1) + 1
    rests = [
        (side + pads[axis] + pads[axis + 2] - reach) % stride for axis, side in enumerate(sides)
    ]
    assert is_blocked == all(pad >= rest for pad, rest in zip(pads[2:], rests, strict=True))
    simplify(model)
    random = numpy.random.default_rng(6)
    feeds = {name: random.standard_normal(shape, numpy.float32) for name, shape in dims.items()}
    found = results(model, feeds)[2]
    x, dy = (feeds[name].astype(numpy.float64) for name in ("x", "dy"))
    x = numpy.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    height, width = dy.shape[2:]
    for i, j in numpy.ndindex(kernel, kernel):
        top, left = i * dilation, j * dilation
        rows = slice(top, top + stride * (height - 1) + 1, stride)
        columns = slice(left, left + stride * (width - 1) + 1, stride)
        expected = (x[:, :, rows, columns] * dy).sum(axis=(0, 2, 3))
        assert numpy.abs(found[:, 0, i, j] - expected).max() <= 2e-5


@pytest.mark.parametrize(
    ("x", "w", "attributes"),
    [
        ((2, 12, 6, 6), (12, 12, 3, 3), {}),  # no blocks of 8
        ((2, 16, 4, 4, 4), (16, 8, 3, 3, 3), {"group": 2}),  # groups in three dimensions
        ((2, 12, 6, 6), (36, 1, 3, 3), {"group": 12}),  # three filters on each channel
    ],
)
def test_what_has_no_such_form_stays(
    x: tuple[int, ...], w: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    model, _ = convolution(x, w, **attributes)
    assert not BlockedConvolutions(Host(8), every=True)(model).modified


def test_a_standard_step_is_the_same_for_either_way_of_its_gradients() -> None:
    """What has no blocked form is taken apart into what `cpu` has."""
    typed = cnndsl.load("lenet5").typed
    steps = [
        build_step(typed, batch=4, target="cpu"),
        build_step(typed, batch=4, target="host", host=Host(256)),
    ]
    assert len({graph_text(step.model) for step in steps}) == 1


CHAIN = """
network chain
input 16x32x32
conv 16@3x3 padding 1 -> relu -> conv 32@3x3 -> relu -> maxpool 2 -> conv 16@2x2 bias no
batchnorm -> relu -> flatten -> dense 3 -> softmax
train {
  optimizer sgd lr 0.1 momentum 0.9
  loss crossentropy
}
"""


@needs_host
def test_maps_stay_in_blocks_from_one_convolution_to_the_next_and_the_numbers_stay() -> None:
    assert HOST is not None
    typed = cnndsl.parse(CHAIN).typed
    steps = {
        "cpu": build_step(typed, batch=8, target="cpu"),
        "host": build_step(typed, batch=8, target="host", host=HOST),
    }
    ways = [node.op_type for node in steps["host"].model.graph]
    assert "Relu" not in ways
    random = numpy.random.default_rng(4)
    signature = steps["cpu"].signature
    feeds = {
        spec.name: numpy.asarray(0.3 * random.standard_normal(spec.dims), spec.dtype)
        for spec in signature.inputs
    }
    feeds["labels"] = random.integers(0, 3, feeds["labels"].shape)
    names = [spec.name for spec in signature.outputs]
    found = {}
    for target, step in steps.items():
        session = start(step.to_proto().SerializeToString(), CPU, TRAINING, threads=1)
        found[target] = dict(zip(names, session.run(names, feeds), strict=True))
    for name, array in found["cpu"].items():
        other = found["host"][name]
        assert numpy.abs(array - other).max() <= 1e-4 * max(1.0, float(numpy.abs(array).max())), (
            name
        )


@needs_host
def test_a_relu_that_others_share_the_convolution_with_stays() -> None:
    assert HOST is not None
    emit = GraphBuilder(2)
    x = emit.placeholder("x", (2, 16, 5, 5), FLOAT)
    w = emit.placeholder("w", (16, 16, 3, 3), FLOAT)
    y = emit.op("Conv", x, w)
    outputs = [emit.op("Relu", y), emit.op("Neg", y)]
    graph = onnx_ir.Graph(
        [x, w], outputs, nodes=emit.nodes, opset_imports={"": emit.opset}, name="shared"
    )
    model = onnx_ir.Model(graph, ir_version=8)
    assert BlockedConvolutions(HOST, every=True)(model).modified
    assert not BlockedRelu()(model).modified
    random = numpy.random.default_rng(5)
    feeds = {
        name: random.standard_normal(dims_of(one), numpy.float32)
        for name, one in (("x", x), ("w", w))
    }
    relu, negative = results(model, feeds)
    assert numpy.array_equal(relu, numpy.maximum(-negative, 0))


@pytest.mark.parametrize(
    ("x", "w", "is_blocked"),
    [
        ((8, 64, 28, 28), (64, 64, 3, 3), True),
        ((8, 64, 28, 28), (64, 64, 1, 1), False),  # a product of matrices
        ((1, 64, 8, 8), (64, 64, 3, 3), False),  # fewer cells than the kernels have numbers
        ((1, 16, 32, 32), (16, 16, 3, 3), False),  # little to multiply
        ((8, 3, 64, 64), (64, 3, 3, 3), False),  # a picture's channels
    ],
)
def test_what_is_no_faster_stays(x: tuple[int, ...], w: tuple[int, ...], is_blocked: bool) -> None:
    model, _ = convolution(x, w)
    assert BlockedConvolutions(Host(8))(model).modified == is_blocked

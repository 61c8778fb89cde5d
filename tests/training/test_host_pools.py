"""The form that the target `host` has of the gradient of pools gives the standard one's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import onnx_ir
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pass_goldens import compare

from cnndsl.autodiff.pooling import MAX_POOL_GRADIENT
from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.builder import GraphBuilder
from cnndsl.graph.export import graph_text, self_check
from cnndsl.runtime.host import found_host
from cnndsl.runtime.start import CPU, TRAINING, start
from cnndsl.training.host import Host
from cnndsl.training.host.kernels import BLOCKED
from cnndsl.training.passes import simplify
from cnndsl.training.passes.blocked_pools import BlockedPools

FLOAT = onnx_ir.DataType.FLOAT
HOST = found_host()

needs_host = pytest.mark.skipif(HOST is None, reason="ONNX Runtime has no blocks for this CPU")


def pooling(
    x: tuple[int, ...], **attributes: Sequence[int]
) -> tuple[onnx_ir.Model, Mapping[str, tuple[int, ...]]]:
    """A max pooling and its gradient for `host`, with the gradient of its output among inputs."""
    emit = GraphBuilder(x[0])
    source = emit.placeholder("x", x, FLOAT)
    emit.enter("P/MaxPool", "spec.cnn:1: P: maxpool")
    y = emit.op("MaxPool", source, **attributes)
    weights = emit.placeholder("dy", dims_of(y), FLOAT)
    score = emit.op("ReduceSum", emit.op("Mul", y, weights), keepdims=0)
    dx = differentiate(emit, score, [source], "host")[source]
    dx.name = "dx"
    graph = onnx_ir.Graph(
        [source, weights],
        [dx],
        nodes=emit.nodes,
        opset_imports={"": emit.opset},
        name="pooling",
    )
    model = onnx_ir.Model(graph, ir_version=8, functions=emit.functions)
    return model, {"x": x, "dy": dims_of(y)}


def results(model: onnx_ir.Model, feeds: Mapping[str, numpy.ndarray]) -> numpy.ndarray:
    proto = onnx_ir.serde.serialize_model(model)
    self_check(proto)
    session = start(proto.SerializeToString(), CPU, TRAINING, threads=1)
    found: numpy.ndarray = session.run(None, dict(feeds))[0]
    return found


@st.composite
def poolings(draw: st.DrawFn) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Pools of any windows that reach all cells, over channels that fill blocks of 8 or 16."""
    sides = [draw(st.integers(1, 9)) for _ in range(2)]
    kernel = [draw(st.integers(1, 4)) for _ in range(2)]
    strides = [draw(st.integers(1, size)) for size in kernel]
    dilations = [draw(st.sampled_from([1, 1, 2])) for _ in range(2)]
    pads = [draw(st.integers(0, size - 1)) for size in kernel * 2]
    for axis in range(2):
        places = range(0, dilations[axis] * kernel[axis], dilations[axis])
        rest = sides[axis] + pads[axis] + pads[axis + 2] - places[-1] - 1
        assume(rest >= 0)
        starts = range(-pads[axis], rest - pads[axis] + 1, strides[axis])
        # No window lies in the padding: its maximum would be no cell's.
        assume(all(any(0 <= at + place < sides[axis] for place in places) for at in starts))
    attributes = {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads}
    return (draw(st.integers(1, 3)), 16 * draw(st.integers(1, 2)), *sides), attributes


@needs_host
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@example(
    case=((2, 16, 8, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}),
    kind="rectified",
)
@example(case=((2, 16, 5, 6), {"kernel_shape": [3, 3], "pads": [1] * 4}), kind="zeros")
@example(case=((1, 16, 7, 7), {"kernel_shape": [3, 3], "strides": [2, 2]}), kind="negative")
@example(case=((1, 16, 7, 9), {"kernel_shape": [2, 2], "strides": [2, 2]}), kind="few")
@given(case=poolings(), kind=st.sampled_from(["any", "rectified", "few", "zeros", "negative"]))
def test_the_blocked_form_gives_the_standard_ones_numbers_also_where_cells_are_equal(
    case: tuple[tuple[int, ...], dict[str, Any]], kind: str
) -> None:
    assert HOST is not None
    x, attributes = case
    standard, dims = pooling(x, **attributes)
    simplify(standard)
    forms, _ = pooling(x, **attributes)
    assume(BlockedPools(HOST)(forms).modified)
    assert any(node.domain == BLOCKED for node in forms.graph)
    simplify(forms)
    random = numpy.random.default_rng(8)
    numbers = random.standard_normal(dims["x"], numpy.float32)
    numbers = {
        "any": numbers,
        "rectified": numbers.clip(0),
        "few": numbers.round(),
        "zeros": 0 * numbers,
        "negative": numbers.round() - 5,
    }[kind]
    feeds = {"x": numbers, "dy": random.standard_normal(dims["dy"], numpy.float32)}
    found, expected = results(forms, feeds), results(standard, feeds)
    assert found.shape == expected.shape
    assert numpy.abs(found - expected).max() <= 1e-6 * max(1.0, float(numpy.abs(expected).max()))


def test_what_it_puts_in_is_as_recorded() -> None:
    model, _ = pooling((2, 8, 7, 6), kernel_shape=[3, 3], strides=[2, 1], pads=[1] * 4)
    compare("blocked_pools.before.onnxtxt", graph_text(model))
    assert BlockedPools(Host(8))(model).modified
    compare("blocked_pools.after.onnxtxt", graph_text(model))


@pytest.mark.parametrize(
    ("x", "attributes"),
    [
        ((2, 12, 6, 6), {"kernel_shape": [2, 2]}),  # no blocks of 8
        ((2, 16, 6), {"kernel_shape": [2]}),  # one dimension
        ((2, 16, 9, 9), {"kernel_shape": [2, 2], "strides": [3, 3]}),  # cells between the windows
    ],
)
def test_what_has_no_blocked_form_stays(
    x: tuple[int, ...], attributes: dict[str, Sequence[int]]
) -> None:
    model, _ = pooling(x, **attributes)
    assert not BlockedPools(Host(8))(model).modified
    assert any(node.op_type == MAX_POOL_GRADIENT for node in model.graph)

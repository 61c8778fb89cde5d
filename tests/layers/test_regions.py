"""Pooling over regions: by the rules written in NumPy, and by ONNX's own operators."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy
import onnx
import onnxruntime
import pytest
from layer_gradients import Array, run_layer
from layer_oracle import compare_with_torch
from onnx import TensorProto, helper

from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.types import TensorType

torch: Any = pytest.importorskip("torch")

Tensor: TypeAlias = Any

ODD = [
    (50.0, 40.0, 10.0, 20.0),  # inverted
    (-100.0, -80.0, -60.0, -50.0),  # outside
    (-40.0, -30.0, 500.0, 900.0),  # larger than the picture
    (3.0, 3.0, 3.0, 3.0),  # a single pixel
    (-4e4, -4e4, 4e4, 4e4),
    (5e8, 5e8, 6e8, 6e8),
]
BROKEN = [
    (math.nan, 0.0, 8.0, 8.0),
    (0.0, 0.0, 8.0, math.nan),
    (math.nan, math.nan, math.nan, math.nan),
    (math.inf, math.inf, math.inf, math.inf),
    (-math.inf, -math.inf, -math.inf, -math.inf),
    (3.4e38, 0.0, 3.4e38, 8.0),
]


def make(keyword: str, **parameters: Any) -> Layer:
    found = find(keyword)
    assert found is not None
    return found(**parameters)


def boxes(rng: random.Random, count: int, side: float = 120) -> Array:
    """Regions of which most lie in the picture."""
    found = []
    for _ in range(count):
        x, y = rng.uniform(-10, side), rng.uniform(-10, side)
        found.append((x, y, x + rng.uniform(0, side), y + rng.uniform(0, side)))
    return numpy.array(found, numpy.float32)


# --- the rules --------------------------------------------------------------------------------


def bins(low: float, high: float, scale: float, count: int, side: int) -> list[range]:
    """The cells of each bin, in float32 as the tools compute them."""
    single = numpy.float32
    first, last = (
        int(numpy.floor(single(end) * single(scale) + single(0.5))) for end in (low, high)
    )
    step = single(max(last - first + 1, 1)) / single(count)
    ends = [
        (int(numpy.floor(single(at) * step)), int(numpy.ceil(single(at + 1) * step)))
        for at in range(count)
    ]
    inside = [[min(max(end + first, 0), side) for end in pair] for pair in ends]
    return [range(*pair) for pair in inside]


def largest(maps: Tensor, box: Array, layer: Any, size: tuple[int, int]) -> Tensor:
    """What a region becomes: the largest cell of each bin, 0 where there is none."""
    _, height, width = maps.shape
    rows = bins(box[1], box[3], layer.scale, size[0], height)
    columns = bins(box[0], box[2], layer.scale, size[1], width)
    cells = [
        maps[:, row.start : row.stop, column.start : column.stop].flatten(1).max(1).values
        if row and column
        else torch.zeros(len(maps), dtype=maps.dtype)
        for row in rows
        for column in columns
    ]
    return torch.stack(cells, 1).reshape(len(maps), *size)


def near(place: float, side: int) -> Array:
    """How much each cell of an axis counts in a sample."""
    weights = numpy.zeros(side)
    if -1 <= place <= side:
        place = min(max(place, 0.0), side - 1.0)
        below = int(place)
        weights[below] += 1 - (place - below)
        if below + 1 < side:
            weights[below + 1] += place - below
    return weights


def sampled(maps: Tensor, box: Array, layer: Any, size: tuple[int, int]) -> Tensor:
    """The mean of all samples of each bin of a region, sample by sample."""
    _, height, width = maps.shape
    box = numpy.clip(box.astype(float) * layer.scale - (0.5 if layer.aligned else 0), -4e6, 4e6)
    least = 0.0 if layer.aligned else 1.0
    weights = []
    for first, last, count, side in (
        (box[1], box[3], size[0], height),
        (box[0], box[2], size[1], width),
    ):
        step = max(last - first, least) / count
        inner = [(at + 0.5) / layer.samples for at in range(layer.samples)]
        weights.append(
            [
                numpy.mean([near(first + (at + one) * step, side) for one in inner], axis=0)
                for at in range(count)
            ]
        )
    rows, columns = (torch.tensor(numpy.array(one)).to(maps.dtype) for one in weights)
    return torch.einsum("ih,jw,chw->cij", rows, columns, maps)


def oracle(layer: Any) -> Callable[..., Tensor]:
    """All regions of all pictures, one after the other, by the layer's rule."""
    rule = largest if layer.keyword == "roipool" else sampled
    size = layer.size * 2 if len(layer.size) == 1 else layer.size

    def compute(inputs: Sequence[Tensor], weights: object = None) -> Tensor:
        maps, regions = inputs
        given = regions.detach().numpy()
        pictures = [
            torch.stack([rule(one, box, layer, size) for box in own.reshape(-1, 4)], 1)
            for one, own in zip(maps, given, strict=True)
        ]
        found = torch.stack(pictures)
        return found if given.ndim == 3 else found[:, :, 0]

    return compute


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_region_pooling_by_the_maximum(seed: int) -> None:
    rng = random.Random(seed)
    size, scale = (rng.randint(1, 7), rng.randint(1, 7)), rng.choice((1 / 16, 1 / 8, 0.1))
    agree(make("roipool", size=size, scale=scale), rng, ODD, tolerance=0)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_region_pooling_by_samples(seed: int, aligned: bool) -> None:
    rng = random.Random(seed)
    size, scale = (rng.randint(1, 7), rng.randint(1, 7)), rng.choice((1 / 16, 1 / 8, 0.1))
    layer = make("roialign", size=size, scale=scale, samples=rng.randint(1, 3), aligned=aligned)
    agree(layer, rng, ODD[:4], tolerance=2e-4)


def agree(layer: Layer, rng: random.Random, odd: Any, tolerance: float) -> None:
    """Values and the maps' gradient are the rule's, of regions of all kinds."""
    dims = (2, rng.randint(1, 4), rng.randint(1, 20), rng.randint(1, 20))
    maps = numpy.random.default_rng(rng.randrange(99)).normal(size=dims).astype(numpy.float32)
    given = numpy.stack([[*boxes(rng, 4), *odd], [*boxes(rng, 4), *odd]]).astype(numpy.float32)
    ours = run_layer(layer, [maps, given])
    x = torch.tensor(maps, requires_grad=True)
    y = oracle(layer)([x, torch.tensor(given)])
    y.backward(torch.tensor(ours.given))
    numpy.testing.assert_allclose(ours.output, y.detach().numpy(), rtol=0, atol=tolerance)
    numpy.testing.assert_allclose(ours.inputs[0], x.grad.numpy(), rtol=1e-4, atol=1e-3)
    assert set(ours.inputs) == {0}


@pytest.mark.parametrize("boxes_of", [(), (3,)])
@pytest.mark.parametrize("keyword", ["roipool", "roialign"])
def test_values_and_gradients_of_small_regions_are_those_of_the_rule(
    keyword: str, boxes_of: tuple[int, ...]
) -> None:
    layer = make(keyword, size=(2, 3), scale=1.0)
    types = [TensorType((3, 5, 6)), TensorType((*boxes_of, 4))]
    compare_with_torch(layer, types, oracle(layer), lower=layer.lower_training)


def test_one_region_of_each_picture_needs_no_dimension_of_its_own() -> None:
    maps = numpy.random.default_rng(1).normal(size=(3, 2, 9, 8)).astype(numpy.float32)
    given = boxes(random.Random(1), 3)
    for keyword in ("roipool", "roialign"):
        layer = make(keyword, size=(3, 2), scale=1 / 16)
        one = run_layer(layer, [maps, given]).output
        several = run_layer(layer, [maps, given[:, None]]).output
        assert one.shape == (3, 2, 3, 2)
        numpy.testing.assert_array_equal(one, several[:, :, 0])


@pytest.mark.parametrize("keyword", ["roipool", "roialign"])
@pytest.mark.parametrize("box", BROKEN, ids=str)
def test_a_region_that_is_no_region_is_zeros_and_changes_no_other(
    keyword: str, box: tuple[float, ...]
) -> None:
    maps = numpy.random.default_rng(2).normal(size=(1, 2, 6, 7)).astype(numpy.float32)
    whole = (0.0, 0.0, 100.0, 100.0)
    given = numpy.array([[whole, box, whole]], numpy.float32)
    layer = make(keyword, size=(2,), scale=1 / 16)
    found = run_layer(layer, [maps, given])
    alone = run_layer(layer, [maps, given[:, :1]])
    assert not found.output[:, :, 1].any()
    for at in (0, 2):
        numpy.testing.assert_array_equal(found.output[:, :, at], alone.output[:, :, 0])
    assert numpy.isfinite(found.inputs[0]).all()


# --- ONNX's own operators ---------------------------------------------------------------------


def by_onnx(op_type: str, maps: Array, given: Array, **attributes: Any) -> Array:
    """All regions of all pictures, by ONNX Runtime's kernel: [N, R, C, h, w]."""
    batch, count, _ = given.shape
    owners = numpy.repeat(numpy.arange(batch), count)
    rois = given.reshape(-1, 4)
    feeds: dict[str, Array] = {"maps": maps, "rois": rois}
    if op_type == "MaxRoiPool":
        feeds["rois"] = numpy.concatenate([owners[:, None], rois], 1).astype(numpy.float32)
    else:
        feeds["owners"] = owners.astype(numpy.int64)
    node = helper.make_node(op_type, [*feeds], ["y"], **attributes)
    kinds = {"owners": TensorProto.INT64}
    inputs = [
        helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), array.shape)
        for name, array in feeds.items()
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "roi", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, feeds)
    return numpy.asarray(found).reshape(batch, count, *found.shape[1:])


@pytest.mark.parametrize("seed", range(6))
def test_the_maximum_is_that_of_onnx(seed: int) -> None:
    rng = random.Random(seed)
    maps = numpy.random.default_rng(seed).normal(size=(2, 3, 14, 17)).astype(numpy.float32)
    given = numpy.stack([boxes(rng, 50, 250), boxes(rng, 50, 250)])
    ours = run_layer(make("roipool", size=(7,), scale=1 / 16), [maps, given]).output
    theirs = by_onnx("MaxRoiPool", maps, given, pooled_shape=[7, 7], spatial_scale=1 / 16)
    numpy.testing.assert_array_equal(ours, theirs.transpose(0, 2, 1, 3, 4))


@pytest.mark.parametrize("mode", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize("samples", [1, 2, 3])
def test_the_samples_are_those_of_onnx(mode: str, samples: int) -> None:
    rng = random.Random(samples)
    maps = numpy.random.default_rng(samples).normal(size=(2, 3, 14, 17)).astype(numpy.float32)
    given = numpy.stack([boxes(rng, 50, 250), boxes(rng, 50, 250)])
    layer = make("roialign", size=(7, 5), scale=1 / 16, samples=samples, aligned=mode[0] == "h")
    theirs = by_onnx(
        "RoiAlign",
        maps,
        given,
        output_height=7,
        output_width=5,
        sampling_ratio=samples,
        spatial_scale=1 / 16,
        coordinate_transformation_mode=mode,
    )
    ours = run_layer(layer, [maps, given]).output
    numpy.testing.assert_allclose(ours, theirs.transpose(0, 2, 1, 3, 4), atol=1e-4)


# --- gradients --------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["roipool", "roialign"])
def test_of_equal_cells_one_gets_the_gradient(keyword: str) -> None:
    maps = numpy.ones((1, 1, 8, 8), numpy.float32)
    given = numpy.array([[[0, 0, 120, 120], [10, 20, 70, 90]]], numpy.float32)
    found = run_layer(make(keyword, size=(2,), scale=1 / 16), [maps, given])
    assert found.inputs[0].sum() == pytest.approx(found.given.sum(), abs=1e-4)


@pytest.mark.parametrize("keyword", ["roipool", "roialign"])
def test_the_graph_has_no_operator_that_cuda_lacks(keyword: str) -> None:
    from cnndsl.graph.builder import GraphBuilder
    from cnndsl.layers.lowering import LoweringContext

    layer = make(keyword, size=(7,), scale=1 / 16)
    types = (TensorType((4, 14, 14)), TensorType((8, 4)))
    emit = GraphBuilder()
    inputs = tuple(emit.input(f"in{at}", kind) for at, kind in enumerate(types))
    layer.lower(emit, LoweringContext(inputs, types, layer.output(*types)))
    assert not {node.op_type for node in emit.nodes} & {"MaxRoiPool", "LpPool", "MaxUnpool"}
    assert all(
        node.op_type in {one.name for one in onnx.defs.get_all_schemas()} for node in emit.nodes
    )

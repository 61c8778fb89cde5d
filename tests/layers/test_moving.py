"""Layers that move numbers: places, rows, bounds, and what is nothing but a view."""

from __future__ import annotations

import random
from typing import Any

import numpy
import pytest

import cnndsl
from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.layers.upsample import Resampling
from cnndsl.types import TensorType

PLANE = TensorType((6, 4, 4))


def make(keyword: str, **parameters: Any) -> Layer:
    layer = find(keyword)
    assert layer is not None
    return layer(**parameters)


def test_the_nearest_cell_is_pytorchs_but_where_float32_rounds() -> None:
    """PyTorch multiplies by W/W' in float32: where that falls below a whole number, it differs."""
    torch = pytest.importorskip("torch")
    rng, rounded = random.Random(5), 0
    for _ in range(400):
        size, made = rng.randint(1, 120), rng.randint(1, 240)
        x = torch.arange(size, dtype=torch.float32).reshape(1, 1, size)
        theirs = torch.nn.functional.interpolate(x, size=made, mode="nearest").flatten().tolist()
        way = Resampling(size, made, "nearest")
        for position, found in enumerate(theirs):
            (cell,) = way.cells(position)
            if found != cell:
                scale = numpy.float32(size) / numpy.float32(made)
                assert position * size % made == 0
                assert numpy.float32(position) * scale < cell
                assert made % size or made // size > 40
                rounded += 1
    assert rounded > 0


@pytest.mark.parametrize(
    ("keyword", "parameters", "keeps"),
    [
        ("pad", {"padding": 2}, True),
        ("pad", {"channels": 1}, False),
        ("crop", {"size": 2}, True),
        ("slice", {"places": range(2), "axis": "height"}, True),
        ("slice", {"places": range(1, 4)}, False),
        ("reshape", {"shape": (6, 16)}, True),
        ("reshape", {"shape": (3, 32)}, False),
        ("transpose", {"order": (0, 2, 1)}, True),
        ("transpose", {"order": (1, 0, 2)}, False),
        ("channelshuffle", {"groups": 2}, False),
        ("channelshuffle", {"groups": 6}, True),
        ("spacetodepth", {"block": 2}, False),
        ("upsample", {"factor": 2}, True),
        ("layernorm", {}, True),
        ("groupnorm", {"groups": 2}, False),
        ("groupnorm", {"groups": 6}, True),
        ("l2norm", {}, True),
    ],
)
def test_classes_in_another_order_are_rows_in_another_order(
    keyword: str, parameters: dict[str, Any], keeps: bool
) -> None:
    """What a layer says is what PyTorch's operators do with channels in another order."""
    torch = pytest.importorskip("torch")
    oracle = pytest.importorskip("torch_layers").ORACLES[keyword]
    layer = make(keyword, **parameters)
    assert layer.keeps_rows(PLANE) == keeps
    torch.manual_seed(0)
    x, order = torch.randn(2, *PLANE.dims), torch.tensor([3, 5, 0, 1, 4, 2])
    weights = {weight.name: torch.randn(weight.shape) for weight in layer.weights(PLANE)}
    plain = oracle(layer, x, weights)
    moved = oracle(layer, x[:, order], {name: one[order] for name, one in weights.items()})
    same = plain.shape[1] == 6 and torch.allclose(plain[:, order], moved, atol=1e-5)
    assert same == keeps


def test_scales_and_biases_do_not_decay() -> None:
    for keyword, given in (("layernorm", {}), ("groupnorm", {"groups": 2}), ("instancenorm", {})):
        owned = make(keyword, **given).weights(PLANE)
        assert [(one.name, one.decays) for one in owned] == [("scale", False), ("bias", False)]
        assert make(keyword, **given, affine=False).weights(PLANE) == ()
    (scale,) = make("l2norm", scale=20).weights(PLANE)
    assert scale.init is not None
    assert (scale.shape, scale.init.value, scale.decays) == ((6,), 20.0, False)
    assert [one.shape for one in make("layernorm").weights(PLANE)] == [(6, 4, 4)] * 2
    assert make("l2norm").weights(PLANE) == ()


def test_bounds_are_those_of_the_input_and_of_what_is_added() -> None:
    assert make("pad", padding=1).bounds((2.0, 3.0)) == (0.0, 3.0)
    assert make("pad", padding=1, mode="edge").bounds((2.0, 3.0)) == (2.0, 3.0)
    for layer in (make("upsample", factor=2), make("crop", size=2), make("reshape", shape=96)):
        assert layer.bounds((2.0, 3.0)) == (2.0, 3.0)
    assert make("l2norm").bounds((2.0, 3.0)) == (-1.0, 1.0)


def test_a_reshape_is_a_view_and_nothing_here_multiplies_and_adds() -> None:
    assert make("reshape", shape=96).shares == "always"
    for layer in (make("pad", padding=1), make("upsample", factor=2, mode="bilinear")):
        assert (layer.shares, layer.macs(PLANE)) == ("never", 0)


@pytest.mark.parametrize("pads", [1, 2, 4])
@pytest.mark.parametrize("pool", ["maxpool", "avgpool", "sumpool", "minpool"])
def test_what_is_added_counts_in_the_pool_behind(pool: str, pads: int) -> None:
    """ONNX Runtime makes a Pad part of the pool behind it, which leaves it out of the maximum."""
    x = -numpy.arange(1, 17, dtype=numpy.float32).reshape(1, 4, 4)
    network = cnndsl.parse(f"input 1x4x4\npad {pads}\n{pool} 2\n")
    side = 2 + pads
    cells = numpy.pad(x, ((0, 0), (pads, pads), (pads, pads))).reshape(side, 2, side, 2)
    name = {"maxpool": "max", "minpool": "min", "avgpool": "mean", "sumpool": "sum"}[pool]
    expected = getattr(cells, name)(axis=(1, 3))
    found = network.compile(device="cpu").run(x)[0]
    numpy.testing.assert_allclose(found, expected, rtol=1e-6)

"""The gradient of kernels from tiles has the definition's numbers, into whichever tiles it cuts."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cnndsl.autodiff.geometry import Geometry
from cnndsl.runtime.host import found_host
from cnndsl.runtime.start import CPU, TRAINING, start
from cnndsl.training.host.models import input_value, model_bytes
from cnndsl.training.host.nodes import BlockedNodes
from cnndsl.training.host.rule import is_faster_kernel_gradient
from cnndsl.training.host.tiled import can_tile, tiled_kernel_gradient
from cnndsl.training.host.tiling import Tiling, tiling_of, tilings

HOST = found_host()

needs_host = pytest.mark.skipif(HOST is None, reason="ONNX Runtime has no blocks for this CPU")


def geometry(
    x: tuple[int, int, int, int],
    w: tuple[int, int, int],
    *,
    strides: tuple[int, int] = (1, 1),
    dilation: int = 1,
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Geometry:
    """A convolution of a batch by filters of a size."""
    batch, channels, *inputs = x
    filters, *kernel = w
    room = [size + pads[axis] + pads[axis + 2] for axis, size in enumerate(inputs)]
    reach = [dilation * (kernel[0] - 1) + 1, kernel[1]]
    outputs = [(a - b) // s + 1 for a, b, s in zip(room, reach, strides, strict=True)]
    return Geometry(
        batch=batch,
        groups=1,
        channels=channels,
        filters=filters,
        inputs=(inputs[0], inputs[1]),
        outputs=(outputs[0], outputs[1]),
        kernel=(kernel[0], kernel[1]),
        strides=strides,
        dilations=(dilation, 1),
        before=pads[:2],
        after=pads[2:],
    )


@st.composite
def geometries(draw: st.DrawFn, block: int) -> Geometry:
    few = st.integers(1, block - 1)
    channels = draw(st.one_of(few, st.integers(1, 3).map(lambda n: n * block)))
    sides = [draw(st.integers(1, 11)) for _ in range(2)]
    pads = [draw(st.integers(0, draw(st.sampled_from([2, 2, 5])))) for _ in range(4)]
    kernel = [draw(st.integers(1, 4)) for _ in range(2)]
    dilation = draw(st.integers(1, 2))
    assume(sides[0] + pads[0] + pads[2] >= dilation * (kernel[0] - 1) + 1)
    assume(sides[1] + pads[1] + pads[3] >= kernel[1])
    return geometry(
        (draw(st.sampled_from([1, 2, 3, 4, 8, 16, 32])), channels, sides[0], sides[1]),
        (block * draw(st.integers(1, 5)), kernel[0], kernel[1]),
        strides=draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3)])),
        dilation=dilation,
        pads=(pads[0], pads[1], pads[2], pads[3]),
    )


@needs_host
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data(), seed=st.integers(0, 99))
def test_any_tiles_give_the_sums_of_the_definition(data: st.DataObject, seed: int) -> None:
    assert HOST is not None
    g = data.draw(geometries(HOST.block))
    tiles = data.draw(st.sampled_from([tiling_of(g, HOST.block), *tilings(g, HOST.block)]))
    random = numpy.random.default_rng(seed)
    x = random.standard_normal((g.batch, g.channels, *g.inputs), numpy.float32)
    dy = random.standard_normal((g.batch, g.filters, *g.outputs), numpy.float32)
    found = gradient(g, HOST.block, tiles, x, dy)
    expected = definition(g, x, dy)
    assert found.shape == expected.shape
    assert numpy.abs(found - expected).max() <= 1e-5 * max(1.0, numpy.abs(expected).max())


def gradient(
    g: Geometry, block: int, tiles: Tiling, x: numpy.ndarray, dy: numpy.ndarray
) -> numpy.ndarray:
    given, emit = [input_value("x", x.shape), input_value("dy", dy.shape)], BlockedNodes()
    made = {"dw": tiled_kernel_gradient(emit, g, block, tiles, *given)}
    session = start(model_bytes(given, made, emit), CPU, TRAINING, threads=1)
    (found,) = session.run(["dw"], {"x": x, "dy": dy})
    assert isinstance(found, numpy.ndarray)
    return found


def definition(g: Geometry, x: numpy.ndarray, dy: numpy.ndarray) -> numpy.ndarray:
    """In float64: each place of the kernel is a sum of products with what it meets."""
    (top, left), (bottom, right) = g.before, g.after
    padded = numpy.pad(x.astype(numpy.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    result = numpy.zeros((g.filters, g.channels, *g.kernel))
    for place in numpy.ndindex(*g.kernel):
        starts = [at * dilation for at, dilation in zip(place, g.dilations, strict=True)]
        rows, columns = (
            slice(start, start + stride * (size - 1) + 1, stride)
            for start, stride, size in zip(starts, g.strides, g.outputs, strict=True)
        )
        met = padded[:, :, rows, columns]
        result[:, :, *place] = numpy.einsum("nchw,nmhw->mc", met, dy, optimize=True)
    return result


@needs_host
def test_zeros_around_tiles_take_nothing_from_what_is_not_a_number() -> None:
    """What a tile has beside the map is 0, not what lay in memory."""
    assert HOST is not None
    g = geometry((3, HOST.block, 5, 7), (HOST.block, 3, 3), pads=(1, 1, 1, 1))
    x = numpy.full((3, HOST.block, 5, 7), numpy.inf, numpy.float32)
    dy = numpy.ones((3, HOST.block, 5, 7), numpy.float32)
    for tiles in tilings(g, HOST.block):
        assert numpy.isposinf(gradient(g, HOST.block, tiles, x, dy)).all() or tiles.covered > (7, 9)


@pytest.mark.parametrize("side", [1, 7, 14, 56, 97])
def test_tiles_fill_blocks_and_cover_the_map(side: int) -> None:
    for batch in (1, 3, 8, 16):
        g = geometry((batch, 16, side, side), (64, 3, 3), pads=(1, 1, 1, 1))
        tiles = tiling_of(g, 16)
        assert batch * tiles.count % 16 == 0
        for count, one, whole in zip(tiles.counts, tiles.outputs, g.outputs, strict=True):
            assert count * one >= whole
        if batch == 16 and side <= 14:
            assert tiles.count == 1  # Nothing has to be cut.


@pytest.mark.parametrize(
    ("x", "w", "kwargs", "is_taken"),
    [
        ((8, 64, 56, 56), (64, 3, 3), {"pads": (1, 1, 1, 1)}, True),
        ((8, 3, 224, 224), (64, 7, 7), {"strides": (2, 2), "pads": (3, 3, 3, 3)}, True),
        ((64, 6, 14, 14), (16, 5, 5), {}, True),
        ((8, 64, 28, 28), (64, 1, 1), {}, False),  # a product of matrices
        ((8, 24, 28, 28), (64, 3, 3), {}, False),  # channels do not fill blocks
        ((8, 64, 28, 28), (72, 3, 3), {}, False),  # filters do not
        ((1, 512, 7, 7), (512, 3, 3), {"pads": (1, 1, 1, 1)}, False),  # few cells
    ],
)
def test_wide_blocks_take_tiles(
    x: tuple[int, int, int, int], w: tuple[int, int, int], kwargs: dict[str, Any], is_taken: bool
) -> None:
    g = geometry(x, w, **kwargs)
    assert is_faster_kernel_gradient(g, 16) == is_taken
    assert not can_tile(g, 8)

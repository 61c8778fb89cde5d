"""A small model of all blocked forms, those between convolutions too, and what must come out of it.

Where blocks have another size than was assumed, the numbers are wrong without an error.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy
from numpy.lib.stride_tricks import sliding_window_view

from cnndsl.autodiff.geometry import Geometry
from cnndsl.autodiff.rules import Array
from cnndsl.autodiff.windows import pool_windows
from cnndsl.training.host.blocked import forward, kernel_gradient, pictures_in_blocks
from cnndsl.training.host.input_gradient import input_gradient
from cnndsl.training.host.kernels import Host
from cnndsl.training.host.maps import scaled, sums, sums_of_products
from cnndsl.training.host.models import input_value, model_bytes
from cnndsl.training.host.nodes import BlockedNodes
from cnndsl.training.host.pooling import max_pool_gradient

__all__ = ["trial_data", "trial_model"]

_CHANNELS = 64
"""A multiple of every size that blocks may have."""

_CASE = Geometry(
    batch=2,
    groups=1,
    channels=_CHANNELS,
    filters=_CHANNELS,
    inputs=(9, 7),
    outputs=(9, 7),
    kernel=(3, 3),
    strides=(1, 1),
    dilations=(1, 1),
    before=(1, 1),
    after=(1, 1),
)

_SHAPES = {
    "x": (_CASE.batch, _CASE.channels, *_CASE.inputs),
    "w": (_CASE.filters, _CASE.channels, *_CASE.kernel),
    "dy": (_CASE.batch, _CASE.filters, *_CASE.outputs),
    "slope": (_CASE.channels,),
    "shift": (_CASE.channels,),
}


def trial_model(host: Host) -> bytes:
    """A convolution with both gradients, and what lies between convolutions.

    ``x``, ``w`` and ``dy`` give ``y``, ``dx`` and ``dw``, and ``dv``, which is ``dw`` in the other
    form that blocks of a size may have; ``x``, ``slope``, ``shift`` and ``dy`` give
    ``relu(slope x + shift + dy)``, the sums over a channel of ``x`` and of ``x dy``, and what a max
    pooling of ``x`` makes of the gradient ``dy``.
    """
    given = {name: input_value(name, dims) for name, dims in _SHAPES.items()}
    emit, block = BlockedNodes(), host.block
    made = {
        "y": forward(emit, _CASE, block, given["x"], given["w"]),
        "dx": input_gradient(emit, _CASE, block, given["dy"], given["w"]),
        "dw": kernel_gradient(emit, _CASE, block, given["x"], given["dy"]),
        "dv": pictures_in_blocks(emit, _CASE, block, given["x"], given["dy"]),
    }
    x, dy = emit.blocked(given["x"]), emit.blocked(given["dy"])
    made["relu"] = emit.plain(
        scaled(emit, x, given["slope"], given["shift"], dy, activation="Relu")
    )
    made["sums"] = sums(emit, x, block, 1.0, samples=True)
    pads = [*_CASE.before, *_CASE.after]
    largest = emit.op(
        "MaxPool", given["x"], dims=_SHAPES["x"], kernel_shape=_CASE.kernel, pads=pads
    )
    windows = pool_windows(emit[-1], given["x"], largest)
    made["pool"] = max_pool_gradient(emit, windows, block, given["x"], largest, given["dy"])
    made["products"] = sums_of_products(emit, x, dy, block, 1.0, samples=True)
    return model_bytes(given.values(), made, emit)


def trial_data() -> tuple[Mapping[str, Array], Mapping[str, Array]]:
    """What the model is given, and what it must give, by the definition, in float64."""
    random = numpy.random.default_rng(0)
    given = {name: random.standard_normal(dims, numpy.float32) for name, dims in _SHAPES.items()}
    x, w, dy, slope, shift = (given[name].astype(numpy.float64) for name in _SHAPES)
    seen, spread = (_windows(one) for one in (x, dy))
    turned = w[:, :, ::-1, ::-1]
    expected = {
        "y": numpy.einsum("nchwij,mcij->nmhw", seen, w, optimize=True),
        "dx": numpy.einsum("nmhwij,mcij->nchw", spread, turned, optimize=True),
        "dw": numpy.einsum("nchwij,nmhw->mcij", seen, dy, optimize=True),
        "relu": numpy.maximum(slope[:, None, None] * x + shift[:, None, None] + dy, 0),
        "sums": x.sum(axis=(0, 2, 3)),
        "products": (x * dy).sum(axis=(0, 2, 3)),
        "pool": _to_largest(x, dy),
    }
    expected["dv"] = expected["dw"]
    return given, expected


def _to_largest(maps: Array, gradient: Array) -> Array:
    """The gradient of maps of which each cell gives the largest of its neighbours and itself."""
    seen = _windows(maps, -numpy.inf)
    rows, columns = numpy.divmod(seen.reshape(*maps.shape, -1).argmax(-1), _CASE.kernel[1])
    sample, channel, row, column = numpy.indices(maps.shape)
    result = numpy.zeros_like(maps)
    numpy.add.at(result, (sample, channel, row + rows - 1, column + columns - 1), gradient)
    return result


def _windows(maps: Array, outside: float = 0) -> Array:
    """[N, C, H, W] as [N, C, H, W, 3, 3]: each cell with its neighbours, a number outside."""
    padded = numpy.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=outside)
    return sliding_window_view(padded, _CASE.kernel, axis=(2, 3))

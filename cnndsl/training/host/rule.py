"""Says which convolutions have a blocked form, and which are faster in it."""

from __future__ import annotations

import math

from cnndsl.autodiff.geometry import Geometry, is_depthwise
from cnndsl.training.host.input_gradient import can_take_phases
from cnndsl.training.host.tiled import WIDE, can_tile
from cnndsl.training.host.tiling import tiling_of

__all__ = [
    "can_block",
    "can_block_input_gradient",
    "can_block_kernel_gradient",
    "is_faster",
    "is_faster_input_gradient",
    "is_faster_kernel_gradient",
    "is_near",
]


def can_block(g: Geometry, block: int) -> bool:
    """Whether there is a blocked form of the convolution: ONNX Runtime's, in two dimensions.

    Channels and filters of a group fill blocks, or there are fewer channels than a block has, or
    each channel has one filter of its own.
    """
    if g.rank != 2 or g.filters % block:
        return False
    if g.groups == 1 and g.channels < block:
        return True
    return _fills(g, block) or is_depthwise(g)


def can_block_input_gradient(g: Geometry, block: int) -> bool:
    """Whether there is one of the gradient of its input: any number of channels has it."""
    if g.rank != 2 or g.filters % block or not can_take_phases(g):
        return False
    return g.groups == 1 or _fills(g, block) or is_depthwise(g)


def can_block_kernel_gradient(g: Geometry, block: int) -> bool:
    """Whether there is one of the gradient of its kernels: any number of channels has it.

    Of depthwise kernels, where no cell of the input lies behind all windows.
    """
    if can_tile(g, block):
        return True
    if g.rank != 2 or g.filters % block or not g.meets_input:
        return False
    ends = zip(g.after, g.unreached, strict=True)
    return g.groups == 1 or (is_depthwise(g) and all(after >= rest for after, rest in ends))


def is_faster(g: Geometry, block: int) -> bool:
    """Whether the convolution is faster in it, with all that blocks and unblocks.

    Kernels of one cell are a product of matrices in the plain layout, which nothing has to be
    blocked for (1x1: 0.7-1.3 of its time blocked). Of a picture's three channels little is won:
    7x7 with stride 2 1.3, 3x3 0.5-0.9. LeNet-5's second, 64 pictures of 6 channels, takes 0.18 ms
    and not 0.37 (AVX-512, 2 threads).
    """
    if g.channels < block:
        large = math.prod(g.kernel) > 16 and g.filters >= min(32, 256 // block)
        return can_block(g, block) and large and _pays(g, block)
    return can_block(g, block) and math.prod(g.kernel) > 1 and _pays(g, block)


def is_faster_input_gradient(g: Geometry, block: int) -> bool:
    """Whether the gradient of its input is.

    With 6 channels of the 16 that a block has: LeNet-5's second, 5x5, 0.72 ms and not 1.15; 3x3
    with 32 filters 0.31 and not 0.28 (AVX-512, 2 threads).
    """
    places = math.prod(g.kernel)
    filled = g.groups > 1 or places > 16 or 2 * g.channels > block
    return can_block_input_gradient(g, block) and places > 1 and filled and _pays(g, block)


def is_faster_kernel_gradient(g: Geometry, block: int) -> bool:
    """Whether the gradient of its kernels is; for one cell, MatMul takes a fifth of its time.

    In wide blocks only that of tiles is, of whichever channels: three results to a row are too few
    for vectors of 16, so that the other takes 0.7-2.2 times as long as the standard form.
    """
    if math.prod(g.kernel) == 1 or not can_block_kernel_gradient(g, block):
        return False
    if block < WIDE:
        return g.channels >= block and _pays(g)
    return is_depthwise(g) or (can_tile(g, block) and _tiles_pay(g, block))


def _tiles_pay(g: Geometry, block: int) -> bool:
    """Whether maps are large enough to be cut; whole ones, of pictures that fill blocks, need less.

    64 pictures of 6 channels at 14x14 took 0.42 ms and not 0.61, 16 of them 0.10 and not 0.18; one
    of 64 at 28x28 as long as before, and five of 512 at 7x7, where tiles are half empty, longer.
    """
    tiles = tiling_of(g, block)
    if tiles.count > 1:
        return _pays(g) and tiles.count * math.prod(tiles.outputs) <= 1.3 * math.prod(g.outputs)
    return g.cells * g.filters * g.channels * math.prod(g.kernel) >= LEAST_WHOLE


def _pays(g: Geometry, block: int = 8) -> bool:
    """Whether there is so much to multiply that blocking it, and the kernels, is little beside it.

    One picture of 16 channels at 32x32 took 0.34 ms and not 0.18, one of 256 at 14x14 12 and not 3;
    eight of 512 at 7x7 are 1.3 times as fast, though their kernels are large. Depthwise
    convolutions are 3-8 times as fast, the gradients of their inputs 2-12. With blocks of 16, two
    pictures of 16 channels at 32x32 take 0.06 ms and not 0.09, the gradient of their input 0.06 and
    not 0.13; for that of the kernels both forms take the same.
    """
    if is_depthwise(g):
        return True
    products = g.cells * g.filters * g.per_group * math.prod(g.kernel)
    least = LEAST_PRODUCTS if block < 16 else LEAST_PRODUCTS // 4
    return g.cells >= LEAST_CELLS and products >= least


def is_near(g: Geometry, block: int) -> bool:
    """Whether another machine may find the other form faster, of two that there are.

    That is where a bound of :func:`_pays` is within a factor of eight, for few channels, and for
    kernels of one cell, whose product of matrices took 0.7-1.3 of the time.
    """
    if is_depthwise(g):
        return False
    places = math.prod(g.kernel)
    products = g.cells * g.filters * g.per_group * places
    if products < LEAST_PRODUCTS // NEAR:
        return False
    if places == 1 or g.channels < block:
        return True
    return g.cells < LEAST_CELLS * NEAR or products < LEAST_PRODUCTS * NEAR


NEAR = 8
"""The factor within which a bound is near: what moves most is how large the CPU's caches are."""

LEAST_CELLS = 256
"""The fewest cells of all maps of a filter: of fewer, the kernels are most of what is blocked."""

LEAST_PRODUCTS = 2**24
"""The fewest multiplications of numbers."""

LEAST_WHOLE = 2**21
"""The same for the gradient of kernels where no map has to be cut into tiles."""


def _fills(g: Geometry, block: int) -> bool:
    return g.per_group % block == 0 and g.filters // g.groups % block == 0

"""Resampling: ``upsample`` makes feature maps larger, with nothing to learn."""

import math
from collections.abc import Iterator
from typing import Literal, TypeAlias, TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.frozen import frozen
from cnndsl.layers.axis_footprint import AxisFootprint
from cnndsl.layers.base import Bounds, Layer, ShapeFault, Sizes
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.floats import single
from cnndsl.layers.formula import Symbol, Term
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.terms import size_terms, stream_terms
from cnndsl.layers.windowed import fit, miscount, unusable
from cnndsl.types import TensorType

__all__ = ["Mode", "Resampling", "Upsample"]

V = TypeVar("V")

Mode: TypeAlias = Literal["nearest", "bilinear"]
"""Whether one cell is copied, or those around a place are mixed, along every dimension."""


@frozen
class Resampling(AxisFootprint):
    """How cells along one dimension are resampled, in exact arithmetic.

    Position ``p`` lies, in cells of the input, at ``p W/W'`` for the nearest cell, which is the
    one it lies in; at ``(p + 1/2) W/W' - 1/2`` between the two cells that are mixed, or at
    ``p (W - 1)/(W' - 1)`` where the corners are aligned.

    >>> Resampling(3, 6, "bilinear").cells(2), Resampling(3, 6, "nearest").cells(5)
    (range(0, 2), range(2, 3))
    """

    size: int
    made: int
    mode: Mode
    align_corners: bool = False

    @property
    @override
    def output(self) -> int:
        return self.made

    @property
    @override
    def pace(self) -> tuple[int, int]:
        size, made = self.size, self.made
        if self.align_corners:
            size, made = size - 1, made - 1
        common = math.gcd(size, made) or 1
        return max(1, made // common), size // common

    @property
    @override
    def hull(self) -> tuple[int, int]:
        positions, cells = self.pace
        if self.mode == "nearest":
            return 1 - positions, 0
        if self.align_corners:
            return 1 - positions, positions - 1
        shift = cells - positions  # twice what the half cells make
        return shift // 2 - positions, -(-shift // 2) + positions

    @override
    def cells(self, position: int) -> range:
        positions, cells = self.pace
        if self.mode == "nearest" or self.align_corners:
            place, left = divmod(position * cells, positions)
        else:
            place, left = divmod((2 * position + 1) * cells - positions, 2 * positions)
        return range(place, place + (2 if left and self.mode == "bilinear" else 1))


class Upsample(Layer):
    """Makes feature maps larger, by a factor or to a size: copies cells, or mixes neighbours."""

    keyword = "upsample"
    family = "shape"
    per_channel = True
    positional = ("factor",)

    factor: Sizes | None = Field(
        default=None,
        description="how many times as large: `2`, or `2x1` for each dimension",
        examples=["2"],
    )
    size: Sizes | None = Field(
        default=None, description="the output's size instead: `size 32x32`", examples=["32x32"]
    )
    mode: Mode = Field(
        default="nearest",
        description=(
            "`nearest` copies the cell in which a place lies; `bilinear` mixes the cells around it"
            " by their distance, along every dimension"
        ),
    )
    align_corners: bool = Field(
        default=False,
        description="for `bilinear`: whether the corners' centres stay where they are",
    )

    def sizes(self, source: TensorType) -> tuple[int, ...]:
        """The output's spatial sizes."""
        rank = len(source.spatial)
        if self.size is not None:
            return fit(self.size, rank)
        factors = fit(self.factor or (1,), rank)
        return tuple(size * times for size, times in zip(source.spatial, factors, strict=True))

    def resamplings(self, source: TensorType) -> tuple[Resampling, ...]:
        """How each dimension is resampled."""
        return tuple(
            Resampling(size, made, self.mode, self.align_corners)
            for size, made in zip(source.spatial, self.sizes(source), strict=True)
        )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        rank = len(inputs[0].spatial)
        if not 1 <= rank <= 3:
            yield unusable(self, inputs[0])
            return
        yield from self._setting_faults()
        for name, sizes in (("factor", self.factor), ("size", self.size)):
            if sizes is not None and len(sizes) not in {1, rank}:
                yield miscount(name, sizes, rank)

    def _setting_faults(self) -> Iterator[ShapeFault]:
        """Settings that do not go together."""
        if self.factor is None and self.size is None:
            message = "`upsample` needs a factor or a size"
            help = "write `upsample 2`, or `upsample size 32x32`"
            yield ShapeFault(FaultKind.MISSING, message, help=help)
        elif self.factor is not None and self.size is not None:
            message = "the size is given twice: by a factor and by `size`"
            help = "leave one of them out"
            yield ShapeFault(FaultKind.SURPLUS, message, blame=("size", "factor"), help=help)
        if self.align_corners and self.mode == "nearest":
            yield ShapeFault(
                FaultKind.SURPLUS,
                "`mode nearest` mixes no cells: it has no corners to align",
                blame=("align_corners",),
                help="leave `align_corners` out, or write `mode bilinear`",
            )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((inputs[0].channels, *self.sizes(inputs[0])))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        channels, *sizes = stream_terms(inputs[0])
        if self.size is not None:
            return (channels, *size_terms(self.size, inputs[0]))
        factors = fit(self.factor or (1,), len(sizes))
        pairs = zip(sizes, factors, strict=True)
        return (channels, *(size * Symbol("F", by, "factor", "factor") for size, by in pairs))

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return inputs[0]

    @override
    def footprint(self, *inputs: TensorType) -> tuple[Resampling, ...]:
        return self.resamplings(inputs[0])

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Resize; Gather along each dimension where the nearest cell comes by a fraction.

        Resize rounds that fraction in float32, and takes the cell before where it should come out
        whole: 29 of 1,500 random pairs of sizes up to 240 differ from the formula so. (22 of
        PyTorch's do, which rounds in float32 at another place.)

        Its factors are of all axes, the batch's too: where only some axes are named, ONNX Runtime
        fails to move a Transpose through it. Through a linear one it must move none, or channels
        might come to stand between what is mixed, for which it has no kernel: a Reshape stops it
        that makes each channel of each sample a sample (one to the same sizes would be left out
        where the batch is fixed).
        """
        (source,), (kind,) = context.inputs, context.types
        if context.output.dims == kind.dims:
            return source
        ways = self.resamplings(kind)
        if self.mode == "nearest" and any(way.made % way.size for way in ways):
            for axis, way in enumerate(ways, start=2):
                if way.made != way.size:
                    places = [way.cells(position).start for position in range(way.made)]
                    source = emit.op("Gather", source, emit.constant(places), axis=axis)
            return source
        if self.mode == "nearest":
            coordinates, mode = "asymmetric", "nearest"
        else:
            coordinates, mode = "align_corners" if self.align_corners else "half_pixel", "linear"
        more = {"nearest_mode": "floor"} if mode == "nearest" else {}
        if mode == "linear":
            source = emit.op("Reshape", source, emit.constant([-1, 1, *kind.spatial]))
        resized = emit.op(
            "Resize",
            source,
            None,
            emit.constant([1.0, 1.0, *(_times(way.size, way.made) for way in ways)]),
            mode=mode,
            coordinate_transformation_mode=coordinates,
            **more,
        )
        if mode == "linear":
            resized = emit.op("Reshape", resized, emit.constant([-1, *context.output.dims]))
        return resized


def _times(size: int, made: int) -> float:
    """The factor, in float32, that makes so many cells of a size: their product is rounded down."""
    times = single(made / size)
    while size * times < made:
        times = single(times * (1 + 2**-23))
    return times

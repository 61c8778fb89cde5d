"""The types of the values that flow through a network.

A :class:`TensorType` is what the checker proves about a value before anything is allocated: its
element type and its size along every dimension but the batch, which is always the first
dimension and stays symbolic (``N``).
"""

from __future__ import annotations

import math
from enum import StrEnum

from typing_extensions import override

from cnndsl.frozen import frozen

__all__ = ["DType", "TensorType"]


class DType(StrEnum):
    """The element type of a tensor."""

    FLOAT32 = "float32"
    INT64 = "int64"

    @property
    def size(self) -> int:
        """Bytes per element."""
        return 4 if self is DType.FLOAT32 else 8


_SPATIAL_AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@frozen
class TensorType:
    """The type of one value: its sizes without the batch dimension, and its element type.

    Token ids (int64) have a ``vocabulary``: there are so many, from 0 on.

    Pictures and feature maps are channels x spatial sizes: ``TensorType((6, 28, 28))`` has one
    spatial rank of two. Vectors have one dimension: ``TensorType((120,))``.

    >>> feature_maps = TensorType((6, 28, 28))
    >>> str(feature_maps), feature_maps.channels, feature_maps.spatial, feature_maps.elements
    ('6x28x28', 6, (28, 28), 4704)
    """

    dims: tuple[int, ...]
    dtype: DType = DType.FLOAT32
    vocabulary: int | None = None

    @override
    def __str__(self) -> str:
        return "x".join(str(dim) for dim in self.dims)

    @property
    def channels(self) -> int:
        """The size of the first dimension: channels of a feature map, units of a vector."""
        return self.dims[0]

    @property
    def spatial(self) -> tuple[int, ...]:
        """The sizes after the channels; empty for a vector."""
        return self.dims[1:]

    @property
    def axes(self) -> tuple[str, ...]:
        """What its dimensions are called.

        >>> TensorType((6, 28, 28)).axes, TensorType((64, 101)).axes, TensorType((10,)).axes
        (('channels', 'height', 'width'), ('channels', 'length'), ('channels',))
        """
        return ("channels", *_SPATIAL_AXES.get(len(self.spatial), ()))

    @property
    def elements(self) -> int:
        """How many numbers one sample holds."""
        return math.prod(self.dims)

    @property
    def is_tokens(self) -> bool:
        """Whether these are token ids, not numbers to compute with."""
        return self.dtype is DType.INT64

    def resized(self, dims: tuple[int, ...]) -> TensorType:
        """The type of the same elements in other sizes."""
        return TensorType(dims, self.dtype, self.vocabulary)

    @property
    def bytes(self) -> int:
        """Bytes of one sample."""
        return self.elements * self.dtype.size

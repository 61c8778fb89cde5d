"""Dropout of more than single numbers: `spatialdropout` of channels, `droppath` of samples."""

from collections.abc import Iterator
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.lowering import TrainingBuilder
from cnndsl.layers.regularization import Regularizer, dropped
from cnndsl.types import TensorType

__all__ = ["DropPath", "SpatialDropout"]

V = TypeVar("V")


class SpatialDropout(Regularizer):
    """In training, sets whole channels to zero at random (Tompson et al. 2015)."""

    keyword = "spatialdropout"
    per_channel = True
    positional = ("rate",)

    rate: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="probability that a channel is zero; those that stay are divided by 1 - rate",
    )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        if not inputs[0].spatial:
            yield ShapeFault(
                FaultKind.VECTOR,
                f"`spatialdropout` drops whole feature maps, and its input is a vector of"
                f" {inputs[0]}",
                help="write `dropout`, which drops single numbers, or put it before `flatten`",
            )

    @property
    @override
    def strength(self) -> float:
        return self.rate

    @override
    def disturbed(self, emit: TrainingBuilder[V], source: V, kind: TensorType) -> V:
        mask = (emit.batch, kind.channels, *(1 for _ in kind.spatial))
        return dropped(emit, source, self.rate, emit.uniform(mask))


class DropPath(Regularizer):
    """In training, sets a branch to zero for samples drawn at random: stochastic depth."""

    keyword = "droppath"
    per_channel = True
    positional = ("rate",)

    rate: float = Field(
        ge=0,
        lt=1,
        description="probability that a sample's branch is zero; others are divided by 1 - rate",
        examples=["0.1"],
    )

    @property
    @override
    def strength(self) -> float:
        return self.rate

    @override
    def disturbed(self, emit: TrainingBuilder[V], source: V, kind: TensorType) -> V:
        """One draw for each sample (Huang et al. 2016), scaled in training already."""
        return dropped(emit, source, self.rate, emit.uniform((emit.batch, *(1 for _ in kind.dims))))

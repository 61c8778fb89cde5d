"""The ways in which a layer cannot take its inputs."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["FaultKind"]


class FaultKind(StrEnum):
    """Why a layer cannot take its inputs. Its value is the code that a person reads."""

    PARTS = "CNN131"
    """An axis does not split into the parts."""
    REMAINDER = "CNN301"
    """A window does not tile its input."""
    TOO_LARGE = "CNN302"
    """A window is larger than its padded input."""
    BLIND = "CNN303"
    """A window of a pool sees nothing but padding."""
    CHANNEL_GROUPS = "CNN304"
    """The input channels do not split into the groups."""
    UNLIKE = "CNN305"
    """The inputs of a join do not fit each other."""
    VECTOR = "CNN306"
    """A vector where feature maps are needed."""
    FEATURE_MAPS = "CNN307"
    """Feature maps where a vector is needed."""
    SIZE_COUNT = "CNN308"
    """A parameter has another number of sizes than the input has dimensions."""
    FILTER_GROUPS = "CNN309"
    """The filters do not split into the groups."""
    UNSUITED = "CNN310"
    """The input is nothing that the layer works on, or makes its output trivial."""
    NOTHING_LEFT = "CNN340"
    """The padding of a transposed window crops all of its output."""
    OUTPUT_PADDING = "CNN341"
    """The output padding is not below the stride."""
    NO_SUCH_ID = "CNN330"
    """An id is none of the vocabulary's."""
    SETTLED_SIZE = "CNN342"
    """Output padding where the padding settles the output's size already."""
    PREPARATION = "CNN503"
    """Settings of an input's preparation do not fit each other or the input."""

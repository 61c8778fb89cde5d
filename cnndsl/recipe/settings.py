"""The settings of `train { }`: the simple ones, and what all schemas of settings share.

Those that come in kinds stand in :mod:`losses`, :mod:`optimizers`, :mod:`schedules` and
:mod:`augmentations`; a kind is loaded when a spec names it.

Two kinds of time: epochs are counted from 1, as training shows them; *t* is the time in epochs
with its fraction (the middle of the first epoch is 0.5), taken anew at each step. *E* are all
epochs, *W* those of the warm-up.
"""

# No `from __future__ import annotations`: pydantic would have to compile every annotation of the
# thirty classes here when they are defined, on the way to every check.

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from cnndsl.layers.base import MAX_SIZE, Count, InitWord, NotNegative, Positive, Schema

__all__ = [
    "Batch",
    "BelowOne",
    "Clip",
    "EarlyStop",
    "Epochs",
    "Initializer",
    "LossWeight",
    "MaxNorm",
    "NotNegative",
    "Portion",
    "Positive",
    "Precision",
    "PrecisionWord",
    "RateFactor",
    "Scalar",
    "Seed",
    "Shards",
    "Variant",
    "WeightDecay",
    "Whole",
]

BelowOne: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Portion: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
Whole: TypeAlias = Annotated[int, Field(ge=0, le=MAX_SIZE)]


class Variant(Schema):
    """A setting that comes in several kinds; ``keyword`` is the word that picks this one."""

    keyword: ClassVar[str]

    needed: ClassVar[tuple[str, ...]] = ()
    """What every kind has to say for itself; ``change or move`` is one of the two."""


class Scalar(Schema):
    """A setting that is a value, perhaps with attributes behind it: ``batch 64``."""

    positional = ("value",)
    value: Any


# --- scalars ----------------------------------------------------------------------------------


class WeightDecay(Scalar):
    """Half this number times the sum of the squared weights is added to the loss."""

    value: NotNegative = Field(description="the factor; 0 for none", examples=[5e-4])
    all: bool = Field(default=False, description="whether biases and normalisation decay too")


class Clip(Scalar):
    """Where the norm of all gradients together exceeds this, they are scaled down to it."""

    value: Positive = Field(description="largest norm", examples=[1.0])


class Batch(Scalar):
    """How many samples one step sees."""

    value: Count = Field(description="samples in a batch", examples=[64])


class Shards(Scalar):
    """A batch is computed as so many parts, on as many machines or one after the other."""

    value: Count = Field(description="parts of a batch", examples=[4])


class Epochs(Scalar):
    """How often training goes through the data."""

    value: Count = Field(description="passes over the training data", examples=[10])


class Seed(Scalar):
    """Where all randomness starts: the same seed gives the same run."""

    value: int = Field(ge=0, lt=2**32, description="any whole number below 2^32", examples=[1])


class EarlyStop(Scalar):
    """Training ends when the validation loss has had no new best for so long."""

    value: Count = Field(description="epochs without a new best", examples=[5])


class Initializer(Scalar):
    """How weights begin whose layer does not say it itself; biases begin at 0."""

    value: InitWord = Field(
        description="he, glorot, lecun, uniform(limit), normal(deviation) or constant(number)",
        examples=["he", "normal(0.01)"],
    )


PrecisionWord: TypeAlias = Literal["float32", "float16", "bfloat16"]
"""The types that the products of a training step can be computed in."""


class Precision(Scalar):
    """What convolutions and matrix products are computed in; weights and updates stay float32."""

    value: PrecisionWord = Field(
        description="the type of the products' factors", examples=["float16"]
    )


class LossWeight(Schema):
    """What a head's loss is multiplied by in the sum that training makes small."""

    # Far from what float32 cannot hold: with that, the sum would be infinite from the first step.
    weight: Positive = Field(default=1.0, le=1e30, description="the factor", examples=[0.3])


class RateFactor(Scalar):
    """The learning rate of a layer, or of everything under a label, is multiplied by this."""

    label: str = Field(description="a layer's name, or a label that opens a scope")
    value: Positive = Field(description="the factor", examples=[0.1])


class MaxNorm(Scalar):
    """Behind each step, a unit's weights whose norm exceeds this are scaled down to it.

    A unit is an output of `dense` or a filter of a convolution: the root of the sum of its squared
    weights, without the bias, is held (Srebro & Shraibman 2005).
    """

    label: str = Field(description="a layer's name, or a label that opens a scope")
    value: Positive = Field(description="largest norm", examples=[3.0])

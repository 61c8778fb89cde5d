"""The settings of `train { }`: one schema for each thing that a recipe can say.

Two kinds of time: whole epochs are counted from 0; *t* is the time in epochs with its fraction
(the middle of the first epoch is 0.5), taken anew at each step. *E* are all epochs, *W* those of
the warm-up.
"""

# No `from __future__ import annotations`: pydantic would have to compile every annotation of the
# thirty classes here when they are defined, on the way to every check.

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from cnndsl.layers.base import MAX_SIZE, Count, InitWord, Schema

__all__ = [
    "Adam",
    "AdamW",
    "Augmentation",
    "Batch",
    "BinaryCrossEntropy",
    "Clip",
    "Constant",
    "Cosine",
    "Crop",
    "CrossEntropy",
    "Cutout",
    "EarlyStop",
    "Epochs",
    "Exponential",
    "Flip",
    "Hinge",
    "Initializer",
    "Loss",
    "MeanSquaredError",
    "MultiStep",
    "Noise",
    "Optimizer",
    "Plateau",
    "Polynomial",
    "RateFactor",
    "RmsProp",
    "Rotate",
    "Scalar",
    "Schedule",
    "Seed",
    "Sgd",
    "Shift",
    "Step",
    "Variant",
    "WeightDecay",
]

Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
BelowOne: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Portion: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
Whole: TypeAlias = Annotated[int, Field(ge=0, le=MAX_SIZE)]


class Variant(Schema):
    """A setting that comes in several kinds; ``keyword`` is the word that picks this one."""

    keyword: ClassVar[str]


class Scalar(Schema):
    """A setting that is a value, perhaps with attributes behind it: ``batch 64``."""

    positional = ("value",)
    value: Any


# --- loss -------------------------------------------------------------------------------------


class Loss(Variant):
    """What training makes small: the mean over the batch of a sample's loss."""


class CrossEntropy(Loss):
    """Minus the logarithm of the probability that the network gives to the right class."""

    keyword = "crossentropy"
    smoothing: BelowOne = Field(
        default=0.0,
        description="label smoothing: this share of the target is spread over all classes evenly",
    )


class BinaryCrossEntropy(Loss):
    """Cross-entropy of each output on its own, for labels that do not exclude each other."""

    keyword = "binarycrossentropy"


class MeanSquaredError(Loss):
    """The mean of the squared differences between output and target."""

    keyword = "mse"


class Hinge(Loss):
    """The sum over the wrong classes of max(0, margin + wrong score - right score)."""

    keyword = "hinge"
    margin: Positive = Field(
        default=1.0, description="by how much the right class's score must exceed each other one"
    )


# --- optimizer --------------------------------------------------------------------------------


class Optimizer(Variant):
    """How a step follows from the gradients."""

    @property
    def slots(self) -> int:
        """How many numbers of state it keeps for each parameter."""
        return 0


class Sgd(Optimizer):
    """Stochastic gradient descent: v = momentum*v + g, w = w - lr*v."""

    keyword = "sgd"
    lr: Positive = Field(default=0.01, description="learning rate")
    momentum: BelowOne = Field(
        default=0.0, description="share of the last step's velocity that is kept"
    )
    nesterov: bool = Field(
        default=False, description="step along g + momentum*v (Sutskever et al. 2013)"
    )

    @field_validator("nesterov")
    @classmethod
    def _has_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise ValueError("`nesterov yes` needs a `momentum` above 0")
        return nesterov

    @property
    @override
    def slots(self) -> int:
        """The velocity, where there is momentum."""
        return 1 if self.momentum else 0


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), with bias correction; weight decay is added to the gradient."""

    keyword = "adam"
    lr: Positive = Field(default=0.001, description="learning rate")
    beta1: BelowOne = Field(default=0.9, description="decay of the mean of the gradients")
    beta2: BelowOne = Field(default=0.999, description="decay of the mean of their squares")
    eps: Positive = Field(default=1e-8, description="added to the root, against division by zero")

    @property
    @override
    def slots(self) -> int:
        """The two moving means."""
        return 2


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: w = w - lr*decay*w (Loshchilov & Hutter)."""

    keyword = "adamw"


class RmsProp(Optimizer):
    """RMSprop (Tieleman & Hinton 2012): steps of g / (root of the mean of squares + eps)."""

    keyword = "rmsprop"
    lr: Positive = Field(default=0.01, description="learning rate")
    alpha: BelowOne = Field(default=0.99, description="decay of the mean of the squares")
    eps: Positive = Field(default=1e-8, description="added to the root, against division by zero")
    momentum: BelowOne = Field(
        default=0.0, description="share of the last step's velocity that is kept"
    )

    @property
    @override
    def slots(self) -> int:
        """The mean of squares, and the velocity where there is momentum."""
        return 2 if self.momentum else 1


# --- schedule ---------------------------------------------------------------------------------


class Schedule(Variant):
    """How the learning rate goes over the epochs: the factor that `lr` is multiplied by."""

    warmup: Whole = Field(
        default=0, description="epochs over which the learning rate first rises from 0, linearly"
    )


class Constant(Schedule):
    """Always 1."""

    keyword = "constant"


class Step(Schedule):
    """Multiplied by gamma every so many epochs, counted from the start."""

    keyword = "step"
    every: Count = Field(description="epochs between two drops", examples=[30])
    gamma: Portion = Field(default=0.1, description="factor of each drop")


class MultiStep(Schedule):
    """Multiplied by gamma at the start of each of these epochs."""

    keyword = "multistep"
    at: tuple[Count, ...] = Field(
        min_length=1,
        description="epochs that begin with a drop, rising",
        examples=["[30, 60]"],
    )
    gamma: Portion = Field(default=0.1, description="factor of each drop")

    @field_validator("at")
    @classmethod
    def _rises(cls, at: tuple[int, ...]) -> tuple[int, ...]:
        for earlier, later in pairwise(at):
            if later <= earlier:
                raise ValueError(f"epochs must rise, but {later} comes after {earlier}")
        return at


class Cosine(Schedule):
    """(1 + cos(pi*(t - W)/(E - W)))/2: from 1 to 0 (Loshchilov & Hutter 2017)."""

    keyword = "cosine"


class Exponential(Schedule):
    """gamma to the power of the whole epochs since the warm-up."""

    keyword = "exponential"
    gamma: Portion = Field(default=0.95, description="factor of each epoch")


class Polynomial(Schedule):
    """(1 - (t - W)/(E - W)) to a power: from 1 to 0; a straight line where the power is 1."""

    keyword = "polynomial"
    power: Positive = Field(default=1.0, description="the exponent")


class Plateau(Schedule):
    """Multiplied by a factor when the validation loss (without one, the training loss) stalls."""

    keyword = "plateau"
    patience: Count = Field(default=5, description="epochs without a new best before each drop")
    factor: Portion = Field(default=0.1, description="factor of each drop")


# --- augmentation -----------------------------------------------------------------------------


class Augmentation(Variant):
    """A random change of a training sample; several are applied in the order written."""


class Crop(Augmentation):
    """A random piece of the input's size, of the sample with zeros added around it."""

    keyword = "crop"
    padding: Count = Field(default=4, description="zeros added on each side, in cells")


class Flip(Augmentation):
    """Mirrored."""

    keyword = "flip"
    positional = ("direction",)
    direction: Literal["horizontal", "vertical", "both"] = Field(
        default="horizontal", description="left to right, top to bottom, or each on its own"
    )
    probability: float = Field(default=0.5, gt=0, le=1, description="how often")


class Rotate(Augmentation):
    """Turned by a random angle about the middle; what comes in at the corners is zero."""

    keyword = "rotate"
    positional = ("degrees",)
    degrees: float = Field(default=10.0, gt=0, le=180, description="largest angle either way")


class Shift(Augmentation):
    """Moved by a random number of cells along each dimension; what comes in is zero."""

    keyword = "shift"
    positional = ("cells",)
    cells: Count = Field(default=2, description="largest distance either way")


class Noise(Augmentation):
    """Gaussian noise added to every number."""

    keyword = "noise"
    positional = ("std",)
    std: Positive = Field(
        default=0.1, description="standard deviation, in units of the prepared input"
    )


class Cutout(Augmentation):
    """A square at a random place set to zero (DeVries & Taylor 2017)."""

    keyword = "cutout"
    positional = ("size",)
    size: Count = Field(default=8, description="its side, in cells")


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


class RateFactor(Scalar):
    """The learning rate of a layer, or of everything under a label, is multiplied by this."""

    label: str = Field(description="a layer's name, or a label that opens a scope")
    value: Positive = Field(description="the factor", examples=[0.1])

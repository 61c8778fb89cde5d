"""What a loss is: one class that holds its parameters, its labels, its formulas and its limits.

A loss compares the numbers of one output, its *scores*, with that output's labels; which output it
is, a loss does not know. It emits itself into a training step through a
:class:`~cnndsl.recipe.builder.StepBuilder`, and says the same in NumPy for evaluation.

Channels, and with them classes, stand on axis 1; what lies behind is places, each with a label of
its own. In a step a loss is a mean: over samples and places, and where each number of the output
has a label of its own, over these.

To add a loss, write one class in a file of its own, here or in a package of your own that declares
the entry point ``cnndsl.losses``.
"""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from cnndsl.frozen import frozen
from cnndsl.layers.base import Bounds
from cnndsl.recipe.builder import INT64, StepBuilder
from cnndsl.recipe.settings import Variant
from cnndsl.types import DType

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

__all__ = [
    "Array",
    "Doubles",
    "LabelKind",
    "Loss",
    "LossContext",
    "LossFault",
    "is_label",
    "shortly",
]

V = TypeVar("V")

Array: TypeAlias = "NDArray[Any]"
Doubles: TypeAlias = "NDArray[numpy.float64]"


class LabelKind(Enum):
    """What the labels of a loss are, and with them its answers."""

    CLASS = "class"
    """The number of the right class for each sample or place: the highest score is the answer."""

    SHARE = "share"
    """From 0 to 1 for each number of the output: whether, or how much, a label holds."""

    VALUE = "value"
    """A number for each number of the output, to be met."""

    @property
    def dtype(self) -> DType:
        """The labels' element type."""
        return DType.INT64 if self is LabelKind.CLASS else DType.FLOAT32


@frozen
class LossContext(Generic[V]):
    """Where a loss is lowered: scores and labels, and the sizes of the scores, the batch first."""

    scores: V
    labels: V
    dims: tuple[int, ...]

    @property
    def classes(self) -> int:
        """How many classes the scores tell apart."""
        return self.dims[1]

    @property
    def places(self) -> int:
        """How many samples and places a batch has: of classes, how many answers."""
        return math.prod(self.dims) // self.classes


@frozen
class LossFault:
    """Why a loss cannot take an output, and what would."""

    message: str
    help: str


class Loss(Variant):
    """What training makes small: the mean over the batch of a sample's loss."""

    needed = ("labels", "lower", "of_answers")

    labels: ClassVar[LabelKind]
    """What its labels are."""

    activation: ClassVar[str] = ""
    """The layer that makes probabilities of its scores: behind one, it takes the layer's input."""

    suits: ClassVar[str] = ""
    """When to choose it for what its ``activation`` gives: ``one class is right``."""

    threshold: ClassVar[float] = 0.0
    """Of shares: the score above which a label is held to hold."""

    squares: ClassVar[bool] = False
    """Of values: whether it is the mean of the squared errors, whose root training shows."""

    # --- labels ---

    def label_dims(self, dims: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes of the labels for an output of these sizes, in both the batch first."""
        return (dims[0], *dims[2:]) if self.labels is LabelKind.CLASS else dims

    def fault(self, channels: int) -> LossFault | None:
        """Why it cannot take an output of so many channels; None where it can."""
        if self.labels is not LabelKind.CLASS or channels > 1:
            return None
        return LossFault(
            f"the loss `{self.keyword}` compares classes, but the network has a single output",
            "give it an output for each class, or write `loss binarycrossentropy`",
        )

    # --- in a training step ---

    def lower(self, emit: StepBuilder[V], context: LossContext[V]) -> V:
        """Emit the loss, a scalar of the scores' type."""
        raise NotImplementedError

    def lower_metric(self, emit: StepBuilder[V], context: LossContext[V]) -> V:
        """Emit how many answers are right (int64), or of values the mean absolute error.

        An answer is right where the class with the highest score is the label (of several, the
        first). Of shares each number is an answer: right on the label's side.
        """
        scores, labels = context.scores, context.labels
        if self.labels is LabelKind.VALUE:
            error = emit.op("Abs", emit.op("Sub", scores, labels))
            return emit.op("ReduceMean", error, keepdims=0)
        if self.labels is LabelKind.CLASS:
            answer, truth = emit.op("ArgMax", scores, axis=1, keepdims=0), labels
        else:
            answer = emit.op("Greater", scores, emit.scalar(self.threshold, scores))
            truth = emit.op("Greater", labels, emit.scalar(0.5, labels))
        hits = emit.op("Cast", emit.op("Equal", answer, truth), to=INT64)
        return emit.op("ReduceSum", hits, keepdims=0)

    # --- in evaluation ---

    def of_answers(self, scores: Array, labels: Array) -> Doubles:
        """The loss of each answer, in float64: their mean is what a step gives.

        Of classes there is an answer for each sample or place, else for each number.
        """
        raise NotImplementedError

    def broken(self, scores: Array) -> Array:
        """Which answers are no numbers."""
        import numpy

        if self.labels is LabelKind.CLASS:
            largest = scores.max(axis=1)
            return numpy.asarray(largest != largest)
        return numpy.isnan(scores)

    # --- what is known of it in front ---

    def limit(self, bounds: Bounds, channels: int) -> str:
        """What it cannot fall below, where all scores lie between two numbers; empty for 0."""
        return ""

    def of_guessing(self, classes: int) -> tuple[float, str] | None:
        """The loss of a network that knows nothing, and how it is computed; None if unknown."""
        return None


# --- what losses share ------------------------------------------------------------------------


def is_label(emit: StepBuilder[V], context: LossContext[V]) -> V:
    """For each score whether it is that of the label's class."""
    import numpy

    shape = (1, context.classes, *(1 for _ in context.dims[2:]))
    numbers = emit.tensor(numpy.arange(context.classes).reshape(shape))
    labels = emit.op("Unsqueeze", context.labels, emit.constant([1]))
    return emit.op("Equal", labels, numbers)


def shortly(loss: float) -> str:
    """A loss with two digits behind the point, or two digits at all where it is small.

    >>> shortly(1.234), shortly(0.01234)
    ('1.23', '0.012')
    """
    return f"{loss:.2f}" if loss >= 0.1 else f"{loss:.2g}"

"""What a layer is: one class that holds its parameters, size rule, weights and lowering.

A layer knows nothing of source text. Its problems are :class:`ShapeFault` values that blame
*parameters* by name; the checker turns those into places in the text. It knows nothing of ONNX
libraries either: it lowers itself through a :class:`~cnndsl.layers.lowering.Builder`.

To add a layer, write one class in the file of its family (or in a package of your own that
declares the entry point ``cnndsl.layers``) and its page ``docs/layers/KEYWORD.md``.
"""

# No `from __future__ import annotations` where pydantic models are: it would have to compile each
# annotation anew for every subclass, on the way to every check.

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from cnndsl.frozen import frozen
from cnndsl.layers.axis_footprint import AxisFootprint
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.floats import LARGEST as LARGEST
from cnndsl.layers.floats import NotNegative as NotNegative
from cnndsl.layers.floats import Positive as Positive
from cnndsl.layers.floats import Real as Real
from cnndsl.layers.formula import Number, Term
from cnndsl.layers.init import Init as Init
from cnndsl.layers.init import InitWord as InitWord
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder
from cnndsl.layers.sizes import MAX_SIZE as MAX_SIZE
from cnndsl.layers.sizes import Count as Count
from cnndsl.layers.sizes import RoundingWord as RoundingWord
from cnndsl.layers.sizes import Sizes as Sizes
from cnndsl.layers.sizes import as_tuple as as_tuple
from cnndsl.layers.sizes import spread as spread
from cnndsl.layers.terms import shape_term, stream_terms
from cnndsl.layers.window import Window
from cnndsl.types import TensorType

__all__ = [
    "LARGEST",
    "MAX_SIZE",
    "POINT",
    "WHOLE",
    "Bounds",
    "Count",
    "Family",
    "Footprint",
    "Init",
    "InitWord",
    "ItemError",
    "Layer",
    "Lists",
    "NotNegative",
    "Positive",
    "Real",
    "RoundingWord",
    "Schema",
    "ShapeFault",
    "Sizes",
    "Weight",
    "as_tuple",
    "spread",
]

V = TypeVar("V")


# --- parameters -------------------------------------------------------------------------------


@frozen
class Lists:
    """Marks a parameter's type: it takes long lists, and lists in lists (``layers/lists.py``)."""


class ItemError(ValueError):
    """What is wrong with one item of a list; ``path`` leads to it, from position to position."""

    def __init__(self, path: tuple[int, ...], message: str) -> None:
        self.path = path
        super().__init__(message)


@frozen
class Weight:
    """A tensor that a layer owns: ``C1.weight`` of shape (out, in/groups, k, k).

    ``init`` is None where neither the layer nor its nature fixes it; then the recipe's ``init``
    decides. Buffers (``trainable`` false) are state, not learnt: batch normalisation's running
    statistics. ``decays`` says whether weight decay applies: not to biases and normalisation.

    ``fans`` are what ``he``, ``glorot`` and ``lecun`` scale by: how many inputs one output sums
    over, and how many outputs one input reaches, on average. None where they follow from the shape
    alone, as for the weights (out, in) of a dense layer. ``zero_rows`` begin at 0 however the
    others do. ``row_fans`` are those of each row, where they are not alike.

    ``unit_axis`` is the axis along which units stand, each with the weights that its output sums
    by: a norm of a unit is taken over all others. None where there is no such axis.
    """

    name: str
    shape: tuple[int, ...]
    init: Init | None = None
    trainable: bool = True
    decays: bool = True
    fans: tuple[float, float] | None = None
    unit_axis: int | None = 0
    zero_rows: tuple[int, ...] = ()
    row_fans: tuple[tuple[float, float], ...] = ()

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def has_units(self) -> bool:
        """Whether `max_norm` holds the norms of its units: not of biases and normalisation."""
        return self.decays and self.unit_axis is not None


# --- problems ---------------------------------------------------------------------------------


@frozen
class ShapeFault:
    """Why a layer cannot take its inputs.

    ``blame`` names the parameters at fault, the first one to be underlined; empty blames the
    layer as a whole. ``inputs`` are the positions of the inputs whose shapes matter. A
    ``spatial`` fault depends on spatial sizes: it is not reported where those are merely assumed
    because of an earlier mistake. After a ``fatal`` one, nothing can be said of the output.
    ``windows`` are the windows of the size rule, one per spatial dimension, where that is what
    failed. ``insert`` is a layer that, put before this one, mends it.
    """

    kind: FaultKind
    message: str
    blame: tuple[str, ...] = ()
    inputs: tuple[int, ...] = (0,)
    label: str = ""
    notes: tuple[str, ...] = ()
    help: str = ""
    spatial: bool = False
    fatal: bool = False
    windows: tuple[Window, ...] = ()
    insert: str = ""

    @property
    def code(self) -> str:
        """The code that a person reads."""
        return self.kind.value


# --- bounds -----------------------------------------------------------------------------------

Bounds: TypeAlias = tuple[float, float]
"""The least and the most that a number can be; either may be infinite."""


# --- receptive fields -------------------------------------------------------------------------

POINT: Literal["point"] = "point"
WHOLE: Literal["whole"] = "whole"
Footprint: TypeAlias = Literal["point", "whole"] | tuple[AxisFootprint, ...]
"""What of its input one output cell sees: the same cell, all of it, or a window."""


# --- layers -----------------------------------------------------------------------------------

Family: TypeAlias = Literal[
    "activation",
    "attention",
    "convolution",
    "dense",
    "embedding",
    "join",
    "normalization",
    "other",
    "pooling",
    "regularization",
    "shape",
]
"""What kind of thing a layer is, as a textbook sorts them."""


class Schema(BaseModel):
    """What can stand in a phrase behind its first word: ``sgd lr 0.01 momentum 0.9``.

    Fields are the parameters as a spec writes them, with their types, ranges, defaults and one
    line of documentation each (``Field(description=...)``); this is the only place where they
    stand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    positional: ClassVar[tuple[str, ...]] = ()
    """The parameters written without their names, joined by ``@``: ``filters@kernel``."""

    spaced: ClassVar[bool] = False
    """Whether those stand apart instead, as in ``clip 0 6``; the last ones may have defaults."""

    @classmethod
    def parameter_names(cls) -> tuple[str, ...]:
        """All parameters as people read them: those without names first."""
        rest = (name for name in cls.model_fields if name not in cls.positional)
        return (*cls.positional, *rest)


class Layer(Schema):
    """The base of all layers."""

    keyword: ClassVar[str]
    """The word that a spec writes."""

    family: ClassVar[Family] = "other"
    """What kind of thing it is: figures give each its colour."""

    needed: ClassVar[tuple[str, ...]] = ("lower",)
    """What every layer has to say for itself."""

    joins: ClassVar[bool] = False
    """Whether it takes several streams, in parentheses."""

    result: ClassVar[type["Layer"] | None] = None
    """The layer of its nodes, where elaboration has more to say than a spec: that of one of several
    results, of which ``index`` says which, or of one that reads another layer, which is ``of``."""

    reads: ClassVar[str] = ""
    """The parameter that is the label of another layer, whose input it reads beside its own."""

    reads_what: ClassVar[str] = ""
    """What that other layer must be, in words."""

    sees: ClassVar[int | None] = None
    """How many of its inputs its numbers are made of, the first ones; None where of all."""

    streams: ClassVar[int | None] = None
    """How many streams a join takes; None where it takes any number from two on."""

    roles: ClassVar[tuple[str, ...]] = ()
    """What the streams of a join are, in order, where they are not alike: features, regions."""

    takes_tokens: ClassVar[bool] = False
    """Whether its input are token ids (int64) instead of numbers."""

    saves: ClassVar[tuple[Literal["inputs", "output", "mask"], ...]] = ()
    """What the backward pass needs of the forward pass, for the estimate of training memory."""

    shares: ClassVar[Literal["never", "inference", "always"]] = "never"
    """When its output is its input's memory: a reshaped view always, `dropout` at inference."""

    draws: ClassVar[bool] = False
    """Whether its training form computes with numbers drawn at random, and inference without."""

    per_channel: ClassVar[bool] = False
    """Whether it treats all channels alike, each by itself (softmax: by all alike)."""

    least_input: ClassVar[float] = -math.inf
    """The least number that means something to it: 0 where numbers are weights."""

    arithmetic: ClassVar[Literal["any", "float32", "float32 inside"]] = "any"
    """What mixed precision leaves of it: each operator its own type, float32 for all of them (where
    there are squares or powers), or that and a result in the type of its input."""

    normalises_batch: ClassVar[bool] = False
    """Whether it takes, in training, the mean and variance of its batch."""

    activation: ClassVar[bool] = False
    """Whether it is a function of each number, or of the channels at each place."""

    makes: ClassVar[Literal["anything", "distribution", "logarithms", "probabilities"]] = "anything"
    """What its numbers are: a distribution over the channels (softmax), the logarithms of one
    (logsoftmax), probabilities (sigmoid)."""

    logits_as: ClassVar[str] = ""
    """The activation whose input a loss takes its input for: logsoftmax's is softmax's."""

    @classmethod
    def can_read(cls, other: "Layer") -> bool:
        """Whether a layer is one that the label in ``reads`` may name."""
        return False

    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        """What is wrong with these inputs; nothing where all is well."""
        yield from ()

    def output(self, *inputs: TensorType) -> TensorType:
        """The output's type.

        Must also answer where there are faults (unless fatal): the type that the output would
        most likely have, so that checking can go on.
        """
        return inputs[0]

    def bounds(self, *inputs: Bounds) -> Bounds:
        """Between which numbers its output lies, where its inputs lie between these."""
        return (-math.inf, math.inf) if self.shares == "never" else inputs[0]

    @property
    def results(self) -> int:
        """How many results it gives."""
        return 1

    @property
    def slope_below_zero(self) -> float:
        """What share of a change of a number below 0 it passes on; 1 where that is nothing special.

        0 is a relu's: what is below 0 does not learn.
        """
        return 1.0

    @property
    def filter_bank(self) -> tuple[int, tuple[int, ...]] | None:
        """Its filters and their size, where the two could be written in each other's place."""
        return None

    @property
    def is_dense_on_vectors(self) -> bool:
        """Whether it would do what ``dense`` does, were its input a vector: a 1x1 convolution."""
        return False

    def keeps_rows(self, source: TensorType) -> bool:
        """Whether other rows of its input, or of its weights, give the same rows in that order.

        A row is what belongs to one channel; so classes in another order are rows in another one.
        """
        return self.per_channel and self.output(source).channels == source.channels

    @property
    def passes_on(self) -> bool:
        """Whether it gives its input's numbers as they are, in training too."""
        return self.shares == "always"

    def implied(self, *inputs: TensorType) -> dict[str, Any]:
        """What settings without a value stand for, where that is one: a pool's stride."""
        return {}

    def fixed_output(self) -> TensorType | None:
        """The output's type where it does not depend on the input at all, as for ``dense``."""
        return None

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """The tensors it owns, parameters before buffers."""
        return ()

    def macs(self, *inputs: TensorType) -> int:
        """Multiply-accumulates of convolutions and dense layers for one sample; biases excluded."""
        return 0

    # --- its arithmetic, as formulas that come to the numbers of `output`, `weights` and `macs` ---

    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        """How each size of its output is reckoned, channels first."""
        output = self.output(*inputs)
        if output.dims == inputs[0].dims:
            return stream_terms(inputs[0])
        return tuple(Number(size) for size in output.dims)

    def param_term(self, *inputs: TensorType) -> Term:
        """How its learnable numbers are counted."""
        return shape_term(one.shape for one in self.weights(*inputs) if one.trainable)

    def mac_term(self, *inputs: TensorType) -> Term:
        """How its multiply-accumulates for one sample are counted."""
        return Number(self.macs(*inputs))

    def arithmetic_notes(self, *inputs: TensorType) -> tuple[str, ...]:
        """What is worth knowing of its arithmetic beside the formulas."""
        return ()

    def windows(self, *inputs: TensorType) -> tuple[Window, ...]:
        """The window along each spatial dimension, in its direction; none where none slides."""
        return ()

    def accepts(self, window: Window) -> bool:
        """Whether a window of this layer works."""
        return window.works

    def footprint(self, *inputs: TensorType) -> Footprint:
        """What of its input one output cell sees."""
        return self.windows(*inputs) or POINT

    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Emit the ONNX nodes that compute this layer and give the output's value."""
        raise NotImplementedError

    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The same for training, for layers that do something else there."""
        return self.lower(emit, context)

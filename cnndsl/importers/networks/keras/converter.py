"""What layers of Keras are said with: values, whose channels stand last there and first here.

A value is one of ours together with the sizes that Keras gives it. What Keras does in two layers
and ours in one is held back until it is read: `ZeroPadding2D` becomes the `padding` of the
convolution behind it. A flattened value has its numbers in another order here; a `Dense` behind it
takes them as they are (its weights are stored in Keras's order), all else gets Keras's order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from cnndsl.frozen import frozen, replace
from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.grouped_notes import GroupedNotes
from cnndsl.importers.networks.keras.config import Config, Unsaid
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = ["LAYERS", "Affine", "Call", "Converter", "Flow", "Saying", "says"]


@frozen
class Flow:
    """A value of Keras's.

    ``name`` is ours, ``shape`` Keras's sizes without the batch. ``padding`` are zeros that are
    still to come around it: all begins, then all ends. ``maps`` are the sizes, channels first, of
    the feature maps that a vector was made of whose numbers stand in our order.
    """

    name: str
    shape: tuple[int, ...]
    padding: tuple[int, ...] = ()
    maps: tuple[int, ...] = ()


@frozen
class Affine:
    """What an input is multiplied by and moved by in the layers right behind it."""

    factors: tuple[float, ...] = (1.0,)
    shifts: tuple[float, ...] = (0.0,)

    def then(self, factors: Sequence[float], shifts: Sequence[float]) -> Affine:
        """This one and another behind it."""
        width = max(len(self.factors), len(self.shifts), len(factors), len(shifts))
        a, b, c, d = (
            tuple(one) * width if len(one) == 1 else tuple(one)
            for one in (self.factors, self.shifts, factors, shifts)
        )
        return Affine(
            tuple(x * y for x, y in zip(a, c, strict=True)),
            tuple(x * y + z for x, y, z in zip(b, c, d, strict=True)),
        )

    def settings(self) -> dict[str, tuple[Value, ...]]:
        """The same as an input's settings: `scale`, `mean`, `std`."""
        found: dict[str, tuple[Value, ...]] = {}
        factors, shifts = _once(self.factors), _once(self.shifts)
        if len(factors) == 1:
            if factors[0] != 1:
                found["scale"] = factors
            means = tuple(-one for one in shifts)
        else:
            found["scale"] = (1 / 255,)
            found["std"] = (tuple(1 / (255 * one) if one else math.inf for one in factors),)
            wide = shifts * len(factors) if len(shifts) == 1 else shifts
            means = tuple(
                -b / (255 * a) if a else math.inf for a, b in zip(factors, wide, strict=True)
            )
        means = _once(means)
        if any(means):
            found["mean"] = (means[0],) if len(means) == 1 else (means,)
        order = ("scale", "mean", "std")
        return {name: found[name] for name in order if name in found}


def _once(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return numbers[:1] if len({*numbers}) == 1 else numbers


@frozen
class Call:
    """One call of a layer: its configuration, how Keras writes it, what calls before it gave."""

    config: Config
    path: str
    """Its name, behind those of the models that it stands in."""
    first: str
    """The value of its first call, whose weights this one shares; empty for the first."""

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"layer `{self.path}` ({self.config.kind})"

    @property
    def what(self) -> str:
        """What it is, for people."""
        return f"`{self.config.kind}`"


class Converter:
    """What the functions for Keras's layers work with.

    Args:
        network: takes our layers.
        channels_last: Keras's order of dimensions.
        is_old: whether Keras 2 wrote the file, in which some formulas were others.
    """

    def __init__(self, network: NetworkBuilder, *, channels_last: bool, is_old: bool) -> None:
        self.network = network
        self.channels_last = channels_last
        self.is_old = is_old
        self.notes = GroupedNotes()
        self.affines: dict[str, Affine] = {}
        """For each input, what it is multiplied and moved by before anything else reads it."""
        self.untouched: set[str] = set()
        """The inputs that nothing but such layers has read, one after the other."""
        self.labels: dict[str, list[str]] = {}
        """For each layer of Keras's the labels of ours that say it, where they have any."""
        self.frozen: list[str] = []
        self.decays: dict[str, float] = {}
        self.norms: dict[str, float] = {}
        self.augment: list[str] = []
        self._flat: dict[str, str] = {}
        self._padded: dict[tuple[str, tuple[int, ...]], str] = {}

    # --- sizes ---

    def dims(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Keras's sizes in our order, channels first."""
        if self.channels_last and len(shape) > 1:
            return (shape[-1], *shape[:-1])
        return tuple(shape)

    def shape(self, dims: Sequence[int]) -> tuple[int, ...]:
        """Our sizes in Keras's order."""
        if self.channels_last and len(dims) > 1:
            return (*dims[1:], dims[0])
        return tuple(dims)

    def axis(self, axis: int, rank: int) -> int:
        """One of Keras's axes, of so many with the batch, as one of ours; -1 for the batch."""
        at = axis - 1 if axis > 0 else axis + rank - 1 if axis < 0 else -1
        if not 0 <= at < rank - 1:
            return -1
        if self.channels_last and rank > 2:
            return 0 if at == rank - 2 else at + 1
        return at

    # --- adding ---

    def note(self, name: str, message: str) -> None:
        """Tell something of a layer."""
        self.notes.add("layer", f"`{name}`", message)

    def add(
        self,
        call: Call,
        keyword: str,
        inputs: Sequence[Flow | str],
        settings: Mapping[str, Value] | None = None,
        *,
        label: bool = True,
        part: str = "",
    ) -> Flow:
        """Add one of our layers for a call; ``part`` says which of several it is."""
        names = [one if isinstance(one, str) else self.exact(one) for one in inputs]
        self.untouched.difference_update(names)
        name = ".".join(filter(None, (call.path, part))) if label else ""
        self.labels.setdefault(call.path, []).append(name)
        (value,) = self.network.add(
            keyword,
            names,
            settings,
            label=name,
            place=call.place,
            what=call.what,
            share=call.first if label and keyword in _WEIGHTED else "",
        )
        kind = self.network.type_of(value)
        return Flow(value, self.shape(kind.dims) if kind is not None else ())

    def like(
        self, call: Call, keyword: str, flow: Flow, settings: Mapping[str, Value] | None = None
    ) -> Flow:
        """Add a layer that works number by number: the order of the numbers stays what it is."""
        source = self.ours(flow)
        made = self.add(call, keyword, [source], settings)
        return replace(made, shape=flow.shape, maps=flow.maps)

    # --- values ---

    def type(self, flow: Flow) -> TensorType | None:
        """The type of ours that a value is, without what is held back."""
        return self.network.type_of(flow.name)

    def rank(self, flow: Flow) -> int:
        """How many spatial dimensions a value has."""
        return max(0, len(flow.shape) - 1)

    def ours(self, flow: Flow) -> str:
        """Our value, with zeros around it where they are held back."""
        if not any(flow.padding):
            return flow.name
        key = (flow.name, flow.padding)
        if key not in self._padded:
            (self._padded[key],) = self.network.add("pad", [flow.name], {"padding": flow.padding})
        return self._padded[key]

    def exact(self, flow: Flow) -> str:
        """Our value with its numbers in the order that Keras has them in."""
        name = self.ours(flow)
        if not flow.maps or flow.maps[0] == 1 or math.prod(flow.maps[1:]) == 1:
            return name
        order = (*range(1, len(flow.maps)), 0)
        (maps,) = self.network.add("reshape", [name], {"shape": flow.maps})
        (turned,) = self.network.add("transpose", [maps], {"order": order})
        (value,) = self.network.add("flatten", [turned])
        return value

    def flat(self, flow: Flow) -> Flow:
        """A value as a vector in our order."""
        kind = self.type(flow)
        if len(flow.shape) == 1:
            return flow
        name = self.ours(flow)
        if name not in self._flat:
            (self._flat[name],) = self.network.add("flatten", [name])
        maps = self.dims(flow.shape) if self.channels_last and kind is not None else ()
        return Flow(self._flat[name], (math.prod(flow.shape),), (), maps)

    def times(self, call: Call, flow: Flow, factor: float) -> Flow:
        """A value times a number: a kernel of one cell over each channel."""
        if factor == 1:
            return flow
        kernel: Value = factor
        if len(flow.shape) == 1:
            raise Unsaid("no layer multiplies a vector by a number")
        for _ in range(self.rank(flow)):
            kernel = (kernel,)
        return self.add(call, "filter", [flow], {"kernels": kernel}, label=False)


_WEIGHTED = (
    "conv", "depthwise", "upconv", "localconv", "dense", "batchnorm", "layernorm", "groupnorm",
    "instancenorm", "prelu", "embedding", "scale", "bias", "l2norm",
)  # fmt: skip

Saying: TypeAlias = Callable[[Converter, Call, list[Flow]], Flow]
"""Says a call of a layer and gives its value.

Raises:
    Unsaid: where it cannot be said.
"""

_S = TypeVar("_S", bound=Saying)

LAYERS: dict[str, Saying] = {}
"""What says each of Keras's layers, by the name of its class."""


def says(*kinds: str) -> Callable[[_S], _S]:
    """Register a function for layers."""

    def register(function: _S) -> _S:
        LAYERS.update(dict.fromkeys(kinds, function))
        return function

    return register

"""Says a net's layers in ours, one after the other, each by the function for its type.

The functions register themselves with :func:`says`; they stand in :mod:`.window_layers`,
:mod:`.number_layers`, :mod:`.shape_layers` and :mod:`.loss_layers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.caffe.dataflow import Dataflow, Use
from cnndsl.importers.networks.caffe.fields import Fields
from cnndsl.importers.networks.grouped_notes import GroupedNotes
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = ["TYPES", "Converter", "Head", "Saying", "says"]


class Head:
    """A loss: the value that it makes small, which of ours it is, and what it is weighted by."""

    def __init__(self, use: Use, value: str, kind: str, weight: float) -> None:
        self.use = use
        self.value = value
        """The dataflow's name of the head's output."""
        self.kind = kind
        self.weight = weight


class Converter:
    """What the functions for the types of layers work with.

    Args:
        network: takes our layers.
        flow: the net's layers, with values in place of blobs.
        labels: the values that hold labels; only losses may read them.
    """

    def __init__(self, network: NetworkBuilder, flow: Dataflow, labels: frozenset[str]) -> None:
        self.network = network
        self.flow = flow
        self.labels = labels
        self.notes = GroupedNotes()
        self.heads: list[Head] = []
        self.frozen: list[str] = []
        """The layers whose running statistics stand still in training."""
        self.trains = any("Loss" in use.layer.type for use in flow.uses)
        """Whether the net has a loss."""
        self._makers = {out: use for use in flow.uses for out in use.outputs}
        self._values: dict[str, str] = {}
        self._flat: dict[str, str] = {}
        self._owners: dict[tuple[str, ...], str] = {}

    # --- values ---

    def set(self, value: str, ours: str) -> None:
        """Say which of our values one of the net's is."""
        self._values[value] = ours

    def ours(self, value: str) -> str:
        """Which of our values one of the net's is."""
        return self._values[value]

    def knows(self, value: str) -> bool:
        """Whether one of the net's values is one of ours."""
        return value in self._values

    def type_of(self, value: str) -> TensorType | None:
        """The type of one of the net's values, where it is known."""
        return self.network.type_of(self._values[value]) if value in self._values else None

    def maker(self, value: str) -> Use | None:
        """The layer that gives a value; inputs have none."""
        return self._makers.get(value)

    def rank(self, use: Use) -> int:
        """Along how many dimensions a layer's windows move."""
        kind = self.type_of(use.inputs[0])
        return len(kind.spatial) if kind is not None and kind.spatial else 2

    def axis(self, use: Use, axis: int) -> int:
        """One of Caffe's axes, which count the batch, as one of ours: channels are 0.

        -1 is the batch itself, or what is no axis of the input.
        """
        kind = self.type_of(use.inputs[0])
        dims = len(kind.dims) if kind is not None else 3
        found = axis - 1 if axis >= 0 else axis + dims
        return found if 0 <= found < dims else -1

    # --- layers ---

    def add(
        self,
        use: Use,
        keyword: str,
        settings: Mapping[str, Value] | None = None,
        *,
        inputs: Sequence[str] | None = None,
        last: bool = True,
    ) -> str:
        """Add one of our layers for one of the net's, and give the name of its value.

        Args:
            use: the net's layer.
            keyword: our layer.
            settings: its settings.
            inputs: our values that it reads; by default those of the net's layer.
            last: whether it gives what the net's layer gives, and has its name.
        """
        read = [self.ours(one) for one in use.inputs] if inputs is None else inputs
        layer = use.layer
        (value,) = self.network.add(
            keyword,
            read,
            settings,
            label=layer.name if last else "",
            place=layer.place,
            what=layer.what,
            share=self._share(use, last=last),
        )
        if last:
            self._own(use, value)
            self.set(use.outputs[0], value)
        return value

    def alias(self, use: Use) -> None:
        """Take a layer that changes nothing for its input."""
        for output in use.outputs:
            self.set(output, self.ours(use.inputs[0]))

    def note(self, use: Use, message: str) -> None:
        """Tell something of a layer."""
        self.notes.add("line", str(use.layer.line), message)

    def refuse(self, use: Use, why: str, what: str = "") -> None:
        """Say that no spec says a layer."""
        self.network.refuse(
            use.layer.place,
            what or use.layer.what,
            why,
            inputs=[self.ours(one) for one in use.inputs if self.knows(one)],
            outputs=[f"refused:{out}" for out in use.outputs],
        )
        for out in use.outputs:
            self.set(out, f"refused:{out}")

    def behind(self, use: Use) -> None:
        """Count a layer of whose input nothing is known, because of what was refused above."""
        read = [self.ours(one) for one in use.inputs]
        unknown = [one for one in read if self.network.type_of(one) is None]
        (value,) = self.network.add("identity", unknown[:1])
        for out in use.outputs:
            self.set(out, value)

    def flat(self, value: str) -> str:
        """One of our values as a vector, made one where it is none."""
        kind = self.network.type_of(value)
        if kind is not None and len(kind.dims) == 1:
            return value
        if value not in self._flat:
            (self._flat[value],) = self.network.add("flatten", [value])
        return self._flat[value]

    def _share(self, use: Use, *, last: bool) -> str:
        names = tuple(one.name for one in use.layer.weights)
        return self._owners.get(names, "") if last and names and all(names) else ""

    def _own(self, use: Use, value: str) -> None:
        weights = use.layer.weights
        names = tuple(one.name for one in weights)
        if names and all(names):
            self._owners.setdefault(names, value)
        elif any(names):
            why = "only some of its weights have a name by which layers share them"
            self.network.refuse(use.layer.place, "shared weights", why)


Saying: TypeAlias = Callable[[Converter, Use, Fields], None]
"""Says a layer; it is given the message with the parameters of its type."""

_S = TypeVar("_S", bound=Saying)

TYPES: dict[str, tuple[Saying, str]] = {}
"""For each type of layer, what says it, and the name of its message of parameters."""


def says(message: str, *types: str) -> Callable[[_S], _S]:
    """Register a function for types of layers whose parameters stand in a message."""

    def register(function: _S) -> _S:
        for one in types:
            TYPES[one] = (function, message)
        return function

    return register

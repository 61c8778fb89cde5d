"""Turns a graph's nodes into our layers, one after the other: what all operators share.

Each operator is a function in a file of ``operators/``; it raises :class:`Unsaid` where no layer
says what the node does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.from_onnx.graph import OnnxGraph, OnnxNode
from cnndsl.importers.networks.from_onnx.leftovers import Reading, unread
from cnndsl.importers.networks.from_onnx.node_labels import label_of
from cnndsl.types import TensorType

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from cnndsl.elaborate.values import Value

    Array = NDArray[numpy.float32]
    Tensor = NDArray[Any]

__all__ = ["Handler", "Translator", "Unsaid", "operator"]

_FAMILIES = (
    "activations", "arithmetic", "convolution", "dense", "normalization", "pooling", "shape",
    "resize", "layer", "unknown",
)  # fmt: skip
"""The files of ``operators/``."""

_FIRST = 8
"""So many numbers of a weight are looked at before all of them are."""


class Unsaid(Exception):  # noqa: N818 (it is a finding, which its catcher handles)
    """Why no layer says what a node does."""


class Translator:
    """A graph while it becomes a network of ours."""

    def __init__(self, graph: OnnxGraph, builder: NetworkBuilder) -> None:
        self.graph = graph
        self.builder = builder
        self.values: dict[str, str] = {}
        self.node = OnnxNode("", [], [])
        self._reading = Reading()
        self._alike: dict[tuple[object, ...], list[str]] = {}
        self._kinds: dict[str, str] = {}
        self._learnt: dict[str, str] = {}
        self._behind: dict[str, str] = {}
        self._owners: dict[tuple[str, ...], list[tuple[str, Mapping[str, Value]]]] = {}
        for family in _FAMILIES:
            import_module(f"{__package__}.operators.{family}")

    def run(self) -> None:
        """Translate all nodes; what cannot be said is refused, and its readers counted."""
        for node in self.graph.nodes:
            self.node, self._reading = node, Reading()
            handler = _HANDLERS.get(node.op) if not node.domain else None
            try:
                if handler is None:
                    handler = _HANDLERS["*"]
                handler(self, node)
            except Unsaid as reason:
                self._refuse(node, str(reason))
            else:
                if left := unread(node, self._reading):
                    self._refuse(node, left)

    def _refuse(self, node: OnnxNode, why: str) -> None:
        known = [self.graph_type(one) for one in node.outputs if one]
        types = [one for one in known if one is not None]
        self.builder.refuse(
            node.place,
            node.what(),
            why,
            inputs=[self.values[one] for one in node.inputs if one in self.values],
            outputs=[one for one in node.outputs if one],
            known=types if len(types) == len(known) else (),
        )
        self.values.update({one: one for one in node.outputs if one})

    # --- what nodes read ---

    def has(self, at: int) -> bool:
        """Whether the node has this input."""
        self._reading.inputs.add(at)
        return at < len(self.node.inputs) and bool(self.node.inputs[at])

    def stream(self, at: int = 0) -> str:
        """The value of ours that is an input of the node."""
        name = self.node.inputs[at] if self.has(at) else ""
        if name in self.values:
            return self.values[name]
        if name in self.graph.constants:
            raise Unsaid("it reads a constant where layers read a stream")
        raise Unsaid("an input that it needs is missing")

    def constant(self, at: int) -> Tensor | None:
        """The numbers of an input that is a constant; None where there is none.

        Raises:
            Unsaid: where the input is computed.
        """
        if not self.has(at):
            return None
        name = self.node.inputs[at]
        if name not in self.graph.constants:
            raise Unsaid(f"its input `{name}` is computed, and layers have constants there")
        return self.graph.constants[name]

    def is_constant(self, at: int) -> bool:
        """Whether an input is a constant."""
        return self.has(at) and self.node.inputs[at] in self.graph.constants

    def numbers(self, at: int, attribute: str = "") -> list[int] | None:
        """Whole numbers of an input, or of an attribute as older opsets have them."""
        if self.has(at):
            array = self.constant(at)
            return None if array is None else [int(one) for one in array.reshape(-1)]
        found = self.attribute(attribute, None)
        return None if found is None else [int(one) for one in found]

    def weight(self, at: int) -> Array:
        """The numbers of an input as a weight's."""
        import numpy

        array = self.constant(at)
        if array is None:
            raise Unsaid("its weights are missing")
        if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            raise Unsaid(f"its weights are {array.dtype}, and ours are float32")
        return numpy.ascontiguousarray(array, numpy.float32)

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute of the node."""
        self._reading.attributes.add(name)
        return self.node.attributes.get(name, default)

    # --- types ---

    def graph_type(self, value: str) -> TensorType | None:
        """The type of a value by its shape in the graph; None where it is none of ours."""
        shape = self.graph.shapes.get(value)
        if shape is None or len(shape) < 2 or shape[0] != self.graph.batch or 0 in shape:
            return None
        return TensorType(shape[1:])

    def type(self, at: int = 0) -> TensorType:
        """The type of an input."""
        return self.type_of(self.stream(at))

    def type_of(self, value: str) -> TensorType:
        """The type of a value of ours."""
        found = self.builder.type_of(value)
        if found is None:
            raise Unsaid("the shape of its input is not known")
        return found

    def axis(self, axis: int, *, rank: int | None = None) -> int:
        """An axis of the first input within a sample: 0 are the channels.

        Raises:
            Unsaid: where it is the batch's.
        """
        dims = rank or len(self.type().dims) + 1
        inside = axis % dims - 1
        if inside < 0:
            raise Unsaid("it works along the batch, and a network has one sample at a time")
        return inside

    # --- what is made ---

    def note(self, text: str) -> None:
        """Say something of the network that is worth knowing, once."""
        if text not in self.builder.notes:
            self.builder.notes.append(text)

    def add(
        self,
        keyword: str,
        inputs: Sequence[str],
        settings: Mapping[str, Value] | None = None,
        *,
        weights: Mapping[str, Array] | None = None,
        shared: Sequence[int] = (),
    ) -> str:
        """Add a layer for the node and give its value; ``shared`` are its inputs with weights."""
        settings = settings or {}
        names = tuple(self.node.inputs[at] for at in shared if self.has(at))
        key = (keyword, *(names if self._is_plain(names) else map(self._first_alike, names)))
        share = ""
        if names and weights:
            self._note_copies(keyword, key)
            for owner, how in self._owners.get(key, ()):
                if how == settings and self._is_one(owner, inputs, names):
                    share, weights = owner, None
                    break
        (value,) = self.builder.add(
            keyword,
            inputs,
            settings,
            label=label_of(self.node, names) if weights or not names else "",
            place=self.node.place,
            weights=weights,
            share=share,
            what=self.node.what(),
            known=[one for one in (self.graph_type(self.node.outputs[0]),) if one is not None],
        )
        learnt = share or (value if names else "")
        self._behind[value] = self._learnt_before(inputs)
        self._learnt[value] = learnt or self._behind[value]
        if names and not share:
            self._owners.setdefault(key, []).append((value, settings))
        return value

    def _first_alike(self, name: str) -> str:
        """The first weight of the same numbers: exporters that fold them write copies."""
        array = self.graph.constants[name]
        alike = self._alike.setdefault(
            (array.shape, array.dtype.str, array.flat[:_FIRST].tobytes()), []
        )
        for other in alike:
            if other == name or bool((self.graph.constants[other] == array).all()):
                return other
        alike.append(name)
        return name

    def _note_copies(self, keyword: str, key: tuple[str, ...]) -> None:
        """Say where layers of several kinds have one weight: in a spec only like ones can share."""
        name = key[1]
        first = self._kinds.setdefault(name, keyword)
        if first != keyword and not self._is_plain([name]):
            self.note(
                f"`{name}` is a weight of `{first}` and of `{keyword}`: each has its own copy"
            )

    def _learnt_before(self, inputs: Sequence[str]) -> str:
        """The owner of the weights that were last used on the way to a layer's first input."""
        return self._learnt.get(inputs[0], inputs[0]) if inputs else ""

    def _is_one(self, owner: str, inputs: Sequence[str], names: Sequence[str]) -> bool:
        """Whether a layer that reads the same weights as another is the same layer.

        Exporters keep equal constants once: so scales that are all 1 are one layer's only where
        the layer before is the same, too.
        """
        if not self.builder.is_said(owner):
            return False
        return not self._is_plain(names) or self._behind[owner] == self._learnt_before(inputs)

    def _is_plain(self, names: Sequence[str]) -> bool:
        """Whether each of some weights is one number only: like others by chance."""
        return all(_is_one_number(self.graph.constants[one]) for one in names)

    def give(self, value: str, output: int = 0) -> None:
        """Say which value of ours an output of the node is.

        Raises:
            Unsaid: where ONNX infers another shape for it than we do.
        """
        name = self.node.outputs[output]
        ours, theirs = self.builder.type_of(value), self.graph.shapes.get(name)
        if ours is not None and theirs is not None and ours.dims != theirs[1:]:
            sizes = "x".join(map(str, theirs[1:])) or "no sizes beside the batch"
            raise Unsaid(f"it gives {sizes}, and as layers of ours {ours}")
        self.values[name] = value

    def single(self, keyword: str, settings: Mapping[str, Value] | None = None) -> None:
        """Translate the node as one layer without weights of its first input."""
        self.give(self.add(keyword, [self.stream()], settings))

    def reshaped(self, value: str, dims: Sequence[int]) -> str:
        """A value with other sizes; itself where it has them."""
        known = self.type_of(value).dims
        if tuple(dims) == known:
            return value
        if len(dims) == 1:
            return self.add("flatten", [value])
        return self.add("reshape", [value], {"shape": tuple(dims)})

    def transposed(self, value: str, order: Sequence[int]) -> str:
        """A value with its dimensions in another order; itself where they stay."""
        if list(order) == sorted(order):
            return value
        return self.add("transpose", [value], {"order": tuple(order)})


def _is_one_number(array: Tensor) -> bool:
    """Whether all numbers are the same; of most weights the first few say that they are not."""
    first = array.flat[:_FIRST]
    return all(bool((some == some.flat[0]).all()) for some in (first, array) if some.size)


Handler: TypeAlias = Callable[[Translator, OnnxNode], None]

_HANDLERS: dict[str, Handler] = {}


def operator(*names: str) -> Callable[[Handler], Handler]:
    """Say which operators a function translates; `*` are all others."""

    def register(handler: Handler) -> Handler:
        for name in names:
            _HANDLERS[name] = handler
        return handler

    return register

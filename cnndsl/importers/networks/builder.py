"""Collects the layers of a foreign network one by one, checked as a spec's layers are.

A front end calls :meth:`NetworkBuilder.add` for each layer, in an order in which they can be
computed, and :meth:`NetworkBuilder.refuse` for what no layer says. It need not look whether a
layer's settings are legal or its inputs fit: what the layer's schema or size rule refuses is
refused here, with the place in the source. What depends on something refused is left out and
counted, and goes on being checked where its type is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cnndsl.diagnostics.words import abridged, count
from cnndsl.elaborate.bound import validate
from cnndsl.importers.networks.graph import (
    ImportedInput,
    ImportedNetwork,
    ImportedNode,
    Refusal,
)
from cnndsl.importers.networks.input_settings import unfit
from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.limits import Limits
from cnndsl.typecheck.infer import oversize
from cnndsl.types import TensorType

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from cnndsl.elaborate.values import Value
    from cnndsl.recipe.recipe import Recipe

    Array = NDArray[numpy.float32]

__all__ = ["NetworkBuilder"]


class NetworkBuilder:
    """A foreign network while it is read.

    >>> from cnndsl.types import TensorType
    >>> network = NetworkBuilder("tiny", "tiny.cfg")
    >>> x = network.input("data", TensorType((1, 28, 28)))
    >>> (x,) = network.add("conv", [x], {"filters": 6, "kernel": (5, 5)}, place="line 3")
    >>> str(network.type_of(x))
    '6x24x24'
    """

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.notes: list[str] = []
        self.classes: tuple[str, ...] = ()
        self.recipe: Recipe | None = None
        self._inputs: list[ImportedInput] = []
        self._nodes: list[ImportedNode] = []
        self._types: dict[str, TensorType] = {}
        self._unsaid: set[str] = set()
        self._refused: list[Refusal] = []
        self._behind = 0
        self._read: set[str] = set()
        self._ends: dict[str, None] = {}

    # --- what is known ---

    def knows(self, value: str) -> bool:
        """Whether a value is an input, or a layer's that was added or refused."""
        return value in self._types or value in self._unsaid

    def is_said(self, value: str) -> bool:
        """Whether a value is one that the spec will have."""
        return value in self._types and value not in self._unsaid

    def type_of(self, value: str) -> TensorType | None:
        """The type of a value; None where it hangs on something refused, and is not known."""
        return self._types.get(value)

    @property
    def refused(self) -> Sequence[Refusal]:
        """What was refused up to here."""
        return self._refused

    # --- what is added ---

    def input(
        self,
        name: str,
        type: TensorType,
        settings: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> str:
        """Add an input and give the name of its value.

        ``settings`` are as in :class:`ImportedInput`; those that no input can have are refused.
        """
        settings = dict(settings or {})
        while (found := unfit(settings, type))[0]:
            self.refuse(f"input `{name}`", *found)
            del settings[found[0].split()[0]]
        self._inputs.append(ImportedInput(name, type, settings))
        self._types[name] = type
        return name

    # Long, because a layer has all of these, and most of them have defaults.
    def add(
        self,
        keyword: str,
        inputs: Sequence[str],
        settings: Mapping[str, Value] | None = None,
        *,
        outputs: Sequence[str] = (),
        label: str = "",
        place: str = "",
        weights: Mapping[str, Array] | None = None,
        share: str = "",
        what: str = "",
        known: Sequence[TensorType] = (),
    ) -> tuple[str, ...]:
        """Add one of our layers and give the names of its results: one, but for ``split``.

        Args:
            keyword: ours: ``conv``, ``add``.
            inputs: the values that it reads.
            settings: in the schema's terms: ``{"filters": 64, "kernel": (3, 3), "stride": (2,
                2), "padding": (1, 1, 1, 1), "rounding": "floor", "bias": False}``. A ``padding``
                of four is top, left, bottom, right, as ONNX has it. What equals a default may be
                left out or not; a ``rounding`` that changes nothing too.
            outputs: names for its results; made up where none are given.
            label: what the source calls it.
            place: where in the source it stands, for people.
            weights: its numbers by role, in our layout (``cnndsl summary --weights`` shows it).
            share: the first output of the node whose weights it uses.
            what: the source's word for it, with its attributes, for a refusal; else ours.
            known: the types of its results where the source says them, for what stands behind
                it where it is refused.
        """
        settings = settings or {}
        what = what or keyword
        names = tuple(outputs) or tuple(self._names(keyword, settings))
        tainted = any(one not in self._types or one in self._unsaid for one in inputs)
        types = [self._types[one] for one in inputs if one in self._types]
        made: list[TensorType] | None = [*known] or None
        layer, why = _layer(keyword, settings)
        if layer is not None and len(types) == len(inputs):
            why = why or _misfit(layer, types, weights or {}) or self._unlike(layer, types, share)
            results = None if why else _results(layer, types)
            if results is not None:
                why = _oversize(layer, types, results)
            made = made if why else results
        if why and not (tainted and len(types) < len(inputs)):
            self.refuse(place, what, why, outputs=names, known=made or ())
            return names
        if made is not None:
            self._types.update(zip(names, made, strict=False))
        if tainted or layer is None or made is None:
            self._behind += 1
            self._unsaid.update(names)
            self._leave_off(inputs)
            return names
        self._read.update(inputs)
        self._nodes.append(
            ImportedNode(
                layer,
                settings,
                tuple(inputs),
                names,
                tuple(made),
                label,
                place,
                weights or {},
                share,
            )
        )
        return names

    def refuse(
        self,
        place: str,
        what: str,
        why: str,
        *,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        known: Sequence[TensorType] = (),
    ) -> None:
        """Say that no spec says something; ``known`` are the types of its ``outputs``."""
        self._refused.append(Refusal(place, what, why))
        self._unsaid.update(outputs)
        self._types.update(zip(outputs, known, strict=False))
        self._leave_off(inputs)

    def build(
        self, outputs: Mapping[str, str], heads: Mapping[str, str] | None = None
    ) -> ImportedNetwork:
        """The network; ``outputs`` are names for what it gives, the main one first.

        Where one of these hangs on something refused, the network gives what stands before that.
        ``heads`` are names for what only its training reads. Layers that none of these needs are
        left out, which a note says.
        """
        heads = {name: value for name, value in (heads or {}).items() if self.is_said(value)}
        said = {name: value for name, value in outputs.items() if self.is_said(value)}
        if len(said) < len(outputs):
            ends = [node.outputs[0] for node in self._nodes if node.outputs[0] not in self._read]
            for value in (*self._ends, *ends):
                if value in self._types and value not in said.values():
                    said[value] = value
        nodes = self._needed((*said.values(), *heads.values()))
        return ImportedNetwork(
            self.name,
            self.source,
            tuple(self._inputs),
            nodes,
            said,
            tuple(self._refused),
            self._behind,
            tuple(self.notes),
            self.classes,
            self.recipe,
            heads,
        )

    def _needed(self, values: Sequence[str]) -> tuple[ImportedNode, ...]:
        """The nodes that these values are made of."""
        wanted = set(values)
        needed: list[ImportedNode] = []
        left: list[str] = []
        for node in reversed(self._nodes):
            if wanted.isdisjoint(node.outputs):
                left.append(f"`{node.label or node.keyword}`")
                continue
            needed.append(node)
            wanted.update(node.inputs)
            if node.share:
                wanted.add(node.share)
        if left:
            what = f"{count(len(left), 'layer')} that nothing reads"
            self.notes.append(f"left out: {what} ({abridged(left[::-1], 4)})")
        return tuple(reversed(needed))

    def _unlike(self, layer: Layer, types: Sequence[TensorType], share: str) -> str:
        """Why a layer cannot compute with the weights of the node that it shares."""
        if not share:
            return ""
        owner = next((node for node in self._nodes if share in node.outputs), None)
        if owner is None:
            return ""
        theirs = owner.layer.weights(*(self._types[one] for one in owner.inputs))
        for one, other in zip(layer.weights(*types), theirs, strict=False):
            if one.shape != other.shape:
                have, want = "x".join(map(str, other.shape)), "x".join(map(str, one.shape))
                return f"its weights `{one.name}` are {have} in its first call, and {want} here"
        return ""

    def _leave_off(self, inputs: Sequence[str]) -> None:
        """What is said here is read by something that is not: the spec's last values."""
        for value in inputs:
            if self.is_said(value) and all(value != one.name for one in self._inputs):
                self._ends[value] = None

    def _names(self, keyword: str, settings: Mapping[str, Value]) -> list[str]:
        layer, _ = _layer(keyword, settings)
        count = layer.results if layer else 1
        first = len(self._types) + len(self._unsaid)
        return [f"{keyword}#{first + at}" for at in range(count)]


def _layer(keyword: str, settings: Mapping[str, Value]) -> tuple[Layer | None, str]:
    """The layer with these settings, or why there is none."""
    schema = find(keyword)
    if schema is None:
        raise ValueError(f"there is no layer `{keyword}`")
    try:
        return validate(schema, settings), ""
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        return None, f"`{name}` of `{keyword}` cannot be `{first['input']}`: {first['msg']}"


def _misfit(layer: Layer, types: Sequence[TensorType], weights: Mapping[str, Array]) -> str:
    """Why a layer cannot take inputs of these types, or these weights; empty where it can."""
    for fault in layer.faults(*types):
        return fault.message
    own = {one.name: one.shape for one in layer.weights(*types)}
    for role, array in weights.items():
        if role not in own:
            return f"`{layer.keyword}` has no weights `{role}` there"
        if tuple(array.shape) != own[role]:
            have, want = "x".join(map(str, array.shape)), "x".join(map(str, own[role]))
            return f"its weights `{role}` are {have}, and `{layer.keyword}` has {want}"
    if weights and (lacking := own.keys() - weights.keys()):
        return f"its weights lack `{min(lacking)}`"
    return ""


def _oversize(layer: Layer, types: Sequence[TensorType], results: Sequence[TensorType]) -> str:
    """Why no spec may have the layer, as large as it is; empty where it may."""
    found = oversize(results, layer.weights(*types), Limits.current().elements)
    return found[1] if found else ""


def _results(layer: Layer, types: Sequence[TensorType]) -> list[TensorType]:
    """The types of a layer's results."""
    if type(layer).result is None or layer.reads:
        return [layer.output(*types)]
    schema = type(layer).result
    assert schema is not None
    given = {name: getattr(layer, name) for name in type(layer).model_fields}
    return [
        schema.model_validate({**given, "index": at}).output(*types) for at in range(layer.results)
    ]

"""What changed between two networks, as records and as plain data."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from cnndsl.analysis.reuse import Reuse, ReuseJson
from cnndsl.frozen import frozen

__all__ = [
    "Change",
    "ChangeJson",
    "Delta",
    "DeltaJson",
    "DiffJson",
    "Differences",
    "LayerChange",
    "LayerChangeJson",
    "RenameJson",
    "Unmet",
    "UnmetJson",
]

# --- as JSON ------------------------------------------------------------------------------------


class ChangeJson(TypedDict):
    """What one thing was and is; null where it was not there, or is no more."""

    what: str
    old: str | None
    new: str | None


class LayerChangeJson(TypedDict):
    """A layer that was ``added``, ``removed``, ``changed``, or has another output (``shape``)."""

    kind: str
    name: str
    old_name: NotRequired[str]
    layer: str
    old_layer: NotRequired[str]
    output: str
    old_output: NotRequired[str]
    changes: NotRequired[list[ChangeJson]]


class DeltaJson(TypedDict):
    """A quantity before and after; sizes are texts, ``6x28x28``."""

    quantity: str
    old: int | str
    new: int | str


class RenameJson(TypedDict):
    """A layer that has another name."""

    old: str
    new: str


class UnmetJson(TypedDict):
    """What a spec expects of its network (``old`` or ``new``) and what that is not."""

    network: str
    code: str
    message: str
    line: int


class DiffJson(TypedDict):
    """What ``cnndsl diff --format json`` prints."""

    old: str
    new: str
    changed: bool
    layers: list[LayerChangeJson]
    renamed: list[RenameJson]
    interface: list[ChangeJson]
    training: list[ChangeJson]
    contract: list[ChangeJson]
    unmet: list[UnmetJson]
    quantities: list[DeltaJson]
    weights: list[ReuseJson]


# --- as records ---------------------------------------------------------------------------------


@frozen
class Change:
    """What one thing was and is; empty where it was not there, or is no more."""

    what: str
    old: str
    new: str

    def to_json(self) -> ChangeJson:
        """The change as plain data."""
        return {"what": self.what, "old": self.old or None, "new": self.new or None}


@frozen
class LayerChange:
    """A layer of either network and what became of it.

    ``kind`` is ``added``, ``removed``, ``changed`` (its settings, what it reads, or what it is), or
    ``shape`` where nothing but its output is another. Names, layers and outputs are empty in the
    network that lacks it.
    """

    kind: str
    old_name: str
    name: str
    old_layer: str
    layer: str
    old_output: str
    output: str
    changes: tuple[Change, ...] = ()

    def to_json(self) -> LayerChangeJson:
        """The change as plain data."""
        data: LayerChangeJson = {
            "kind": self.kind,
            "name": self.name or self.old_name,
            "layer": self.layer or self.old_layer,
            "output": self.output or self.old_output,
        }
        if self.name and self.old_name:
            data["old_name"] = self.old_name
            data["old_layer"] = self.old_layer
            data["old_output"] = self.old_output
            data["changes"] = [one.to_json() for one in self.changes]
        return data


@frozen
class Delta:
    """A quantity before and after."""

    quantity: str
    old: tuple[int, ...]
    new: tuple[int, ...]

    def to_json(self) -> DeltaJson:
        """The delta as plain data."""
        return {"quantity": self.quantity, "old": _plain(self.old), "new": _plain(self.new)}


def _plain(values: tuple[int, ...]) -> int | str:
    return values[0] if len(values) == 1 else "x".join(map(str, values))


@frozen
class Unmet:
    """What a spec expects of its network (``old`` or ``new``) and what that is not."""

    network: str
    code: str
    message: str
    line: int

    def to_json(self) -> UnmetJson:
        """The expectation as plain data."""
        return {
            "network": self.network,
            "code": self.code,
            "message": self.message,
            "line": self.line,
        }


@frozen
class Differences:
    """What changed from one network to another, as data.

    ``layers`` are in the order of the new network, removed ones where they were. ``renamed`` are
    names of the same layers, old and new, ``contract`` parameters and budgets; these change no
    network. ``unmet`` is what either spec expects in vain. ``quantities`` has all that ``expect``
    knows. It is true where something changed in meaning.
    """

    old: str
    new: str
    layers: tuple[LayerChange, ...]
    renamed: tuple[tuple[str, str], ...]
    interface: tuple[Change, ...]
    training: tuple[Change, ...]
    contract: tuple[Change, ...]
    unmet: tuple[Unmet, ...]
    quantities: tuple[Delta, ...]
    weights: tuple[Reuse, ...]

    def __bool__(self) -> bool:
        return bool(self.layers or self.interface or self.training)

    def to_json(self) -> DiffJson:
        """The difference as plain data."""
        return {
            "old": self.old,
            "new": self.new,
            "changed": bool(self),
            "layers": [one.to_json() for one in self.layers],
            "renamed": [{"old": old, "new": new} for old, new in self.renamed],
            "interface": [one.to_json() for one in self.interface],
            "training": [one.to_json() for one in self.training],
            "contract": [one.to_json() for one in self.contract],
            "unmet": [one.to_json() for one in self.unmet],
            "quantities": [one.to_json() for one in self.quantities],
            "weights": [one.to_json() for one in self.weights],
        }

"""Turns two networks into what changed in meaning from the one to the other.

What does not change a network is passed over: layout, comments, blocks and loops that come to the
same layers. Names of layers alone change no network, yet they are the names of its weights: they
are told, and count as no change. So are parameters, which callers set, and budgets.
"""

from __future__ import annotations

from collections.abc import Iterator

from typing_extensions import override

from cnndsl.analysis.alignment import WINDOWED, Alignment, aligned, settings_of
from cnndsl.analysis.change_records import Change, Delta, Differences, LayerChange, Unmet
from cnndsl.analysis.changes_text import markdown_of, text_of
from cnndsl.analysis.cost import quantity
from cnndsl.analysis.interface_changes import (
    contract_changes,
    interface_changes,
    origins,
    training_changes,
)
from cnndsl.analysis.reuse import reused
from cnndsl.analysis.summary import phrase, word
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.elaborate.quantities import Quantity
from cnndsl.frozen import frozen
from cnndsl.layers.base import Layer

__all__ = ["NetworkDiff", "network_diff"]


@frozen
class NetworkDiff(Differences):
    """What changed from one network to another; it is true where something did, in meaning."""

    @override
    def __repr__(self) -> str:
        kinds = [one.kind for one in self.layers]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        return f"<NetworkDiff {self.old} -> {self.new}: {counts or 'no layer changed'}>"

    @override
    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """For a terminal, no wider than 80 columns."""
        return text_of(self)

    def markdown(self) -> str:
        """For a comment on a pull request."""
        return markdown_of(self)


def network_diff(
    old: TypedNetwork,
    new: TypedNetwork,
    names: tuple[str, str] | None = None,
    unmet: tuple[Unmet, ...] = (),
) -> NetworkDiff:
    """What changed from one network to another; ``names`` are what they are called.

    ``unmet`` is what either spec expects of its network in vain.
    """
    pairs = aligned(old, new)
    first, second = names or (old.name, new.name)
    same = [
        (old.network.nodes[one].name, new.network.nodes[other].name)
        for one, other in sorted(pairs.old.items(), key=lambda pair: pair[1])
    ]
    renames = tuple(pair for pair in same if pair[0] != pair[1])
    return NetworkDiff(
        old=first,
        new=second,
        layers=tuple(_layers(old, new, pairs)),
        renamed=tuple(
            pair for pair in renames if pair[0] not in {one.name for one in old.network.inputs}
        ),
        interface=tuple(interface_changes(old, new, pairs)),
        training=tuple(training_changes(old.network.recipe, new.network.recipe, dict(renames))),
        contract=tuple(contract_changes(old, new)),
        unmet=unmet,
        quantities=tuple(
            Delta(one.value, quantity(old, one), quantity(new, one)) for one in Quantity
        ),
        weights=tuple(reused(old, new, pairs)),
    )


# --- layers -------------------------------------------------------------------------------------


def _layers(old: TypedNetwork, new: TypedNetwork, pairs: Alignment) -> Iterator[LayerChange]:
    """The changes in the order of the new network; what was removed, where it was."""
    removed = [
        at
        for at, node in enumerate(old.network.nodes)
        if isinstance(node, LayerNode) and at not in pairs.old
    ]
    places: dict[int, list[int]] = {}
    for at in removed:
        places.setdefault(_partner_behind(at, pairs, len(new.network.nodes)), []).append(at)
    for at, node in enumerate(new.network.nodes):
        for one in places.get(at, ()):
            yield _alone("removed", old, one)
        if not isinstance(node, LayerNode):
            continue
        partner = pairs.new.get(at)
        if partner is None:
            yield _alone("added", new, at)
        elif (change := _changed(old, new, pairs, (partner, at))) is not None:
            yield change
    for one in places.get(len(new.network.nodes), ()):
        yield _alone("removed", old, one)


def _partner_behind(at: int, pairs: Alignment, end: int) -> int:
    """The new position of the first node behind an old one that is still there."""
    behind = (
        pairs.old[one] for one in range(at, max(pairs.old, default=-1) + 1) if one in pairs.old
    )
    return next(behind, end)


def _alone(kind: str, typed: TypedNetwork, at: int) -> LayerChange:
    node = typed.network.nodes[at]
    assert isinstance(node, LayerNode)
    name, layer, output = node.name, phrase(node), str(typed.types[at])
    if kind == "added":
        return LayerChange(kind, "", name, "", layer, "", output)
    return LayerChange(kind, name, "", layer, "", output, "")


def _changed(
    old: TypedNetwork, new: TypedNetwork, pairs: Alignment, pair: tuple[int, int]
) -> LayerChange | None:
    """What changed of a layer that is in both; None where nothing did."""
    one, other = pair
    before, after = old.network.nodes[one], new.network.nodes[other]
    if not isinstance(before, LayerNode) or not isinstance(after, LayerNode):
        return None
    changes = [*_settings(old, new, before, after), *_wiring(old, new, pairs, pair)]
    if _owner(old, one, pairs) != new.network.owners[other] and (before.share or after.share):
        owners = [one.share.owner if one.share else "" for one in (before, after)]
        changes.append(Change("share", *owners))
    outputs = str(old.types[one]), str(new.types[other])
    if not changes and outputs[0] == outputs[1]:
        return None
    return LayerChange(
        "changed" if changes else "shape",
        before.name,
        after.name,
        phrase(before),
        phrase(after),
        *outputs,
        tuple(changes),
    )


def _owner(typed: TypedNetwork, at: int, pairs: Alignment) -> int | None:
    return pairs.old.get(typed.network.owners[at])


def _settings(
    old: TypedNetwork, new: TypedNetwork, before: LayerNode, after: LayerNode
) -> Iterator[Change]:
    """The settings that have other values; those of another layer, as a whole."""
    if before.layer.keyword != after.layer.keyword:
        yield Change("layer", phrase(before), phrase(after))
        return
    first = settings_of(before.layer, old.input_types(before))
    second = settings_of(after.layer, new.input_types(after))
    for name in dict.fromkeys((*first, *second)):
        if first.get(name) == second.get(name):
            continue
        if name == "window":
            yield from _window(before.layer, after.layer, first[name], second[name])
        else:
            yield Change(name, _word(first.get(name)), _word(second.get(name)))


def _window(before: Layer, after: Layer, first: object, second: object) -> Iterator[Change]:
    """What is written otherwise of a window; what comes of it, where that is nothing."""
    changes = []
    for name in WINDOWED:
        had, has = (getattr(layer, name, None) for layer in (before, after))
        if had != has:
            changes.append(Change(name, _word(had), _word(has)))
    yield from changes or [Change("window", str(first), str(second))]


def _word(value: object) -> str:
    return "by default" if value is None else word(value)


def _wiring(
    old: TypedNetwork, new: TypedNetwork, pairs: Alignment, pair: tuple[int, int]
) -> Iterator[Change]:
    """What a layer reads instead of something else; what was put in between is told there."""
    before, after = old.network.nodes[pair[0]].inputs, new.network.nodes[pair[1]].inputs
    had = [origins(source, old, pairs.old) for source in before]
    has = [origins(source, new, pairs.new) for source in after]
    mapped = [{pairs.old[at] for at in origin} for origin in had]
    lost, gained = [*range(len(had))], [*range(len(has))]
    for at in range(len(has)):
        match = next((i for i in lost if i == at and mapped[i] & has[at]), None)
        if match is None:
            match = next((i for i in lost if mapped[i] & has[at]), None)
        if match is not None:
            lost.remove(match)
            gained.remove(at)
    # A stream of a layer that is new, or is gone, is told of there.
    told = all(before[at] not in pairs.old for at in lost) and all(
        after[at] not in pairs.new for at in gained
    )
    if not told:
        names = (
            ", ".join(typed.network.nodes[inputs[at]].name for at in places)
            for typed, inputs, places in ((old, before, lost), (new, after, gained))
        )
        yield Change("reads", *names)

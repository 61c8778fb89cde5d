"""Turns layers that directly follow each other into boxes: convolution and activation are one.

What a layer computes number by number belongs to the layer before it; where a norm comes first, as
in residual networks with pre-activation, it belongs to the layer behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from cnndsl.analysis.outline import Outline, Part, Repeat, Scope, Step, steps_of
from cnndsl.elaborate.network import LayerNode, Network
from cnndsl.frozen import mutable
from cnndsl.layers.shape import Identity

__all__ = ["Chain", "Container", "chains_of", "is_apart", "source_of"]

_FOLLOWERS = frozenset(("activation", "normalization", "regularization"))


@mutable
class Container:
    """Something that may become a frame: an open call of a block, or a loop."""

    scope: Scope | None
    repeat: Repeat | None
    chains: int = 0
    """How many boxes it has, those in containers inside too."""


@mutable
class Chain:
    """Layers that become one box, or a call that does; ``core`` is the one that gives its name."""

    path: tuple[Container, ...]
    steps: list[int] = field(default_factory=list)
    core: int | None = None
    call: Scope | None = None
    times: tuple[Repeat, ...] = ()
    label: str = ""
    """The label of a call around that has no frame of its own."""
    norm_first: bool = False
    ends: bool = False
    """Whether nothing is added any more."""

    @property
    def are_results(self) -> bool:
        """Whether its steps are several results of one layer."""
        return self.ends and self.call is None


def source_of(network: Network, position: int) -> int:
    """Whose output a node reads where it reads this one: an ``identity`` has none of its own."""
    node = network.nodes[position]
    while isinstance(node, LayerNode) and isinstance(node.layer, Identity):
        position = node.inputs[0]
        node = network.nodes[position]
    return position


def is_apart(network: Network, position: int) -> bool:
    """Whether a node is something of its own, and no follower of another."""
    node = network.nodes[position]
    if not isinstance(node, LayerNode):
        return True
    return not _follows(node) and not isinstance(node.layer, Identity)


def _follows(node: LayerNode) -> bool:
    return node.layer.family in _FOLLOWERS or node.layer.activation


def chains_of(
    network: Network,
    outline: Outline,
    parts: Sequence[Part],
    closed: frozenset[str],
    kept: frozenset[int],
) -> list[Chain]:
    """The boxes of some parts, in order.

    Args:
        network: the network.
        outline: its tree.
        parts: of the tree.
        closed: the names of calls that are one box each.
        kept: positions of nodes that end their box: outputs.
    """
    return _Chaining(network, outline, closed, kept).carry_out(parts)


@mutable
class _Chaining:
    network: Network
    outline: Outline
    closed: frozenset[str]
    kept: frozenset[int]

    def __post_init__(self) -> None:
        self.chains: list[Chain] = []
        self.chain_of: dict[int, Chain] = {}
        self.readers: dict[int, set[int]] = {}
        network = self.network
        self.kept = frozenset(
            self.outline.shown(source_of(network, position)) for position in self.kept
        )
        for position, node in enumerate(network.nodes):
            if isinstance(node, LayerNode) and not isinstance(node.layer, Identity):
                for read in node.inputs:
                    source = self.outline.shown(source_of(network, read))
                    self.readers.setdefault(source, set()).add(self.outline.shown(position))

    def carry_out(self, parts: Sequence[Part]) -> list[Chain]:
        self._walk(parts, ())
        for chain in self.chains:
            for container in chain.path:
                container.chains += 1
        for chain in self.chains:
            chain.path = _without_twins(chain.path)
            alone = [one for one in chain.path if one.chains == 1]
            chain.times = tuple(one.repeat for one in alone if one.repeat)
            scopes = [one.scope.name for one in alone if one.scope]
            chain.label = next((one for one in scopes if one in self.network.labels), chain.label)
            chain.path = tuple(one for one in chain.path if one.chains > 1)
        return self.chains

    def _walk(self, parts: Sequence[Part], path: tuple[Container, ...]) -> None:
        for part in parts:
            match part:
                case Step(position=position):
                    self._step(position, path)
                case Scope(name=name) if name in self.closed:
                    self._add(Chain(path, call=part, ends=True), [*steps_of(part.parts)])
                case Scope(parts=parts) if self._are_results(parts):
                    steps = [*steps_of(parts)]
                    self._add(Chain(path, core=steps[0], ends=True), steps)
                case Scope(parts=[Repeat() as only]) if part.block or self._label(part):
                    self._walk(only.parts, (*path, Container(part, only)))
                case Scope():
                    framed = self._is_framed(part)
                    known = len(self.chains)
                    self._walk(part.parts, (*path, Container(part, None)) if framed else path)
                    if not framed and len(self.chains) == known + 1:
                        self.chains[known].label = self._label(part) or self.chains[known].label
                case Repeat():
                    scope = self._only_call(part.parts)
                    inside = scope.parts if scope else part.parts
                    self._walk(inside, (*path, Container(scope, part)))

    def _label(self, scope: Scope) -> str:
        """The full name of a scope if that is a label."""
        return scope.name if scope.name in self.network.labels else ""

    def _only_call(self, parts: Sequence[Part]) -> Scope | None:
        """The call that a loop consists of, if it is one that has a frame."""
        while len(parts) == 1 and isinstance(parts[0], Scope):
            if self._is_framed(parts[0]):
                return parts[0]
            if parts[0].block:
                return None
            parts = parts[0].parts
        return None

    def _are_results(self, parts: Sequence[Part]) -> bool:
        """Whether the nodes of a scope are the results of one layer, such as `split`."""
        nodes = [self.network.nodes[step.position] for step in parts if isinstance(step, Step)]
        layers = [node.layer for node in nodes if isinstance(node, LayerNode)]
        return len(layers) == len(parts) > 1 and all(one.results == len(parts) for one in layers)

    def _is_framed(self, scope: Scope) -> bool:
        """Whether a call has more than one layer of its own to show; a loop's rounds never have."""
        if not scope.block or scope.name in self.closed:
            return False
        return sum(is_apart(self.network, position) for position in steps_of(scope.parts)) > 1

    def _add(self, chain: Chain, steps: Sequence[int]) -> None:
        chain.steps += steps
        self.chains.append(chain)
        self.chain_of.update(dict.fromkeys(steps, chain))

    def _step(self, position: int, path: tuple[Container, ...]) -> None:
        node = self.network.nodes[position]
        if isinstance(node, LayerNode) and isinstance(node.layer, Identity):
            return
        before = self._before(position, path)
        if before is not None and self._joins(before, position):
            before.steps.append(position)
            self.chain_of[position] = before
        else:
            before = Chain(path)
            self._add(before, [position])
            before.norm_first = isinstance(node, LayerNode) and node.layer.family == "normalization"
        if before.core is None and not self._is_preparation(position):
            before.core = position

    def _before(self, position: int, path: tuple[Container, ...]) -> Chain | None:
        """The chain that a node alone continues."""
        node = self.network.nodes[position]
        if not isinstance(node, LayerNode) or len(node.inputs) != 1:
            return None
        source = self.outline.shown(source_of(self.network, node.inputs[0]))
        chain = self.chain_of.get(source)
        if chain is None or chain.ends or chain.path != path or source in self.kept:
            return None
        alone = chain.steps[-1] == source and self.readers[source] == {position}
        return chain if alone and isinstance(self.network.nodes[source], LayerNode) else None

    def _joins(self, chain: Chain, position: int) -> bool:
        node = self.network.nodes[position]
        assert isinstance(node, LayerNode)
        if chain.core is None:
            return True
        regular = node.layer.family == "regularization"
        if regular and self._is_labelled(position) and not any(map(self._is_labelled, chain.steps)):
            return False  # the label is that of what it begins, not of the layer before it
        return _follows(node) and (regular or not chain.norm_first)

    def _is_labelled(self, position: int) -> bool:
        return self.network.nodes[position].name in self.network.labels

    def _is_preparation(self, position: int) -> bool:
        """Whether a node does not give its box a name while something may still follow."""
        node = self.network.nodes[position]
        if not isinstance(node, LayerNode):
            return False
        return _follows(node) or (node.layer.passes_on and not node.layer.joins)


def _without_twins(path: tuple[Container, ...]) -> tuple[Container, ...]:
    """Containers without those that hold nothing but another one, or all of the one around."""
    kept: list[Container] = []
    for one in path:
        if kept and one.chains == kept[-1].chains > 1 and one.repeat is None:
            continue
        kept.append(one)
    return tuple(kept)

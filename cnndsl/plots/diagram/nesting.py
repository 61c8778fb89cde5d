"""Turns boxes and what they read into graphs in graphs: frames with ports where values pass."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import field

from cnndsl.analysis.outline import Outline, Part, Repeat, Scope, steps_of
from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.elaborate.values import Value
from cnndsl.frozen import mutable
from cnndsl.plots.diagram.chains import Chain, Container, chains_of, source_of
from cnndsl.plots.diagram.classes import BlockClass
from cnndsl.plots.diagram.ends import End
from cnndsl.plots.diagram.graph import BORDER, Box, Edge, Frame, Graph, Node, Port
from cnndsl.plots.diagram.words import TIMES, headline, input_words, plain, remark, setting
from cnndsl.syntax.ast import Expr, Number

__all__ = ["Nesting"]


@mutable
class _Level:
    """A graph while it is put together; ports go by the values that pass through them."""

    members: dict[Hashable, int] = field(default_factory=dict)
    """Each member, and its position."""
    edges: dict[tuple[Port, Port], tuple[int, ...]] = field(default_factory=dict)
    inputs: dict[int, int] = field(default_factory=dict)
    outputs: dict[int, int] = field(default_factory=dict)
    ports: dict[tuple[Hashable, int], int] = field(default_factory=dict)
    given: dict[Hashable, int] = field(default_factory=dict)
    """How many output ports each member has."""
    taken: dict[Hashable, int] = field(default_factory=dict)
    """How many input ports each member has."""
    entered: dict[tuple[Hashable, int], int] = field(default_factory=dict)
    """The input port of a call that a value enters by."""

    def add(self, member: Hashable) -> None:
        """Take in a member, if it is none yet."""
        self.members.setdefault(member, len(self.members))


@mutable
class Nesting:
    """Puts together the graph of a network, and those of blocks that are drawn once."""

    typed: TypedNetwork
    tree: Outline
    ends: Sequence[End]
    by_call: Mapping[str, BlockClass]
    """The classes of the calls that are one box."""

    def graph(self, parts: Sequence[Part], inside: BlockClass | None = None) -> Graph:
        """The graph of some parts: of all, or of the inside of a class's first call."""
        return _Assembly(self, parts, inside).carry_out()

    def arguments(self, scope: Scope, inside: BlockClass | None) -> tuple[str, ...]:
        """What a box says of its call: what differs between the calls of its block.

        A default is left out, and so is a parameter that is the same as one before. ``inside`` a
        class, whose first call the box is in, it says what holds in all of them.
        """
        block = self.by_call[scope.name].block
        values = [given for one in self._forms(block) for given in one.values]
        defaults = {
            parameter.name.name: parameter.default
            for parameter in self.typed.network.calls[scope.name].definition.block.parameters
        }
        differing: dict[str, list[object]] = {}
        for name in values[0]:
            column: list[object] = [given[name] for given in values]
            if any(one != column[0] for one in column) and column not in differing.values():
                differing[name] = column
        here = self.typed.network.calls[scope.name].values
        said: list[str] = []
        for name in differing:
            text = inside.argument(scope, name) if inside else None
            if text is not None:
                said.append(name if text == name else f"{name} {text}")
            elif here[name] is not False and not _is_default(defaults[name], here[name]):
                said.append(setting(name, here[name]))
        return tuple(said)

    def title(self, one: BlockClass) -> str:
        """What a class is called: its block, and what tells it from another form of that block.

        Of more than two, each has a letter.
        """
        forms = self._forms(one.block)
        if len(forms) > 2:
            return self.name(one)
        said = []
        for name, value in one.values[0].items():
            if name in one.differing or value is False:
                continue
            if any(two.values[0].get(name) != value for two in forms):
                said.append(setting(name, value))
        return f"{one.block} ({', '.join(said)})" if said and len(forms) > 1 else one.block

    def name(self, one: BlockClass) -> str:
        """What a call of a class is called."""
        forms = self._forms(one.block)
        return f"{one.block} ({_letter(forms.index(one))})" if len(forms) > 2 else one.block

    def _forms(self, block: str) -> list[BlockClass]:
        """The classes of a block's calls that are one box."""
        return [one for one in dict.fromkeys(self.by_call.values()) if one.block == block]


def _letter(at: int) -> str:
    return chr(ord("a") + at) if at < 26 else str(at + 1)


@mutable
class _Assembly:
    nesting: Nesting
    parts: Sequence[Part]
    inside: BlockClass | None

    def __post_init__(self) -> None:
        nesting = self.nesting
        self.network = nesting.typed.network
        kept = frozenset(end.position for end in nesting.ends)
        closed = frozenset(nesting.by_call)
        self.chains = chains_of(self.network, nesting.tree, self.parts, closed, kept)
        self.chain_of = {step: chain for chain in self.chains for step in chain.steps}
        self.levels: dict[Container | None, _Level] = {None: _Level()}
        for chain in self.chains:
            path: list[Container | None] = [None, *chain.path]
            for outer, member in zip(path, [*chain.path, chain], strict=True):
                self.levels.setdefault(outer, _Level()).add(member)

    def carry_out(self) -> Graph:
        for chain in self.chains:
            for read, value in self._reads(chain):
                self._connect(value, self.chain_of.get(value), chain, self._sizes(read))
        boxes: dict[Hashable, Node] = {}
        if self.inside is None:
            for number, end in enumerate(self.nesting.ends):
                value = self._value(end.position)
                self.levels[None].add(number)
                boxes[number] = end.box
                self._connect(value, self.chain_of[value], number, self._sizes(end.position))
        else:
            self._leave()
        return self._graph(None, boxes)

    # --- edges ---

    def _value(self, position: int) -> int:
        """The node whose result it is, as the tree has it."""
        return self.nesting.tree.shown(source_of(self.network, position))

    def _reads(self, chain: Chain) -> Iterator[tuple[int, int]]:
        """What a box reads from others: the node that is named, and whose result that is."""
        for step in chain.steps[:1] if chain.are_results else chain.steps:
            node = self.network.nodes[step]
            if not isinstance(node, LayerNode) or step != self._value(step):
                continue
            for read in node.inputs:
                value = self._value(read)
                if self.chain_of.get(value) is not chain:
                    yield read, value

    def _sizes(self, position: int) -> tuple[int, ...]:
        """The sizes of a node's result; in a block none where its calls differ."""
        types = self.nesting.typed.types
        if self.inside is None:
            return types[position].dims
        value = self._value(position)
        if value not in self.chain_of:
            return ()
        at = self.inside.steps[0].index(value)
        found = {types[steps[at]] for steps in self.inside.steps}
        return types[position].dims if len(found) == 1 else ()

    def _leave(self) -> None:
        """The results of a block's call that are read outside."""
        assert self.inside is not None
        nodes = self.network.nodes
        prefix = f"{self.inside.calls[0].name}."
        read_outside: dict[int, int] = {}
        for node in nodes:
            if isinstance(node, LayerNode) and not node.name.startswith(prefix):
                for read in node.inputs:
                    if nodes[read].name.startswith(prefix):
                        read_outside.setdefault(self._value(read), read)
        for end in self.nesting.ends:
            if nodes[end.position].name.startswith(prefix):
                read_outside.setdefault(self._value(end.position), end.position)
        for value, read in read_outside.items():
            self._connect(value, self.chain_of.get(value), None, self._sizes(read))

    def _connect(
        self,
        value: int,
        source: Chain | None,
        target: Chain | int | None,
        dims: tuple[int, ...],
    ) -> None:
        """Lead a value from its box to another, through the borders of frames."""
        inner: list[Container | None] = [None, *(source.path if source else ())]
        other: list[Container | None] = [
            None, *(target.path if isinstance(target, Chain) else ())
        ]  # fmt: skip
        common = 0
        while inner[: common + 1] == other[: common + 1] and common < min(len(inner), len(other)):
            common += 1
        member: Hashable = source
        for outer, within in zip(
            reversed(inner[common - 1 : -1]), reversed(inner[common:]), strict=True
        ):
            level = self.levels[within]
            port = level.outputs.setdefault(value, len(level.outputs))
            self._edge(within, self._from(within, member, value), (BORDER, port), dims)
            member = within
            assert outer is None or outer in self.levels
        here = other[common - 1]
        start = self._from(here, member, value)
        for within in other[common:]:
            level = self.levels[within]
            port = level.inputs.setdefault(value, len(level.inputs))
            self._edge(here, start, (self.levels[here].members[within], port), dims)
            here, start = within, (BORDER, port)
        if target is None:
            level = self.levels[None]
            end = (BORDER, level.outputs.setdefault(value, len(level.outputs)))
        else:
            end = self._into(self.levels[here], target, value)
        self._edge(here, start, end, dims)

    def _into(self, level: _Level, target: Chain | int, value: int) -> Port:
        """The port where a value enters a box; a call takes the same value once."""
        is_call = isinstance(target, Chain) and target.call is not None
        if is_call and (target, value) in level.entered:
            return level.members[target], level.entered[target, value]
        port = level.taken.get(target, 0)
        level.taken[target] = port + 1
        if is_call:
            level.entered[target, value] = port
        return level.members[target], port

    def _from(self, within: Container | None, member: Hashable, value: int) -> Port:
        """The port that a value comes from in a graph: its member's, or the border's."""
        level = self.levels[within]
        if member is None:
            return BORDER, level.inputs.setdefault(value, len(level.inputs))
        if isinstance(member, Container):
            return level.members[member], self.levels[member].outputs[value]
        known = level.ports.get((member, value))
        if known is None:
            known = level.given.get(member, 0)
            level.given[member] = known + 1
            level.ports[member, value] = known
        return level.members[member], known

    def _edge(
        self, within: Container | None, start: Port, end: Port, dims: tuple[int, ...]
    ) -> None:
        self.levels[within].edges.setdefault((start, end), dims)

    # --- nodes ---

    def _graph(self, within: Container | None, boxes: Mapping[Hashable, Node]) -> Graph:
        level = self.levels[within]
        nodes = tuple(self._node(member, boxes) for member in level.members)
        edges = tuple(Edge(*ends, dims) for ends, dims in level.edges.items())
        return Graph(nodes, edges, len(level.inputs), len(level.outputs))

    def _node(self, member: Hashable, boxes: Mapping[Hashable, Node]) -> Node:
        if isinstance(member, Chain):
            return self._box(member)
        if isinstance(member, Container):
            return self._frame(member, boxes)
        return boxes[member]

    def _frame(self, container: Container, boxes: Mapping[Hashable, Node]) -> Frame:
        scope = container.scope
        graph = self._graph(container, boxes)
        times = self._times((container.repeat,) if container.repeat else ())
        title, shares = "", ""
        if scope is not None:
            title = scope.block
            shares = self._owner(scope)
        return Frame(title, self._label(scope.name) if scope else "", times, graph, shares)

    def _times(self, repeats: Sequence[Repeat]) -> str:
        if self.inside is not None:
            return " × ".join(self.inside.times(one) for one in repeats)
        return " × ".join(str(one.times) for one in repeats)

    def _label(self, name: str) -> str:
        """The label that the text gives something, if it does."""
        return name.rpartition(".")[2] if name in self.network.labels else ""

    def _box(self, chain: Chain) -> Box:
        times = self._times(chain.times)
        names = tuple(self.network.nodes[step].name for step in chain.steps)
        if chain.call:
            return self._call(chain.call, times, names)
        core = chain.steps[0] if chain.core is None else chain.core
        node = self.network.nodes[core]
        if isinstance(node, InputNode):
            words = input_words(node)
            return Box("input", "other", node.name, after=words, times=times, layers=names)
        at = chain.steps.index(core)
        before, after = (
            tuple(map(self._name, steps))
            for steps in (chain.steps[:at], chain.steps[at + 1 :] if not chain.are_results else ())
        )
        labels = [node.name, chain.label, *(self.network.nodes[step].name for step in chain.steps)]
        label = next(filter(None, map(self._label, labels)), "")
        return Box(
            "join" if node.layer.family == "join" else "layer",
            node.layer.family,
            headline(node, self._tell),
            name=label,
            before=before,
            after=(*remark(node, self._tell), *after),
            times=times,
            shares=node.owner if node.share and not self._in_shared(chain) else "",
            layers=names,
        )

    def _in_shared(self, chain: Chain) -> bool:
        """Whether a whole call around shares its weights, which is said of the call."""
        return any(self._owner(around.scope) for around in chain.path if around.scope)

    def _tell(self, node: LayerNode, name: str) -> str:
        """What to write for a setting; of a kernel all sizes."""
        said = self.inside.told(node, name) if self.inside else plain(node, name)
        rank = len(self.nesting.typed.types[node.inputs[0]].spatial)
        if name == "kernel" and said.isdecimal():
            return TIMES.join([said] * rank)
        return said

    def _name(self, position: int) -> str:
        node = self.network.nodes[position]
        assert isinstance(node, LayerNode)
        return headline(node, self._tell)

    def _call(self, scope: Scope, times: str, names: tuple[str, ...]) -> Box:
        one = self.nesting.by_call[scope.name]
        return Box(
            "block",
            "other",
            self.nesting.name(one),
            name=self._label(scope.name),
            after=self.nesting.arguments(scope, self.inside),
            times=times,
            shares=self._owner(scope),
            layers=names,
        )

    def _owner(self, scope: Scope) -> str:
        """The call whose weights all layers of a call use, if there is one."""
        owners = set()
        for position in steps_of(scope.parts):
            node = self.network.nodes[position]
            if isinstance(node, LayerNode) and self.nesting.typed.weights_of(position):
                inner = node.name.removeprefix(scope.name)
                owners.add(node.owner.removesuffix(inner) if node.share else "")
        return owners.pop() if len(owners) == 1 else ""


def _is_default(default: Expr | None, value: Value) -> bool:
    return isinstance(default, Number) and default.value == value

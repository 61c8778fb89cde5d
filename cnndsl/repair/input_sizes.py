"""Goes back from a window that does not fit to the network's input: which sizes would make it fit.

An input size is carried forward through the layers on the way to the failure; the nearest ones
above and below for which every window on that way fits are candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product

from cnndsl.diagnostics.model import Edit
from cnndsl.elaborate.draft import Poison
from cnndsl.elaborate.network import InputNode, Network
from cnndsl.frozen import replace
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.repair.candidates import Candidate, Case, Rank, literal
from cnndsl.repair.what_if import Budget
from cnndsl.syntax.ast import Expr, Input, List, Module, Size
from cnndsl.typecheck.input_checks import channels_first
from cnndsl.types import TensorType

__all__ = ["input_changes", "resized_input"]

REACH = 256
"""No size farther from the one written is looked at."""

CHOICES = 8
"""So many sizes are combined, where dimensions have different ones."""

SHRINKING = 4
"""A larger input is preferred unless it is so many times as far off."""


def input_changes(case: Case, budget: Budget) -> Iterator[Iterator[Candidate]]:
    """Larger inputs, nearest first, and smaller ones; of each, the nearest that works is wanted.

    Before them, the one whose channels stand first.
    """
    if case.kind is FaultKind.OUTPUT_PADDING:
        return  # it has nothing to do with the input's size
    way = _way(case)
    inputs = [at for at in way if isinstance(case.inference.network.nodes[at], InputNode)]
    if len(inputs) != 1:
        return
    search = _Search(case, way, inputs[0], budget)
    if len(search.node.type.spatial) == len(case.windows):
        yield search.reordered()
        yield search.candidates(1)
        if case.kind is FaultKind.REMAINDER:
            yield search.candidates(-1)


def _way(case: Case) -> list[int]:
    """The nodes that lead to the failure, in order, and the failing one."""
    nodes = case.inference.network.nodes
    found: set[int] = set()
    waiting = [case.failing[0]]
    while waiting:
        position = waiting.pop()
        if position not in found:
            found.add(position)
            waiting.extend(nodes[position].inputs)
    return sorted(found)


class _Search:
    """Looks for sizes of one input."""

    def __init__(self, case: Case, way: Sequence[int], position: int, budget: Budget) -> None:
        node = case.inference.network.nodes[position]
        assert isinstance(node, InputNode)
        self.case = case
        self.way = way
        self.position = position
        self.node = node
        self.budget = budget

    def candidates(self, direction: int) -> Iterator[Candidate]:
        """Inputs with larger or smaller sizes along the dimensions at fault."""
        for sizes in self._sizes(direction):
            found = self._resized((self.node.type.channels, *sizes))
            if found is not None:
                spatial = self.node.type.spatial
                distance = sum(abs(size - old) for size, old in zip(sizes, spatial, strict=True))
                # Smaller ones count as farther: they lose cells.
                yield replace(found, distance=distance if direction > 0 else SHRINKING * distance)

    def reordered(self) -> Iterator[Candidate]:
        """The input with its channels first, where they stand last."""
        sizes = channels_first(self.case.inference.network, self.position, self.node)
        if len(sizes) == len(self.node.type.dims):
            found = self._resized(sizes)
            if found is not None:
                yield replace(found, rank=Rank.ORDER)

    def _resized(self, dims: tuple[int, ...]) -> Candidate | None:
        return resized_input(self.case.inference.network, self.position, self.node, dims)

    def _sizes(self, direction: int) -> Iterator[tuple[int, ...]]:
        """All spatial sizes, the least changed first; equal ones that are wrong stay equal."""
        current = self.node.type.spatial
        wrong = self.case.wrong
        together = len({current[at] for at in wrong}) == 1
        groups = [wrong] if together else [(at,) for at in wrong]
        if together:
            for size in self._along(wrong, direction):
                yield _put(current, groups, (size,))
            return
        options = [[*islice(self._along(group, direction), CHOICES)] for group in groups]
        combined = [_put(current, groups, sizes) for sizes in product(*options)]
        yield from sorted(combined, key=lambda sizes: abs(sum(sizes) - sum(current)))

    def _along(self, dimensions: tuple[int, ...], direction: int) -> Iterator[int]:
        """The sizes along some dimensions, alike in all, for which the windows on the way fit."""
        current = self.node.type.dims
        start = current[1 + dimensions[0]]
        for size in range(start + direction, start + direction * REACH, direction):
            if size < max(1, start // 2) or not self.budget.grant(len(self.way)):
                return
            dims = list(current)
            for at in dimensions:
                dims[1 + at] = size
            if self._fits(self.node.type.resized(tuple(dims)), dimensions):
                yield size

    def _fits(self, kind: TensorType, dimensions: Sequence[int]) -> bool:
        """Whether all windows on the way fit along these dimensions."""
        types: dict[int, TensorType] = {self.position: kind}
        for position in self.way:
            node = self.case.inference.network.nodes[position]
            if isinstance(node, InputNode):
                continue
            if isinstance(node.layer, Poison):
                return False
            sources = [types[i] for i in node.inputs]
            windows = node.layer.windows(*sources)
            if windows:
                same_rank = len(windows) == len(self.case.windows)
                if not same_rank or not all(node.layer.accepts(windows[at]) for at in dimensions):
                    return False
            types[position] = node.layer.output(*sources)
        return True


def resized_input(
    network: Network, position: int, node: InputNode, dims: tuple[int, ...]
) -> Candidate | None:
    """An input with other sizes, near ones likelier; None where those written are computed."""
    kind = node.type.resized(dims)
    written = _written(network, node, kind)
    if written is None:
        return None
    pairs = zip(kind.spatial, node.type.spatial, strict=True)
    near = all(abs(size - old) <= max(old // 4, 4) for size, old in pairs)
    rank = Rank.INPUT if near else Rank.FAR_INPUT
    return Candidate(rank, *written, {position: replace(node, type=kind)})


def _written(
    network: Network, node: InputNode, kind: TensorType
) -> tuple[str, tuple[Edit, ...]] | None:
    """What to do to give an input another type, and the edits; None where sizes are computed."""
    expr = _expression(network.module, node)
    several = len(network.inputs) > 1
    action = f"change {f'the input `{node.name}`' if several else 'the input'} to {kind}"
    if isinstance(expr, Size):
        return action, (Edit(expr.span, str(kind)),)
    if not isinstance(expr, List):
        return None
    edits: dict[Edit, None] = {}
    for item, new, old in zip(expr.items, kind.dims, node.type.dims, strict=True):
        if new == old:
            continue
        found = literal(item.span, network.module)
        if found is None:
            return None
        if found.constant:
            action = f"change `{found.constant}` to {new}"
        edits[Edit(found.span, str(new))] = None
    if len({edit.span for edit in edits}) < len(edits):
        return None  # one constant cannot have two values
    return action, tuple(edits)


def _expression(module: Module, node: InputNode) -> Expr | None:
    """The expression of the sizes."""
    for statement in module.statements:
        if isinstance(statement, Input) and statement.span == node.span:
            return next((e for e in statement.arguments if isinstance(e, Size | List)), None)
    return None


def _put(
    current: tuple[int, ...], groups: Sequence[tuple[int, ...]], sizes: Sequence[int]
) -> tuple[int, ...]:
    """The sizes with new ones for the dimensions of each group."""
    changed = list(current)
    for group, size in zip(groups, sizes, strict=True):
        for at in group:
            changed[at] = size
    return tuple(changed)

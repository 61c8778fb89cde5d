"""Finds what makes a claim true that does not hold: ``conv 6@5x5 => 6x28x28`` lacks ``padding 2``.

The claim may be wrong, or the network. For the network, the layers on the way to the claim are
varied one by one, up to where the way begins or divides, or another claim stands: another padding,
stride, kernel, number of filters, or another input. What gives the claimed shape is proven on the
text itself, as all repairs are; who reads it decides which of the two is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic, Fix
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import shorten
from cnndsl.elaborate.draft import Poison
from cnndsl.elaborate.network import InputNode, LayerNode, Node, NodeClaim
from cnndsl.elaborate.node_types import infer_node
from cnndsl.frozen import replace
from cnndsl.layers.window import Window
from cnndsl.repair.candidates import Candidate, Rank, edit_of, rewritten, with_parameters
from cnndsl.repair.input_sizes import input_written
from cnndsl.repair.proof import Retry, is_shipped, uncovered
from cnndsl.repair.what_if import Budget
from cnndsl.typecheck.claims import stated_dims
from cnndsl.typecheck.facts import Inference
from cnndsl.types import TensorType

__all__ = ["fulfilled"]

FIXES = 3
"""So many changes of the network are offered beside that of the claim."""

TRIED = 20_000
"""So many nodes are inferred again in all trials."""

RETRIED = 10_000
"""So many in all proofs, of which at least one is made for a claim while this lasts."""

REACH = 64
"""No input farther from the one written is looked at."""

STRIDES = 8
KERNELS = 8
"""No stride or kernel either."""

_COUNTS = frozenset(("filters", "units"))
"""Parameters that are the number of channels that come out."""

_RANKS = {
    "stride": Rank.STRIDE,
    "kernel": Rank.KERNEL,
    "output_padding": Rank.OUTPUT_PADDING,
}
"""How likely another value of a parameter is meant; a number of channels as likely as a padding."""

CHARACTERS = 20
"""So many characters take as long to parse as one node to infer."""


def fulfilled(
    inference: Inference,
    diagnostics: tuple[Diagnostic, ...],
    retry: Retry,
    edited: Mapping[Path, str],
) -> tuple[Diagnostic, ...]:
    """The diagnostics, with changes of the network for claims that do not hold among them.

    Args:
        inference: what was found.
        diagnostics: all that was reported about the spec.
        retry: checks the spec with other texts in place of its files, by resolved path.
        edited: the texts that stand for files already.
    """
    claims = _broken(inference)
    trials, proofs = Budget(TRIED), Budget(RETRIED)
    network = inference.network
    cost = len(network.nodes) + len(network.module.source.text) // CHARACTERS
    found: list[Diagnostic] = []
    for diagnostic in diagnostics:
        claim = claims.get(diagnostic.span)
        if claim is None or not diagnostic.fixes:
            found.append(diagnostic)
            continue
        others = [one for one in diagnostics if one is not diagnostic]
        fixes: list[Fix] = []
        for candidate in _Way(inference, claim, trials).candidates():
            if len(fixes) == FIXES or not proofs.grant(cost):
                break
            fix = Fix(f"{candidate.action}{candidate.reason}", candidate.edits)
            if not uncovered(fix, others, retry, edited):
                fixes.append(fix)
        found.append(_with(diagnostic, inference, claim, fixes) if fixes else diagnostic)
    return tuple(found)


def _broken(inference: Inference) -> dict[Span, NodeClaim]:
    """The claims that do not hold, by their places; none that is made of several values."""
    found: dict[Span, NodeClaim] = {}
    times: dict[Span, int] = {}
    for claim in inference.network.claims:
        place = stated_dims(claim.span)
        times[place] = times.get(place, 0) + 1
        if claim.node in inference.doubted:
            found[place] = claim
    return {place: claim for place, claim in found.items() if times[place] == 1}


def _with(
    diagnostic: Diagnostic, inference: Inference, claim: NodeClaim, fixes: Sequence[Fix]
) -> Diagnostic:
    true = inference.computed[claim.node]
    help = f"write `=> {true}` if the network is right; if the claim is, {fixes[0].title}"
    return replace(diagnostic, help=help, fixes=(*diagnostic.fixes, *fixes))


class _Way:
    """The layers that lead to a claim, one after the other, and what they could be."""

    def __init__(self, inference: Inference, claim: NodeClaim, budget: Budget) -> None:
        self.inference = inference
        self.network = inference.network
        self.claim = claim
        self.budget = budget
        self.positions = self._positions()

    def _positions(self) -> list[int]:
        """Where its nodes stand, from the first on; it begins behind what holds or joins."""
        nodes = self.network.nodes
        claimed = {claim.node for claim in self.network.claims}
        found = [self.claim.node]
        while True:
            node = nodes[found[-1]]
            if not isinstance(node, LayerNode) or isinstance(node.layer, Poison):
                break
            if len(node.inputs) != 1 or node.inputs[0] in claimed:
                break
            found.append(node.inputs[0])
        return found[::-1]

    def candidates(self) -> Iterator[Candidate]:
        """The changes that give the claimed shape, the likeliest first."""
        found: list[Candidate] = []
        for far, position in enumerate(reversed(self.positions)):
            node = self.network.nodes[position]
            if is_shipped(node.span.source):
                continue
            for kind in self._kinds(position, node):
                first = next((one for one in kind if self._holds(one)), None)
                if first is not None:
                    elsewhere = far > 0 and isinstance(node, LayerNode)
                    where = f" at `{shorten(node.span.text)}`" if elsewhere else ""
                    found.append(replace(first, action=f"{first.action}{where}", distance=far))
        yield from sorted(found, key=lambda one: (one.rank, one.distance))

    def _holds(self, candidate: Candidate) -> bool:
        """Whether a change makes the claim true, and nothing else on the way wrong."""
        facts = list(self.inference.facts)
        for position in self.positions[self.positions.index(min(candidate.changed)) :]:
            if not self.budget.grant(1):
                return False
            node = candidate.changed.get(position, self.network.nodes[position])
            facts[position], faults = infer_node(node, facts)
            if faults:
                return False
        kind = facts[self.claim.node].type
        return kind is not None and kind.dims == self.claim.dims

    # --- what could be different ---

    def _kinds(self, position: int, node: Node) -> Iterator[Iterator[Candidate]]:
        if isinstance(node, InputNode):
            return self._inputs(position, node)
        if isinstance(node.layer, Poison) or len(node.inputs) != 1:
            return iter(())
        return self._layers(position, node)

    def _layers(self, position: int, node: LayerNode) -> Iterator[Iterator[Candidate]]:
        """Other values of a layer's parameters; of each parameter, the nearest is wanted."""
        for name in _COUNTS.intersection(node.layer.positional):
            yield self._parameter(position, node, name, [(self.claim.dims[0],)])
        source = self.inference.facts[node.inputs[0]].type
        windows = node.layer.windows(source) if source is not None else ()
        fields = type(node.layer).model_fields
        if windows and "padding" in fields:
            yield self._paddings(position, node, windows)
            yield self._same(position, node)
        if windows and "stride" in fields:
            sizes = _alike(windows[0].stride, STRIDES, len(windows))
            yield self._parameter(position, node, "stride", sizes)
        if windows and "output_padding" in fields:
            sizes = [(size,) * len(windows) for size in range(max(w.stride for w in windows))]
            yield self._parameter(position, node, "output_padding", sizes)
        if windows and "kernel" in fields:
            sizes = _alike(windows[0].kernel, KERNELS, len(windows))
            yield self._parameter(position, node, "kernel", sizes)

    def _paddings(
        self, position: int, node: LayerNode, windows: Sequence[Window]
    ) -> Iterator[Candidate]:
        written = getattr(node.layer, "padding", None)
        if isinstance(written, tuple) and len(written) > len(windows):
            return
        halves = tuple(window.extent // 2 for window in windows)
        alike = ((size,) * len(windows) for size in range(min(window.extent for window in windows)))
        for sizes in chain((halves,), alike):
            likely = all(size <= half for size, half in zip(sizes, halves, strict=True))
            rank = Rank.PADDING if likely else Rank.WIDE_PADDING
            yield from self._parameter(position, node, "padding", [sizes], rank)

    def _same(self, position: int, node: LayerNode) -> Iterator[Candidate]:
        edit = edit_of(node, self.network.module, "padding", "same")
        if edit is not None:
            changed: dict[int, Node] = {position: with_parameters(node, {"padding": "same"})}
            yield Candidate(Rank.SAME, "write `padding same`", (edit,), changed)

    def _parameter(
        self,
        position: int,
        node: LayerNode,
        name: str,
        values: Sequence[tuple[int, ...]],
        rank: Rank | None = None,
    ) -> Iterator[Candidate]:
        for sizes in values:
            value: object = sizes[:1] if len(set(sizes)) == 1 else sizes
            if name in _COUNTS:
                value = sizes[0]
            written = rewritten(node, self.network.module, name, sizes)
            if value == getattr(node.layer, name) or written is None:
                continue
            action, edit = written
            changed = with_parameters(node, {name: value})
            reason = "" if name in _COUNTS else self._formula(changed)
            which = rank or _RANKS.get(name, Rank.PADDING)
            yield Candidate(which, action, (edit,), {position: changed}, reason)

    def _formula(self, node: Node) -> str:
        """The size rule with the new numbers, as it follows an action."""
        if not isinstance(node, LayerNode):
            return ""
        source = self.inference.facts[node.inputs[0]].type
        windows = node.layer.windows(source) if source is not None else ()
        return f": {', '.join(dict.fromkeys(window.formula for window in windows))}"

    def _inputs(self, position: int, node: InputNode) -> Iterator[Iterator[Candidate]]:
        """Other sizes of the input, the nearest first."""
        yield self._sizes(position, node, range(1, REACH))
        yield self._sizes(position, node, range(-1, -REACH, -1))

    def _sizes(self, position: int, node: InputNode, steps: range) -> Iterator[Candidate]:
        for step in steps:
            sizes = tuple(size + step for size in node.type.spatial)
            if not sizes or min(sizes) < 1:
                return
            kind: TensorType = node.type.resized((node.type.channels, *sizes))
            written = input_written(self.network, node, kind)
            if written is None:
                return
            near = abs(step) <= max(max(node.type.spatial) // 4, 4)
            rank = Rank.INPUT if near else Rank.FAR_INPUT
            changed: dict[int, Node] = {position: replace(node, type=kind)}
            yield Candidate(rank, written[0], written[1], changed)


def _alike(now: int, reach: int, rank: int) -> list[tuple[int, ...]]:
    """Values around one, the nearest first, for as many dimensions.

    >>> _alike(2, 2, 2)
    [(2, 2), (1, 1), (3, 3), (4, 4)]
    """
    values = range(max(1, now - reach), now + reach + 1)
    return [(value,) * rank for value in sorted(values, key=lambda v: (abs(v - now), v))]

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
from cnndsl.frozen import replace
from cnndsl.layers.window import Window
from cnndsl.repair.candidates import (
    Candidate,
    Rank,
    collapsed,
    edit_of,
    padding_rank,
    rewritten,
    with_parameters,
)
from cnndsl.repair.input_sizes import resized_input
from cnndsl.repair.proof import Retry, is_shipped, retry_cost, uncovered
from cnndsl.repair.what_if import Budget, WhatIf
from cnndsl.typecheck.claims import arithmetic, stated_dims
from cnndsl.typecheck.facts import Inference

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
    what_if, trials, proofs = WhatIf(inference), Budget(TRIED), Budget(RETRIED)
    cost = retry_cost(inference.network, diagnostics)
    found: list[Diagnostic] = []
    for diagnostic in diagnostics:
        claim = claims.get(diagnostic.span)
        if claim is None or not diagnostic.fixes:
            found.append(diagnostic)
            continue
        others = [one for one in diagnostics if one is not diagnostic]
        fixes: list[Fix] = []
        for candidate in _Way(what_if, claim, trials).candidates():
            if len(fixes) == FIXES or not proofs.grant(cost):
                break
            title = ": ".join(filter(None, (candidate.action, candidate.reason)))
            fix = Fix(title, candidate.edits)
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

    def __init__(self, what_if: WhatIf, claim: NodeClaim, budget: Budget) -> None:
        self.what_if = what_if
        self.inference = what_if.inference
        self.network = self.inference.network
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
        """Whether a change makes the claim true, and nothing else up to it wrong."""
        facts = self.what_if.facts(candidate.changed, (), self.budget, self.claim.node)
        kind = facts[self.claim.node].type if facts is not None else None
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
            yield self._count(position, node, name)
        source = self.inference.facts[node.inputs[0]].type
        windows = node.layer.windows(source) if source is not None else ()
        fields = type(node.layer).model_fields
        if windows and "padding" in fields:
            yield self._paddings(position, node, windows)
            yield self._same(position, node)
        if windows and "stride" in fields:
            sizes = _alike(windows[0].stride, STRIDES, len(windows))
            yield self._parameter(position, node, "stride", sizes, Rank.STRIDE)
        if windows and "output_padding" in fields:
            sizes = [(size,) * len(windows) for size in range(max(w.stride for w in windows))]
            yield self._parameter(position, node, "output_padding", sizes, Rank.OUTPUT_PADDING)
        if windows and "kernel" in fields:
            sizes = _alike(windows[0].kernel, KERNELS, len(windows))
            yield self._parameter(position, node, "kernel", sizes, Rank.KERNEL)

    def _paddings(
        self, position: int, node: LayerNode, windows: Sequence[Window]
    ) -> Iterator[Candidate]:
        written = getattr(node.layer, "padding", None)
        if isinstance(written, tuple) and len(written) > len(windows):
            return
        halves = tuple(window.extent // 2 for window in windows)
        alike = ((size,) * len(windows) for size in range(min(window.extent for window in windows)))
        for sizes in chain((halves,), alike):
            rank = padding_rank(sizes, windows)
            yield from self._parameter(position, node, "padding", [sizes], rank)

    def _same(self, position: int, node: LayerNode) -> Iterator[Candidate]:
        edit = edit_of(node, self.network.module, "padding", "same")
        if edit is not None:
            changed: dict[int, Node] = {position: with_parameters(node, {"padding": "same"})}
            yield Candidate(Rank.SAME, "write `padding same`", (edit,), changed)

    def _count(self, position: int, node: LayerNode, name: str) -> Iterator[Candidate]:
        """As many channels as are claimed."""
        wanted = self.claim.dims[0]
        written = rewritten(node, self.network.module, name, (wanted,))
        if written is not None:
            action, edit = written
            changed: dict[int, Node] = {position: with_parameters(node, {name: wanted})}
            yield Candidate(Rank.PADDING, action, (edit,), changed)

    def _parameter(
        self,
        position: int,
        node: LayerNode,
        name: str,
        values: Sequence[tuple[int, ...]],
        rank: Rank,
    ) -> Iterator[Candidate]:
        for sizes in values:
            written = rewritten(node, self.network.module, name, sizes)
            if collapsed(sizes) == getattr(node.layer, name) or written is None:
                continue
            action, edit = written
            changed = with_parameters(node, {name: collapsed(sizes)})
            reason = ", ".join(arithmetic(changed, self.inference))
            yield Candidate(rank, action, (edit,), {position: changed}, reason)

    def _inputs(self, position: int, node: InputNode) -> Iterator[Iterator[Candidate]]:
        """Other sizes of the input, the nearest first."""
        yield self._sizes(position, node, range(1, REACH))
        yield self._sizes(position, node, range(-1, -REACH, -1))

    def _sizes(self, position: int, node: InputNode, steps: range) -> Iterator[Candidate]:
        for step in steps:
            sizes = tuple(size + step for size in node.type.spatial)
            if not sizes or min(sizes) < 1:
                return
            found = resized_input(self.network, position, node, (node.type.channels, *sizes))
            if found is None:
                return
            yield found


def _alike(now: int, reach: int, rank: int) -> list[tuple[int, ...]]:
    """Values around one, the nearest first, for as many dimensions.

    >>> _alike(2, 2, 2)
    [(2, 2), (1, 1), (3, 3), (4, 4)]
    """
    values = range(max(1, now - reach), now + reach + 1)
    return [(value,) * rank for value in sorted(values, key=lambda v: (abs(v - now), v))]

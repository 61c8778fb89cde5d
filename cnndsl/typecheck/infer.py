"""Proves the type of every value, node by node, and says where it cannot be.

After a mistake the checker goes on with the type that the output would most likely have, and
remembers which of its sizes are merely *assumed*. What depends on an assumed size is not
reported: one mistake, one error. A claim (``=> 6x28x28``) makes sizes certain again.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.draft import Poison
from cnndsl.elaborate.network import (
    InputNode,
    LayerNode,
    Network,
    Node,
    NodeClaim,
)
from cnndsl.elaborate.node_types import UNKNOWN, Fact, infer_node, moved
from cnndsl.layers.base import ShapeFault, Weight
from cnndsl.limits import Limits
from cnndsl.typecheck.claims import check_claim, withdraw_fixes
from cnndsl.typecheck.facts import Failure, Inference
from cnndsl.types import TensorType

__all__ = ["infer", "oversize"]


def infer(network: Network, limits: Limits, *, claims: bool = True) -> Inference:
    """Infer the types of all nodes and check the claims about them.

    Args:
        network: what to check; layers that nobody understood are poison.
        limits: how large a tensor may become.
        claims: whether to check claims; without, only layers are checked (for ``--annotate``).
    """
    inference = Inference(network)
    claimed: dict[int, list[NodeClaim]] = {}
    if claims:
        for claim in network.claims:
            claimed.setdefault(claim.node, []).append(claim)
    seen: dict[object, tuple[Weight, ...]] = {}
    for position, node in enumerate(network.nodes):
        looking = len(inference.diagnostics) < limits.findings
        fact, faults = infer_node(node, inference.facts) if looking else (UNKNOWN, ())
        for fault in faults:
            diagnostic = _diagnose(fault, node, network, inference.facts)
            inference.failures.append(Failure(position, fault, diagnostic))
            inference.diagnostics.append(diagnostic)
        shared = isinstance(node, LayerNode) and node.share is not None
        inference.weights.append(() if shared else _weights(node, faults, inference, seen))
        fact = _bounded(fact, node, limits, inference)
        inference.computed.append(fact)
        for claim in claimed.get(position, ()):
            fact = check_claim(claim, fact, node, inference)
        inference.facts.append(fact)
    withdraw_fixes(inference, claimed)
    _check_total(inference, limits)
    return inference


# --- diagnostics ------------------------------------------------------------------------------


def _diagnose(fault: ShapeFault, node: Node, network: Network, facts: Sequence[Fact]) -> Diagnostic:
    """A fault as a diagnostic: parameters become places, inputs become labels."""
    assert isinstance(node, LayerNode)
    span = next((node.places[name] for name in fault.blame if name in node.places), node.span)
    labels = [
        Label(source.span, f"`{source.name}` gives {facts[position]}")
        for index, position in enumerate(node.inputs)
        if index in fault.inputs
        and (source := network.nodes[position]).span.start != node.span.start
    ]
    if len(node.inputs) == 1 and fault.inputs:
        label = f"its input is {facts[node.inputs[0]]}"
    else:
        label = ""
    labels += [Label(call, "in this call") for call in reversed(node.trace[-3:])]
    fixes: tuple[Fix, ...] = ()
    if fault.insert:
        at = Span(node.span.source, node.span.start, node.span.start)
        fixes = (
            Fix(f"put `{fault.insert}` before it", (Edit(at, f"{fault.insert} -> "),), safe=True),
        )
    message, help = _without_guesses(fault, [facts[position] for position in node.inputs])
    return Diagnostic(
        fault.code,
        message,
        span,
        label=fault.label or label,
        labels=_distinct(labels),
        notes=(*fault.notes, *node.notes),
        help=help,
        fixes=fixes,
    )


def _without_guesses(fault: ShapeFault, inputs: Sequence[Fact]) -> tuple[str, str]:
    """What a fault says and helps, with no number in it that an earlier mistake leaves open."""
    message, help = fault.message, fault.help
    for fact in inputs:
        if fact.assumed:
            message = message.replace(str(fact.type), str(fact))
            help = f"put `{fault.insert}` before it" if fault.insert else help
    return message, help


def _distinct(labels: Sequence[Label]) -> tuple[Label, ...]:
    return tuple({(label.span, label.message): label for label in labels}.values())


def _weights(
    node: Node,
    faults: Sequence[ShapeFault],
    inference: Inference,
    seen: dict[object, tuple[Weight, ...]],
) -> tuple[Weight, ...] | None:
    """The weights of a layer, or None where an assumed size decides them.

    Equal layers with equal inputs share theirs.
    """
    if isinstance(node, InputNode):
        return ()
    facts = [inference.facts[i] for i in node.inputs]
    types = tuple(fact.type for fact in facts if fact.type is not None)
    unusable = isinstance(node.layer, Poison) or not types or len(types) < len(facts)
    if unusable or not all(fault.spatial for fault in faults):
        return None
    key = (id(node.layer), types)
    if key not in seen:
        seen[key] = node.layer.weights(*types)
    assumed = any(fact.assumed for fact in facts)
    if assumed and node.layer.weights(*map(moved, facts)) != seen[key]:
        return None
    return seen[key]


def _bounded(fact: Fact, node: Node, limits: Limits, inference: Inference) -> Fact:
    """Refuse tensors and weights that no machine holds."""
    if fact.type is None or fact.assumed:
        return fact
    found = oversize([fact.type], inference.weights[-1] or (), limits.elements)
    if found is None:
        return fact
    largest, message = found
    inference.diagnostics.append(
        Diagnostic(
            "CNN905",
            message,
            node.span,
            help=f"make it smaller, or raise the limit: CNNDSL_LIMITS=elements={largest}",
        )
    )
    return UNKNOWN


def oversize(
    outputs: Sequence[TensorType], weights: Sequence[Weight], most: int
) -> tuple[int, str] | None:
    """The size of a layer's largest tensor and what is to be said of it; None up to ``most``."""
    sizes = [(one.elements, "its output") for one in outputs]
    sizes.extend((one.elements, f"its {one.name}") for one in weights)
    largest, what = max(sizes, key=lambda one: one[0], default=(0, ""))
    if largest <= most:
        return None
    return largest, f"{what} has {largest:,} numbers, more than {most:,}"


def _check_total(inference: Inference, limits: Limits) -> None:
    """Refuse networks whose parameters no machine holds, even where each tensor is small enough."""
    total = 0
    for position, own in enumerate(inference.weights):
        total += sum(weight.elements for weight in own or ())
        if total > limits.elements >= max((weight.elements for weight in own or ()), default=0):
            inference.diagnostics.append(
                Diagnostic(
                    "CNN905",
                    f"the parameters up to here are {total:,}, more than {limits.elements:,}",
                    inference.network.nodes[position].span,
                    help=f"make layers smaller, or raise the limit: CNNDSL_LIMITS=elements={total}",
                )
            )
            return

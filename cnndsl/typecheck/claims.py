"""Holds what a spec claims of an output (``=> 6x28x28``) against what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.network import LayerNode, Node, NodeClaim
from cnndsl.elaborate.node_types import Fact
from cnndsl.frozen import replace
from cnndsl.typecheck.facts import Inference
from cnndsl.types import TensorType

__all__ = ["arithmetic", "check_claim", "stated_dims", "withdraw_fixes"]


def check_claim(claim: NodeClaim, fact: Fact, node: Node, inference: Inference) -> Fact:
    """Hold a claim against what is known; where that is merely assumed, believe the claim."""
    claimed = (fact.type or TensorType(claim.dims)).resized(claim.dims)
    if fact.type is None or fact.assumed:
        return Fact(claimed) if min(claim.dims, default=0) > 0 else fact
    if claim.dims == fact.type.dims:
        return fact
    inference.doubted.add(claim.node)
    inference.wrong_claims.append(len(inference.diagnostics))
    inference.diagnostics.append(_wrong_claim(claim, fact.type, node, inference))
    if len(claim.dims) != len(fact.type.dims):
        return Fact(fact.type, frozenset(range(len(fact.type.dims))))
    pairs = enumerate(zip(fact.type.dims, claim.dims, strict=True))
    return Fact(fact.type, frozenset(i for i, (true, said) in pairs if true != said))


def _wrong_claim(
    claim: NodeClaim, true: TensorType, node: Node, inference: Inference
) -> Diagnostic:
    said = "x".join(map(str, claim.dims))
    stated = stated_dims(claim.span)
    return Diagnostic(
        "CNN401",
        f"the output here is {true}, not {said}",
        stated,
        label=f"claims {said}",
        labels=(Label(node.span, f"gives {true}"),),
        notes=arithmetic(node, inference),
        help=f"write `=> {true}` if the network is right, or change the layer if the claim is",
        fixes=(Fix(f"write `{true}`", (Edit(stated, str(true)),)),),
    )


def withdraw_fixes(inference: Inference, claimed: Mapping[int, Sequence[NodeClaim]]) -> None:
    """Let no fix make a claim true here that is carried out elsewhere with unlike outputs."""
    if not inference.wrong_claims:
        return
    outputs: dict[Span, dict[str, None]] = {}
    for node, claims in claimed.items():
        for claim in claims:
            outputs.setdefault(stated_dims(claim.span), {})[str(inference.computed[node])] = None
    for at in inference.wrong_claims:
        item = inference.diagnostics[at]
        several = [*outputs[item.span]]
        if len(several) > 1:
            some = ", ".join(several[:3]) + (", …" if len(several) > 3 else "")
            help = f"leave it out: what is written once gives several outputs here ({some})"
            inference.diagnostics[at] = replace(item, help=help, fixes=())


def stated_dims(claim: Span) -> Span:
    """The sizes of a claim, without its arrow."""
    sizes = claim.text.removeprefix("=>").lstrip()
    return Span(claim.source, claim.end - len(sizes), claim.end)


def arithmetic(node: Node, inference: Inference) -> tuple[str, ...]:
    """The size rule with the node's numbers, as notes."""
    if not isinstance(node, LayerNode):
        return ()
    types = [kind for i in node.inputs if (kind := inference.facts[i].type) is not None]
    if len(types) < len(node.inputs) or not types:
        return ()
    windows = node.layer.windows(*types)
    return tuple(dict.fromkeys(window.formula for window in windows))

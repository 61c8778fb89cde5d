"""Holds the loss against the last layers: docs/training.md has the table of what fits.

A cross-entropy and the hinge loss need scores of any size. Where an activation or what stands
behind it keeps them between two numbers, the loss has a limit that it cannot fall below, which
the message gives; where a relu makes them, a class can be out of reach of its gradient.
"""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Severity
from cnndsl.diagnostics.words import shorten
from cnndsl.elaborate.network import LayerNode, Network, TypedNetwork
from cnndsl.layers.base import Layer
from cnndsl.recipe import LOSSES
from cnndsl.recipe.losses.base import LabelKind, Loss
from cnndsl.recipe.recipe import Recipe
from cnndsl.typecheck.bounds import bounds_of
from cnndsl.typecheck.heads import Head, heads_of
from cnndsl.typecheck.scores import maker, scores
from cnndsl.typecheck.spans import has_main_loss, layer_place, loss_labels, loss_place

__all__ = ["head_problems", "loss_problems"]


def loss_problems(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """What the losses and the last layers have against each other."""
    yield from head_problems(typed, recipe)
    for head in heads_of(typed.network, recipe):
        yield from _head_problems(typed, head)


def head_problems(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """Two losses of one output: their weights, labels and metrics would have one name."""
    first: dict[int, str] = {}
    names = [one.head for one in recipe.losses(typed.network.main)]
    for name, head in zip(names, heads_of(typed.network, recipe), strict=True):
        if head.position in first:
            yield _second_loss(typed.network, name, first[head.position])
        first.setdefault(head.position, name)


def _second_loss(network: Network, name: str, other: str) -> Diagnostic:
    """CNN530; where the main output's own loss is not written, it is the one that was meant."""
    place, other_place = loss_place(network, name), loss_place(network, other)
    if other == network.main and not has_main_loss(network):
        written = " ".join(place.text.split()).replace(f" {name}", "", 1)
        fix = Fix(f"write `{written}`", (Edit(place, written),), safe=True)
        message = f"`{name}` is the main output, whose loss is written without a name"
        return Diagnostic("CNN530", message, place, help=fix.title, fixes=(fix,))
    return Diagnostic(
        "CNN530",
        f"`{name}` and `{other}` are one output, and have two losses",
        place,
        labels=(Label(other_place, "the other loss"),),
        help=f"keep one loss, or give `{name}` a head of its own",
    )


def _head_problems(typed: TypedNetwork, head: Head) -> Iterator[Diagnostic]:
    loss, output = head.loss, head.position
    fault = loss.fault(typed.types[output].channels)
    if fault is not None:
        yield Diagnostic(
            "CNN809", fault.message, loss_place(typed.network, head.name), help=fault.help
        )
        return
    taken, acting = _without_chance(typed, output)
    before = scores(typed, loss, taken)
    if before != taken:
        before, more = _without_chance(typed, before)
        acting += more
    yield from (_chance(typed, loss, node) for node in acting)
    unsuited = _unsuited(typed, head, before, behind=before != taken)
    if unsuited is not None:
        yield unsuited


def _without_chance(typed: TypedNetwork, position: int) -> tuple[int, list[LayerNode]]:
    """The node before all dropout and noise that act on a node's numbers; and those layers."""
    found: list[LayerNode] = []
    while True:
        node = typed.network.nodes[maker(typed, position)]
        if not isinstance(node, LayerNode) or node.layer.shares != "inference":
            return position, found
        found.append(node)
        position = node.inputs[0]


def _chance(typed: TypedNetwork, loss: Loss, node: LayerNode) -> Diagnostic:
    keyword = node.layer.keyword
    learner = _last_learner(typed, node)
    help = f"put it before `{learner}`, or take it out" if learner else "take it out"
    return Diagnostic(
        "CNN506",
        f"`{keyword}` changes the numbers that `loss {loss.keyword}` compares",
        layer_place(node),
        notes=(
            "behind the last layer that learns it hides no feature from it:"
            " training compares other answers than `eval` and `run` give",
        ),
        help=help,
        severity=Severity.WARNING,
    )


def _last_learner(typed: TypedNetwork, node: LayerNode) -> str:
    """The layer with weights whose numbers reach a layer, as it is written; empty for several."""
    while len(node.inputs) == 1:
        before = typed.network.nodes[node.inputs[0]]
        if not isinstance(before, LayerNode) or before.trace:
            return ""
        if typed.weights_of(node.inputs[0]):
            return shorten(before.span.text)
        node = before
    return ""


# --- scores -----------------------------------------------------------------------------------


def _unsuited(typed: TypedNetwork, head: Head, position: int, *, behind: bool) -> Diagnostic | None:
    """What is wrong with the scores; ``behind`` says that a softmax or sigmoid takes them too."""
    at, loss = maker(typed, position), head.loss
    node = typed.network.nodes[at]
    if not isinstance(node, LayerNode):
        return None
    why = loss.limit(bounds_of(typed)[at], typed.types[at].channels) or _dead(loss, node.layer)
    if not why:
        return None
    keyword = node.layer.keyword
    help, word = _remedy(typed, loss, node, behind=behind)
    place = layer_place(node)
    fixes: tuple[Fix, ...] = ()
    if word and place.text == keyword:
        fixes = (Fix(f"write `{word}`", (Edit(place, word),)),)
    return Diagnostic(
        "CNN505",
        f"`loss {loss.keyword}` behind `{keyword}` {why}",
        place,
        labels=loss_labels(typed.network, head.name),
        help=help,
        fixes=fixes,
        severity=Severity.WARNING,
    )


def _dead(loss: Loss, layer: Layer) -> str:
    """Why a class may not learn, where a relu makes its score."""
    slope = layer.slope_below_zero
    if slope == 1 or loss.labels is not LabelKind.CLASS:
        return ""
    if slope:
        return f"sees {slope:g} of every score below 0: such a class hardly learns"
    return "sees no score below 0: a class at 0 does not learn"


def _remedy(typed: TypedNetwork, loss: Loss, node: LayerNode, *, behind: bool) -> tuple[str, str]:
    """What to do, and the word to write in the layer's place where that is all."""
    keyword, word = node.layer.keyword, loss.activation
    if not word:
        return f"let the network end with the scores: take `{keyword}` out", ""
    if behind:
        return f"take `{keyword}` out: `{word}` behind it makes probabilities of any scores", ""
    if not node.layer.activation:
        return f"end with a layer that learns, and `{word}` behind it", ""
    help = f"write `{word}` in its place"
    for other in filter(None, map(LOSSES.find, LOSSES.shipped)):
        if other.activation == keyword and other.suits:
            help += f", or `loss {other.keyword}` where {other.suits}"
    return help, word

"""Holds the loss against the last layers: docs/training.md has the table of what fits.

A cross-entropy and the hinge loss need scores of any size. Where an activation or what stands
behind it keeps them between two numbers, the loss has a limit that it cannot fall below, which
the message gives; where a relu makes them, a class can be out of reach of its gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Severity
from cnndsl.diagnostics.words import shorten
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.layers.activation import LeakyRelu, Relu, ScaledTanh, Sigmoid, Softmax, Tanh
from cnndsl.layers.base import Bounds, Layer
from cnndsl.recipe.losses import BinaryCrossEntropy, CrossEntropy, Hinge
from cnndsl.recipe.recipe import Recipe
from cnndsl.recipe.settings import Loss
from cnndsl.typecheck.scores import maker, scores
from cnndsl.typecheck.spans import layer_place, setting_labels, setting_place

__all__ = ["loss_problems"]

_ACTIVATIONS = (Relu, LeakyRelu, Tanh, ScaledTanh, Sigmoid, Softmax)


def loss_problems(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """What the loss and the last layers have against each other."""
    loss, output = recipe.loss, typed.network.main_output
    if isinstance(loss, CrossEntropy | Hinge) and typed.types[output].channels < 2:
        yield Diagnostic(
            "CNN809",
            f"the loss `{loss.keyword}` compares classes, but the network has a single output",
            setting_place(typed.network, "loss"),
            help="give it an output for each class, or write `loss binarycrossentropy`",
        )
        return
    taken, acting = _without_chance(typed, output)
    before = scores(typed, loss, taken)
    if before != taken:
        before, more = _without_chance(typed, before)
        acting += more
    yield from (_chance(typed, loss, node) for node in acting)
    unsuited = _unsuited(typed, loss, before, behind=before != taken)
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
        if typed.weights[node.inputs[0]]:
            return shorten(before.span.text)
        node = before
    return ""


# --- scores -----------------------------------------------------------------------------------


def _unsuited(typed: TypedNetwork, loss: Loss, position: int, *, behind: bool) -> Diagnostic | None:
    """What is wrong with the scores; ``behind`` says that a softmax or sigmoid takes them too."""
    at = maker(typed, position)
    node = typed.network.nodes[at]
    if not isinstance(node, LayerNode):
        return None
    why = _limit(loss, _bounds(typed, at), typed.types[at].channels) or _dead(loss, node.layer)
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
        labels=setting_labels(typed.network, "loss"),
        help=help,
        fixes=fixes,
        severity=Severity.WARNING,
    )


def _limit(loss: Loss, bounds: Bounds, classes: int) -> str:
    """What the loss cannot fall below, where the scores are kept between two numbers."""
    least, most = bounds
    width = most - least
    between = f"the scores lie between {least:g} and {most:g}"
    match loss:
        case CrossEntropy() if math.isfinite(width):
            limit = math.log1p((classes - 1) * math.exp(-width))
            return f"cannot fall below {_short(limit)}: {between}"
        case Hinge() if width <= loss.margin:
            limit = (classes - 1) * (loss.margin - width)
            if limit == 0:
                return f"falls to 0 in the limit only: {between}, and the margin is {loss.margin:g}"
            return (
                f"cannot fall below {_short(limit)}: {between}, and the margin is {loss.margin:g}"
            )
        case BinaryCrossEntropy() if math.isfinite(least):
            limit = _softplus(least)
            lower = f"no score is below {least:g}"
            return f"cannot fall below {_short(limit)} for a label of 0: {lower}"
        case BinaryCrossEntropy() if math.isfinite(most):
            limit = _softplus(-most)
            return f"cannot fall below {_short(limit)} for a label of 1: no score is above {most:g}"
    return ""


def _short(loss: float) -> str:
    """A loss with two digits behind the point, or two digits at all where it is small."""
    return f"{loss:.2f}" if loss >= 0.1 else f"{loss:.2g}"


def _softplus(x: float) -> float:
    """log(1 + e^x), which no x is too large for."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _dead(loss: Loss, layer: Layer) -> str:
    """Why a class may not learn, where a relu makes its score."""
    if not isinstance(loss, CrossEntropy | Hinge):
        return ""
    if isinstance(layer, LeakyRelu) and layer.slope:
        return f"sees {layer.slope:g} of every score below 0: such a class hardly learns"
    if isinstance(layer, Relu | LeakyRelu):
        return "sees no score below 0: a class at 0 does not learn"
    return ""


def _remedy(typed: TypedNetwork, loss: Loss, node: LayerNode, *, behind: bool) -> tuple[str, str]:
    """What to do, and the word to write in the layer's place where that is all."""
    keyword = node.layer.keyword
    if isinstance(loss, Hinge):
        return f"let the network end with the scores: take `{keyword}` out", ""
    word = "softmax" if isinstance(loss, CrossEntropy) else "sigmoid"
    if behind:
        return f"take `{keyword}` out: `{word}` behind it makes probabilities of any scores", ""
    if not isinstance(node.layer, _ACTIVATIONS):
        return f"end with a layer that learns, and `{word}` behind it", ""
    help = f"write `{word}` in its place"
    if isinstance(node.layer, Sigmoid):
        help += ", or `loss binarycrossentropy` where several classes may be right"
    if isinstance(node.layer, Softmax):
        help += ", or `loss crossentropy` where one class is right"
    return help, word


def _bounds(typed: TypedNetwork, position: int) -> Bounds:
    """Between which numbers a node's output lies, as far as the layers before it say."""
    known: list[Bounds] = []
    for node in typed.network.nodes[: position + 1]:
        if isinstance(node, LayerNode):
            known.append(node.layer.bounds(*(known[read] for read in node.inputs)))
        else:
            known.append((-math.inf, math.inf))
    return known[position]

"""Holds a layer against the one whose weights it uses: the same layer, weights of one shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnndsl.analysis.summary import word
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.draft import Poison
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.elaborate.node_types import Fact
from cnndsl.layers.base import Init, Weight
from cnndsl.recipe.recipe import Recipe, scopes
from cnndsl.typecheck.facts import Inference
from cnndsl.typecheck.spans import label_places, setting_place
from cnndsl.types import TensorType

__all__ = ["differing_setting", "recipe_label_problems", "share_problems", "unlike_weights"]


def differing_setting(node: LayerNode, owner: LayerNode) -> str | None:
    """The first setting of which a layer has another value than its weights' owner.

    Its keyword, where they are not of one kind. How the weights begin is the owner's business: only
    where both say it must they agree.
    """
    mine, theirs = node.layer, owner.layer
    if type(mine) is not type(theirs):
        return "keyword"
    for name in mine.parameter_names():
        value, other = getattr(mine, name), getattr(theirs, name)
        if value != other and (name in node.places or not isinstance(other, Init)):
            return name
    return None


def share_problems(inference: Inference) -> Iterator[Diagnostic]:
    """What is wrong with layers that use another's weights; one problem for each `share`."""
    network = inference.network
    failed = {failure.node for failure in inference.failures}
    told: set[Span] = set()
    for at, node in enumerate(network.nodes):
        if not isinstance(node, LayerNode) or node.share is None or node.share.span in told:
            continue
        owner = network.nodes[network.owners[at]]
        assert isinstance(owner, LayerNode)
        if isinstance(node.layer, Poison) or isinstance(owner.layer, Poison):
            continue
        problem = _unlike(node, owner)
        if problem is None and failed.isdisjoint((at, network.owners[at])):
            problem = _misshapen(node, owner, inference)
        if problem is not None:
            told.add(node.share.span)
            yield problem


def _unlike(node: LayerNode, owner: LayerNode) -> Diagnostic | None:
    """Two layers that share are one layer: of one kind, with the same settings."""
    setting = differing_setting(node, owner)
    if setting is None:
        return None
    if setting == "keyword":
        message = f"`{node.layer.keyword}` cannot use the weights of a `{owner.layer.keyword}`"
        return _problem(node, owner, message, "share with a layer of the same kind")
    here, there = (word(getattr(one.layer, setting)) for one in (node, owner))
    message = f"`{setting}` is `{here}` in `{node.name}`, and `{there}` in `{owner.name}`"
    help = f"write the settings of `{owner.name}`: layers that share weights are one layer"
    return _problem(node, owner, message, help)


def unlike_weights(
    node: LayerNode, owner: LayerNode, facts: Sequence[Fact]
) -> tuple[Weight, Weight] | None:
    """The first weight that would have another shape than the owner's, and the owner's.

    None too where what they read is not known.
    """
    mine, theirs = (_read(one, facts) for one in (node, owner))
    if not mine or not theirs:
        return None
    pairs = zip(node.layer.weights(*mine), owner.layer.weights(*theirs), strict=True)
    return next(((used, owned) for used, owned in pairs if used.shape != owned.shape), None)


def _read(node: LayerNode, facts: Sequence[Fact]) -> list[TensorType]:
    """The types of what a layer reads; nothing where one is not certain."""
    found = [fact.type for at in node.inputs if (fact := facts[at]).type and fact.certain]
    return found if len(found) == len(node.inputs) else []


def _misshapen(node: LayerNode, owner: LayerNode, inference: Inference) -> Diagnostic | None:
    """Both must need weights of the same shapes."""
    unlike = unlike_weights(node, owner, inference.facts)
    if unlike is None:
        return None
    used, owned = unlike
    message = (
        f"the {used.name} of `{node.name}` would be {_sizes(used.shape)},"
        f" and that of `{owner.name}` is {_sizes(owned.shape)}"
    )
    mine, theirs = (" and ".join(map(str, _read(one, inference.facts))) for one in (node, owner))
    note = f"`{node.name}` reads {mine}, `{owner.name}` reads {theirs}"
    help = "bring what they read to one shape, or leave `share` out"
    return _problem(node, owner, message, help, note)


def _problem(node: LayerNode, owner: LayerNode, message: str, help: str, *notes: str) -> Diagnostic:
    assert node.share is not None
    labels = [Label(owner.span, f"`{owner.name}` has the weights")]
    if node.span.end != node.share.span.end and node.span != owner.span:
        labels.append(Label(node.span, f"`{node.name}`"))
    return Diagnostic(
        "CNN129", message, node.share.span, labels=tuple(labels), notes=notes, help=help
    )


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


# --- labels of the recipe ---------------------------------------------------------------------


def recipe_label_problems(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """Labels of `freeze`, `lr_factor`, `max_norm` that mean a layer whose weights are another's.

    All that decides how weights learn is said of their owner, so that it cannot be said twice.
    """
    network = typed.network
    told: set[tuple[str, str]] = set()
    for at, node in enumerate(network.nodes):
        if not isinstance(node, LayerNode) or node.share is None or not typed.weights_of(at):
            continue
        for setting, label in _unheeded(recipe, node):
            if (setting, label) not in told:
                told.add((setting, label))
                yield _of_the_owner(typed, setting, label, node)


def _unheeded(recipe: Recipe, node: LayerNode) -> Iterator[tuple[str, str]]:
    """The settings and labels that mean a layer, and do not hold for the owner of its weights."""
    if recipe.freezes(node.name) and not recipe.freezes(node.owner):
        yield "freeze", next(scope for scope in scopes(node.name) if scope in recipe.freeze)
    for setting, lines, of in (
        ("lr_factor", recipe.lr_factors, recipe.rate_factor),
        ("max_norm", recipe.max_norms, recipe.max_norm),
    ):
        labels = {line.label for line in lines}
        nearest = next((scope for scope in scopes(node.name) if scope in labels), None)
        if nearest and of(node.name) != of(node.owner):
            yield setting, nearest


def _of_the_owner(typed: TypedNetwork, setting: str, label: str, node: LayerNode) -> Diagnostic:
    place = label_places(typed.network, setting).get(label, setting_place(typed.network, setting))
    inside = node.name.removeprefix(label)
    owner = node.owner
    if inside and owner.endswith(inside):
        owner = owner.removesuffix(inside)  # A whole call: the label of the other one.
    fixes: tuple[Fix, ...] = ()
    if place.text == label:
        fixes = (Fix(f"write `{owner}`", (Edit(place, owner),)),)
    return Diagnostic(
        "CNN130",
        f"`{node.name}` uses the weights of `{node.owner}`, for which `{setting}` says otherwise",
        place,
        labels=(Label(node.share.span, "shared here"),) if node.share else (),
        help=f"name the owner of the weights: `{setting} {owner}`",
        fixes=fixes,
    )

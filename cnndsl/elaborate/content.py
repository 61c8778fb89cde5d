"""Turns a typed network into plain data, and into a hash of all that it is but for names.

Equal networks have equal hashes, however their specs are laid out and whatever blocks, loops,
files or parameters they are written with: names of the network and of its layers, claims and
expectations are left out, and each default is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NotRequired, TypeAlias, cast

from typing_extensions import TypedDict

from cnndsl.elaborate.layer_syntax import settings_of
from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.frozen import replace
from cnndsl.layers.base import Init
from cnndsl.recipe.recipe import Recipe
from cnndsl.recipe.settings import MaxNorm, RateFactor

__all__ = [
    "ExpandedInitJson",
    "ExpandedInputJson",
    "ExpandedJson",
    "ExpandedLabelJson",
    "ExpandedLayerJson",
    "ExpandedLossJson",
    "ExpandedRecipeJson",
    "Plain",
    "content_hash",
    "content_json",
    "recipe_of_layers",
]


Plain: TypeAlias = bool | int | float | str | list[Any] | None
"""The value of a setting: lists hold numbers, or lists."""


class ExpandedInputJson(TypedDict):
    """An input: its sizes, how many tokens there are where it takes some, and its preparation."""

    name: str
    shape: list[int]
    vocabulary: int | None
    preparation: dict[str, Plain]


class ExpandedLayerJson(TypedDict):
    """A layer: all of its settings, what it reads, its output's sizes, and its own weights' sizes.

    ``weights_of`` names the layer that has its weights, where that is another one.
    """

    name: str
    layer: str
    settings: dict[str, Plain]
    inputs: list[str]
    shape: list[int]
    weights_of: str | None
    weights: dict[str, list[int]]


class ExpandedLossJson(TypedDict):
    """The loss of a further output, or of a layer."""

    head: str
    loss: dict[str, Plain]
    weight: float


class ExpandedInitJson(TypedDict):
    """How weights begin, and the number that some ways have."""

    name: str
    value: float | None


class ExpandedLabelJson(TypedDict):
    """A number for one layer."""

    label: str
    value: float


class ExpandedRecipeJson(TypedDict):
    """A recipe; what comes in several kinds has its kind as ``name``, beside its settings."""

    loss: dict[str, Plain]
    optimizer: dict[str, Plain]
    schedule: dict[str, Plain]
    weight_decay: dict[str, Plain]
    clip: float | None
    batch: int
    epochs: int
    seed: int | None
    early_stop: int | None
    augment: list[dict[str, Plain]]
    init: ExpandedInitJson
    precision: str
    freeze: list[str]
    lr_factors: list[ExpandedLabelJson]
    max_norms: list[ExpandedLabelJson]
    shards: NotRequired[int]
    loss_weight: NotRequired[float]
    heads: NotRequired[list[ExpandedLossJson]]


class ExpandedJson(TypedDict):
    """What ``cnndsl expand --format json`` prints: a network without blocks, loops and defaults.

    ``outputs`` are the names of the layers, or inputs, that the outputs are, the main one first;
    ``recipe`` has its labels replaced by the layers that they cover; ``text`` is the spec.
    """

    name: str
    sha256: str
    inputs: list[ExpandedInputJson]
    layers: list[ExpandedLayerJson]
    outputs: dict[str, str]
    classes: list[str]
    recipe: ExpandedRecipeJson | None
    text: str


def content_json(typed: TypedNetwork, text: str) -> ExpandedJson:
    """A network as plain data; ``text`` is its expanded spec."""
    network = typed.network
    names = [node.name for node in network.nodes]
    recipe = recipe_of_layers(typed, network.recipe).to_json() if network.recipe else None
    return {
        "name": network.name,
        "sha256": content_hash(typed),
        "inputs": [_input(node) for node in network.inputs],
        "layers": [
            {
                "name": node.name,
                "layer": node.layer.keyword,
                "settings": _settings(typed, node),
                "inputs": [names[at] for at in node.inputs],
                "shape": list(typed.types[position].dims),
                "weights_of": node.share.owner if node.share else None,
                "weights": {}
                if node.share
                else {one.name: list(one.shape) for one in typed.weights[position]},
            }
            for position, node in enumerate(network.nodes)
            if isinstance(node, LayerNode)
        ],
        "outputs": {name: names[at] for name, at in network.outputs.items()},
        "classes": list(network.classes),
        "recipe": cast("ExpandedRecipeJson | None", recipe),
        "text": text,
    }


def content_hash(typed: TypedNetwork) -> str:
    """The SHA-256 of a network's content, in hexadecimal digits."""
    network = typed.network
    recipe = network.recipe and recipe_of_layers(typed, network.recipe)
    content = {
        "inputs": [_input(node) for node in network.inputs],
        "layers": [
            [
                *(node.layer.keyword, getattr(node.layer, "index", None), _meaning(typed, node)),
                *(list(node.inputs), network.owners[position], list(typed.types[position].dims)),
                *(_training(recipe, node.owner) if recipe else ()),
            ]
            for position, node in enumerate(network.nodes)
            if isinstance(node, LayerNode)
        ],
        "outputs": list(network.outputs.items()),
        "classes": list(network.classes),
        "recipe": recipe and _recipe(recipe, {**network.scopes, **_positions(typed)}),
    }
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _positions(typed: TypedNetwork) -> Mapping[str, int]:
    nodes = {node.name: at for at, node in enumerate(typed.network.nodes)}
    return {**nodes, **typed.network.outputs}


def _recipe(recipe: Recipe, positions: Mapping[str, int]) -> dict[str, object]:
    """The recipe but for its labels; heads by their places."""
    data = recipe.to_json()
    for name in ("freeze", "lr_factors", "max_norms"):
        del data[name]
    heads = data.pop("heads", [])
    assert isinstance(heads, list)
    return {**data, "heads": [{**head, "head": positions[head["head"]]} for head in heads]}


def _training(recipe: Recipe, name: str) -> tuple[bool, float, float | None]:
    """What a recipe says of one layer."""
    return recipe.freezes(name), recipe.rate_factor(name), recipe.max_norm(name)


def _input(node: InputNode) -> ExpandedInputJson:
    return {
        "name": node.name,
        "shape": list(node.type.dims),
        "vocabulary": node.type.vocabulary,
        "preparation": node.preparation.to_json(),
    }


def _settings(typed: TypedNetwork, node: LayerNode) -> dict[str, Plain]:
    """The settings of a layer; the label of a layer that it reads is among its inputs."""
    settings = settings_of(node.layer, typed.input_types(node))
    return {name: _plain(settings[name]) for name in settings if name != node.layer.reads}


def _meaning(typed: TypedNetwork, node: LayerNode) -> dict[str, object]:
    """The settings, where one number for all dimensions is what the same numbers are: 3 and 3x3."""
    return {name: _collapsed(value) for name, value in _settings(typed, node).items()}


def _collapsed(value: object) -> object:
    if isinstance(value, list) and value and all(type(item) is int for item in value):
        return value[:1] if len(set(value)) == 1 else value
    return [0] if value == "valid" else value


def _plain(value: Any) -> Any:
    match value:
        case tuple() | range():
            return [_plain(item) for item in value]
        case Init(name=name, value=number):
            return name if number is None else f"{name}({number!r})"
        case str():
            return str(value)
    return value


# --- the recipe ---------------------------------------------------------------------------------


def recipe_of_layers(typed: TypedNetwork, recipe: Recipe) -> Recipe:
    """The recipe with what it says of calls and loops said of each layer in them that learns.

    How weights begin is left at its default where each of them has an initialiser of its own.
    """
    weights = {
        node.name: [weight for weight in typed.weights[position] if weight.trainable]
        for position, node in enumerate(typed.network.nodes)
    }
    learning = [name for name in weights if weights[name]]
    free = [name for name in learning if not recipe.freezes(name)]
    units = [name for name in free if any(weight.has_units for weight in weights[name])]

    def inside(labels: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
        wanted = tuple(labels)
        return tuple(
            name
            for name in names
            if any(name == label or name.startswith(f"{label}.") for label in wanted)
        )

    factors = inside((factor.label for factor in recipe.lr_factors), free)
    norms = inside((norm.label for norm in recipe.max_norms), units)
    limits = ((name, recipe.max_norm(name)) for name in norms)
    drawn = any(weight.init is None for weights in typed.weights for weight in weights)
    return replace(
        recipe,
        init=recipe.init if drawn else Recipe().init,
        freeze=inside(recipe.freeze, learning),
        lr_factors=tuple(
            RateFactor(label=name, value=recipe.rate_factor(name)) for name in factors
        ),
        max_norms=tuple(
            MaxNorm(label=name, value=limit) for name, limit in limits if limit is not None
        ),
    )

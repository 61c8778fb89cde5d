"""What a network's outputs mean, by its last layers and its loss: probabilities, scores, values.

The numbers themselves do not tell: scores may sum to 1 by chance, and the corners of a box are no
ranking. So a compiled model carries this with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, cast, get_args

from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.frozen import frozen, replace
from cnndsl.recipe.losses.base import LabelKind, Loss
from cnndsl.typecheck.heads import judged_outputs
from cnndsl.typecheck.scores import flattened_places

__all__ = ["Answers", "Kind", "answers_of"]

Kind: TypeAlias = Literal["probability", "score", "value"]
"""What one number of an output is: ``value`` is one to be met, as a coordinate."""


@frozen
class Answers:
    """What an output's numbers are, and whether they are ``ranked``.

    Ranked ones belong to classes that exclude each other: the largest is the answer. Others stand
    for themselves: labels of which several may hold, or quantities. ``places`` are the spatial
    sizes of maps that were flattened into a vector; empty where there is no such thing.
    """

    kind: Kind = "value"
    ranked: bool = False
    places: tuple[int, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The same as plain data."""
        data: dict[str, object] = {"kind": self.kind, "ranked": self.ranked}
        return {**data, "places": list(self.places)} if self.places else data

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Answers:
        """What :meth:`to_json` gave.

        Raises:
            KeyError, ValueError: for anything else.
        """
        if data["kind"] not in get_args(Kind):
            raise ValueError(f"there are no answers of the kind {data['kind']!r}")
        places = data.get("places", [])
        if not isinstance(places, list) or not all(isinstance(one, int) for one in places):
            raise ValueError(f"there are no places {places!r}")
        return cls(cast("Kind", data["kind"]), bool(data["ranked"]), tuple(places))


def answers_of(typed: TypedNetwork) -> dict[str, Answers]:
    """What each output's numbers are, by the output's name.

    A softmax gives the probabilities of classes, whatever it was trained with. A sigmoid gives a
    probability for each label, unless the loss is ``mse``, whose outputs are quantities. Of an
    output without a loss, what has neither layer behind it is a value.
    """
    outputs = typed.network.outputs
    losses = {head.position: head.loss for head in reversed(judged_outputs(typed.network))}
    return {
        name: replace(
            _answers(typed, position, losses.get(position)),
            places=flattened_places(typed, position),
        )
        for name, position in outputs.items()
    }


def _answers(typed: TypedNetwork, output: int, loss: Loss | None) -> Answers:
    position = _last_layer(typed, output)
    node = typed.network.nodes[position]
    makes = node.layer.makes if isinstance(node, LayerNode) else "anything"
    if makes == "distribution":
        # Flattened, the distributions of several places are no distribution.
        dims = typed.types[output].dims
        return Answers("probability", len(dims) > 1 or dims[0] == typed.types[position].channels)
    if makes == "logarithms" and (loss is None or loss.labels is LabelKind.CLASS):
        return Answers(
            "score", ranked=typed.types[output].channels == typed.types[position].channels
        )
    if loss is not None and loss.labels is LabelKind.VALUE:
        return Answers("value")
    if makes == "probabilities":
        return Answers("probability")
    if loss is None:
        return Answers("value")
    return Answers("score", ranked=loss.labels is LabelKind.CLASS)


def _last_layer(typed: TypedNetwork, position: int) -> int:
    """The layer that makes an output's numbers: those behind it only pass them on."""
    node = typed.network.nodes[position]
    while isinstance(node, LayerNode) and node.layer.shares != "never":
        position = node.inputs[0]
        node = typed.network.nodes[position]
    return position

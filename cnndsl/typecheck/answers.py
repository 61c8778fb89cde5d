"""What a network's outputs mean, by its last layers and its loss: probabilities, scores, values.

The numbers themselves do not tell: scores may sum to 1 by chance, and the corners of a box are no
ranking. So a compiled model carries this with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, cast, get_args

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import closest, quoted
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.frozen import frozen, replace
from cnndsl.recipe.losses.base import LabelKind, Loss
from cnndsl.typecheck.heads import judged_outputs
from cnndsl.typecheck.scores import flattened_places

__all__ = ["Answers", "Kind", "answers_of", "class_index"]

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


def class_index(word: str | int, classes: Sequence[str], count: int) -> int:
    """The place of a class among an output's ``count`` numbers, by its name or by the place.

    >>> class_index("dog", ["cat", "dog"], 2), class_index(0, [], 10), class_index("7", [], 10)
    (1, 0, 7)

    Raises:
        UserError: CNN713 where there is no such class.
    """
    if isinstance(word, str) and word in classes:
        return list(classes).index(word)
    if isinstance(word, int) or (word.isascii() and word.isdecimal()):
        if 0 <= int(word) < count:
            return int(word)
        raise UserError(
            "CNN713",
            f"there is no class {word}: the output has {count} numbers",
            help=f"give an index from 0 to {count - 1}",
        )
    near = closest(word, classes)
    if near:
        help = f"did you mean `{near[0]}`?"
    elif classes:
        help = f"give a name, or an index from 0 to {count - 1}"
    else:
        help = f"the classes have no names: give an index from 0 to {count - 1}"
    raise UserError(
        "CNN713",
        f"no class is called `{word}`",
        notes=[f"there are {quoted(classes[:20])}"] if classes and not near else (),
        help=help,
    )

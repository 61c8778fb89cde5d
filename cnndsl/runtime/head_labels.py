"""Turns a network's heads and a run's data into the labels that its steps take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cnndsl.data.augment import Augmenter
from cnndsl.data.head_labels import labelled_for
from cnndsl.data.label_places import labels_move
from cnndsl.data.labels import check_answers, encoder
from cnndsl.data.samples import Dataset, Indices
from cnndsl.data.sources import Array
from cnndsl.diagnostics.words import quoted
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.recipe.losses.base import LabelKind
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.signature import Signature
from cnndsl.typecheck.heads import asks_the_same, heads_of, judged_outputs
from cnndsl.typecheck.scores import flattened_places

__all__ = ["HeadLabels", "check_head_labels", "head_labels", "notes_of_heads"]


@dataclass(frozen=True, eq=False)
class HeadLabels:
    """The labels of a head: a function that gives those of samples as the step takes them.

    ``moved`` says that augmentations move them along; ``kept`` which of those that move samples
    are to leave them, though they are of the samples' places; ``borrowed`` that they are the main
    output's, since the data has none of the head's own.
    """

    name: str
    take: Callable[[Indices], Array]
    moved: bool
    kept: tuple[str, ...]
    borrowed: bool


def check_head_labels(
    network: TypedNetwork, recipe: Recipe, signature: Signature, dataset: Dataset, *, learnt: bool
) -> None:
    """See that a dataset has the labels that training, or only validation, needs.

    Raises:
        UserError: CNN802 for labels that do not fit, CNN845 where a head has none.
    """
    heads = heads_of if learnt else judged_outputs
    for head in heads(network.network, recipe):
        own = labelled_for(dataset, head.name, alike=asks_the_same(network, head, recipe))
        labels = signature.labels[head.name]
        encoder(own, labels.dtype, labels.dims[1:], learnt=learnt)
        channels = network.types[head.position].channels
        check_answers(own, head.loss.labels, channels, learnt=learnt)


def head_labels(
    network: TypedNetwork,
    recipe: Recipe,
    signature: Signature,
    data: Dataset,
    augment: Augmenter | None,
) -> tuple[HeadLabels, ...]:
    """The labels of every head, the main output's first.

    Raises:
        UserError: CNN830 where nobody can say what an augmentation does to them.
    """
    found = []
    for at, head in enumerate(heads_of(network.network, recipe)):
        own = labelled_for(data, head.name, alike=asks_the_same(network, head, recipe))
        labels = signature.labels[head.name]
        # Where the loss compares numbers, the output's channels stand before the places.
        places = labels.dims[1 if head.loss.labels is LabelKind.CLASS else 2 :]
        moved = augment is not None and labels_move(
            recipe.augment,
            own,
            augment.sizes,
            places,
            flattened=flattened_places(network, head.position),
        )
        take = encoder(own, labels.dtype, labels.dims[1:])
        keepers = (one.keyword for one in recipe.augment if one.keeps_labels)
        kept = tuple(keepers) if augment is not None and places == augment.sizes else ()
        found.append(HeadLabels(head.name, take, moved, kept, at > 0 and own is data))
    return tuple(found)


def notes_of_heads(heads: Sequence[HeadLabels], data: Dataset) -> Iterator[str]:
    """What whoever trains should know: which heads learn the main output's labels, or old ones.

    Of a single loss the recipe's ``labels fixed`` was meant; of several, perhaps of another head.
    """
    for head in heads:
        if head.borrowed:
            yield (
                f"`{head.name}` learns the labels of the main output: `{data.name}` has none"
                " under its name"
            )
        if head.kept and len(heads) > 1:
            words = quoted(dict.fromkeys(head.kept), " and ")
            yield (
                f"the labels of `{head.name}`, of the samples' size, stay where samples are moved"
                f" ({words}): `labels fixed` is said of every head"
            )

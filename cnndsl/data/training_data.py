"""Turns what the user calls training and validation data into two datasets for a network."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeAlias

from cnndsl.data.dataset import Dataset, divide, open_dataset
from cnndsl.data.formats.memory import ArrayData
from cnndsl.data.samples import LISTED, broken_error, find_broken, without
from cnndsl.data.sources import ModelInput
from cnndsl.data.splits import NoPartError, Split
from cnndsl.data.views import ONE, Views
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.class_names import is_writable, with_classes
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.recipe.recipe import Recipe
from cnndsl.typecheck.heads import heads_of

__all__ = ["inputs_of", "named_as", "open_part", "open_training_data", "seed_of"]

Name: TypeAlias = "str | os.PathLike[str] | ArrayData"


def open_training_data(
    network: TypedNetwork,
    data: Name,
    valid: Name | float | None,
    *,
    skip_broken: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[Dataset, Dataset | None]:
    """The dataset to train with, and the one to validate with, if any.

    Args:
        network: what is to be trained; its recipe's seed decides which share is kept aside.
        data: what the user calls the training data.
        valid: other data, or the share of the data to keep aside; where it is None, the data's
            own part for validation, if it has one.
        skip_broken: leave out samples that cannot be read.
        tell: told how labels were read, and what was passed over or left out.

    Raises:
        UserError: CNN801 where there is no such data, or it would validate itself; and whatever
            else is wrong with data.
    """

    def usable(dataset: Dataset) -> Dataset:
        return _readable(dataset, tell) if skip_broken else _known(dataset)

    training = open_part(network, data, "train")
    for note in training.notes:
        tell(note)
    named_as(network, training)  # Refuses names that the trained model could not have.
    if isinstance(valid, float | int):
        # What is broken is left out of each part: the same samples are kept aside as ever.
        to_train, aside = divide(training, float(valid), seed_of(network))
        return usable(to_train), usable(aside)
    validation = _validation(network, data, valid, training)
    if validation is None:
        return usable(training), None
    for note in validation.notes:
        if note not in training.notes:
            tell(note)
    if valid is not None and validation.fingerprint == training.fingerprint:
        raise UserError(
            "CNN801",
            f"`{validation.name}` would be both training and validation data",
            help="name other data, or keep a share aside: `--valid 0.2`",
        )
    return usable(training), usable(validation)


def _validation(
    network: TypedNetwork, data: Name, valid: Name | None, training: Dataset
) -> Dataset | None:
    """The data to validate with, its classes read as those of the training data."""

    def part(name: Name, split: Split) -> Dataset:
        return _open(network, name, split, training.classes, counted=training.labels is not None)

    try:
        return part(data if valid is None else valid, "valid")
    except NoPartError:
        return None if valid is None else part(valid, "test")


def open_part(
    network: TypedNetwork,
    data: Name,
    split: Split,
    valid: float | None = None,
    learnt: Sequence[str] | None = None,
    *,
    views: Views = ONE,
    seed: int | None = None,
    skip_broken: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Dataset:
    """A part of labelled data; of the share ``valid`` that training keeps aside, that alone.

    ``views`` says how large its pictures are read, ``seed`` which share is kept aside where that is
    not by the network's own recipe.

    Where the spec names no classes, ``learnt`` are those that the weights were trained for; none
    where they were trained for classes without names, None where nothing is known. ``skip_broken``
    leaves out samples that cannot be read. ``tell`` learns how labels were read, and what was
    passed over or left out.

    Raises:
        UserError: as ``open_dataset`` does.
    """
    output = network.main_type
    # One output tells two classes apart; their names are in no model.
    several = output.channels > 1
    classes = network.network.classes
    if not classes and learnt and len(learnt) == output.channels:
        classes = tuple(learnt)
    counted = several and not classes and learnt is not None
    dataset = _open(network, data, split, classes, counted=counted, views=views)
    for note in dataset.notes:
        tell(note)
    seed = seed_of(network) if seed is None else seed
    part = dataset if valid is None else divide(dataset, valid, seed)[1]
    return _readable(part, tell) if skip_broken else part


def _open(
    network: TypedNetwork,
    data: Name,
    split: Split,
    classes: tuple[str, ...],
    *,
    counted: bool = False,
    views: Views = ONE,
) -> Dataset:
    inputs = inputs_of(network)
    larger = views.larger(inputs)
    heads = [head.name for head in heads_of(network.network)[1:]]
    try:
        return open_dataset(
            data, larger, split=split, classes=classes, counted=counted, heads=heads
        )
    except UserError as error:
        if views.crops == 1:
            raise
        raise error.amended(notes=[views.note(inputs)]) from error


def inputs_of(network: TypedNetwork) -> tuple[ModelInput, ...]:
    """A network's inputs, and how raw data becomes them."""
    nodes = network.network.inputs
    return tuple(ModelInput(node.name, node.type, node.preparation) for node in nodes)


def named_as(network: TypedNetwork, data: Dataset) -> TypedNetwork:
    """The network with the data's names of its classes, where its spec gives none.

    Without them nothing would tell which output is which class.

    Raises:
        UserError: CNN802 for a name that cannot be written into a spec.
    """
    output = network.main_type
    if network.network.classes or not data.classes or len(data.classes) != output.channels:
        return network
    for name in data.classes:
        if not is_writable(name):
            raise UserError(
                "CNN802",
                f"`{data.name}` calls a class {name!a}, which no text can hold",
                help="call the class something else: letters of any script, signs and spaces",
            )
    return with_classes(network, data.classes)


def seed_of(network: TypedNetwork) -> int:
    """What the recipe's chance starts from, and with it which samples are kept aside."""
    return (network.network.recipe or Recipe()).seed


def _known(dataset: Dataset) -> Dataset:
    """The same dataset, after a look at all token ids: one that is none is no matter of chance."""
    if any(one.type.is_tokens for one in dataset.inputs) and (broken := find_broken(dataset)):
        raise broken_error(dataset, broken[0])
    return dataset


def _readable(dataset: Dataset, tell: Callable[[str], None]) -> Dataset:
    """The samples that can be read; tells of the others."""
    broken = find_broken(dataset)
    if not broken:
        return dataset
    are = "is" if len(broken) == 1 else "are"
    tell(f"{len(broken):,} of {len(dataset):,} samples of `{dataset.name}` {are} left out: broken")
    for one in broken[:LISTED]:
        tell(f"`{one.name}`: {one.why}")
    if len(broken) > LISTED:
        tell(f"and {len(broken) - LISTED:,} more")
    return without(dataset, [one.index for one in broken])

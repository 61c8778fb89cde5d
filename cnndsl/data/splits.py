"""The parts that training data may come in, and the errors of data that is not understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cnndsl.data.sources import ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted

__all__ = [
    "NoPartError",
    "Split",
    "Wanted",
    "no_part",
    "not_understood",
    "only_input",
    "refuse_valid",
]

Split: TypeAlias = Literal["train", "valid", "test"]
"""Which part of the data: ``test`` is the validation part where the data has no test part;
``valid`` is taken only where the data has such a part of its own.

Data without parts is wholly ``train`` and wholly ``test``.
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a dataset is opened for: the network's inputs, the part, the spec's class names.

    ``counted`` says that the labels of the training data are indices of classes without names:
    then those of other data are, too. ``heads`` are the further heads of the network, which may
    have labels of their own.
    """

    inputs: tuple[ModelInput, ...]
    split: Split = "train"
    classes: tuple[str, ...] = ()
    counted: bool = False
    heads: tuple[str, ...] = ()


def only_input(wanted: Wanted, data: str) -> ModelInput:
    """The network's input, for data that has one picture for each sample.

    Raises:
        UserError: CNN703 for a network of several inputs.
    """
    if len(wanted.inputs) == 1:
        return wanted.inputs[0]
    names = quoted(one.name for one in wanted.inputs)
    raise UserError(
        "CNN703",
        f"`{data}` gives one input, but the network has {len(wanted.inputs)}: {names}",
        help=f"put the data into a `.npz` file with the arrays {names} and `y`",
    )


def not_understood(message: str, help: str, notes: Sequence[str] = ()) -> UserError:
    """CNN801: the data is not there, or not what it should be."""
    return UserError("CNN801", message, notes=notes, help=help)


class NoPartError(UserError):
    """CNN801 of data that is sound, but has no such part: whoever asked may ask for another."""


def no_part(data: str, split: Split, looked_for: str) -> NoPartError:
    """CNN801: the data has parts, and not the one asked for."""
    purpose = {"train": "training", "valid": "validation", "test": "testing"}[split]
    return NoPartError(
        "CNN801",
        f"`{data}` has no part for {purpose}: there is no {looked_for}",
        help="name data that has this part",
    )


def refuse_valid(data: str, wanted: Wanted) -> None:
    """Raise CNN801 where data without parts is asked for its validation part."""
    if wanted.split == "valid":
        raise no_part(data, "valid", "division into parts")

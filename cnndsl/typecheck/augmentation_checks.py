"""Says which augmentations suit which inputs, and holds a spec's against its network."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from cnndsl.diagnostics.model import Diagnostic, Report
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.recipe.augmentations.base import Augmentation
from cnndsl.recipe.augmentations.crop import Crop
from cnndsl.recipe.augmentations.cutout import Cutout
from cnndsl.recipe.augmentations.flip import Flip
from cnndsl.recipe.augmentations.noise import Noise
from cnndsl.recipe.augmentations.rotate import Rotate
from cnndsl.recipe.augmentations.shift import Shift
from cnndsl.syntax.ast import Name, Setting, Train
from cnndsl.types import DType, TensorType

__all__ = ["Misfit", "check_augmentations", "misfit"]


@frozen
class Misfit:
    """Why an augmentation does not suit the inputs, and what would.

    ``attribute`` is the one whose value is at fault; empty where no value would do.
    """

    why: str
    help: str
    attribute: str = ""


def misfit(augmentation: Augmentation, inputs: Mapping[str, TensorType]) -> Misfit | None:
    """Why inputs, given by name, cannot be changed so; None where they can."""
    for name, its_type in inputs.items():
        found = _misfit_of_one(augmentation, name, its_type)
        if found is not None:
            return found
    sizes = {its_type.spatial: name for name, its_type in inputs.items()}
    if len(sizes) == 1 or isinstance(augmentation, Noise):
        return None
    first, second = list(sizes.values())[:2]
    why = (
        f"the inputs `{first}` ({inputs[first]}) and `{second}` ({inputs[second]})"
        " differ in size and cannot be changed alike"
    )
    return Misfit(why, _without(augmentation))


def _misfit_of_one(augmentation: Augmentation, name: str, its_type: TensorType) -> Misfit | None:
    sizes = its_type.spatial
    its = f"the input `{name}` is {its_type}"
    without = _without(augmentation)
    if its_type.dtype is DType.INT64:
        return Misfit(f"the input `{name}` are token ids", without)
    if isinstance(augmentation, Noise):
        return None
    if not sizes:
        return Misfit(f"{its}, without spatial dimensions", without)
    smallest = min(sizes)
    match augmentation:
        case Rotate() if len(sizes) != 2:
            return Misfit(f"{its}, and only pictures can be turned", without)
        case Flip(direction="vertical" | "both") if len(sizes) == 1:
            return Misfit(f"{its}, without top and bottom", "write `flip horizontal`", "direction")
        case Crop(padding=cells) | Shift(cells=cells) if cells >= smallest:
            why = f"{its}, of which a move by {count(cells, 'cell')} may leave nothing"
            if smallest == 1:
                return Misfit(why, without)
            attribute = "padding" if isinstance(augmentation, Crop) else "cells"
            return Misfit(why, f"write a number below {smallest}", attribute)
        case Cutout(size=size) if size > smallest:
            why = f"{its}, smaller than a square of {count(size, 'cell')}"
            return Misfit(why, f"write a number of at most {smallest}", "size")
    return None


def _without(augmentation: Augmentation) -> str:
    return f"take `{augmentation.keyword}` out of the recipe's `augment`"


# --- in a spec --------------------------------------------------------------------------------


def check_augmentations(network: TypedNetwork, report: Report) -> None:
    """Report every ``augment`` of the recipe that the network's inputs cannot take."""
    recipe = network.network.recipe
    assert recipe is not None
    inputs = {node.name: node.type for node in network.network.inputs}
    statements = network.network.module.statements
    settings = [
        setting
        for statement in statements
        if isinstance(statement, Train)
        for setting in statement.settings
        if setting.name.name == "augment"
    ]
    for augmentation, setting in zip(recipe.augment, settings, strict=True):
        found = misfit(augmentation, inputs)
        if found is not None:
            message = f"`augment {augmentation.keyword}` does not suit the network: {found.why}"
            span = _place(setting, augmentation, found.attribute)
            report.add(Diagnostic("CNN830", message, span, help=found.help))


def _place(setting: Setting, augmentation: Augmentation, attribute: str) -> Span:
    """Where the value of an attribute stands, by its name or without one; else the keyword."""
    head, *values = setting.values
    for before, value in pairwise(values):
        if isinstance(before, Name) and before.name == attribute:
            return value.span
    if attribute in augmentation.positional and values:
        first = values[0]
        if not isinstance(first, Name) or first.name not in type(augmentation).model_fields:
            return first.span
    return head.span

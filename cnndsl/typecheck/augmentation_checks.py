"""Holds a spec's augmentations against its network's inputs."""

from __future__ import annotations

from itertools import pairwise

from cnndsl.diagnostics.model import Diagnostic, Report
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.recipe.augmentations.base import Augmentation
from cnndsl.syntax.ast import Name, Setting, Train

__all__ = ["check_augmentations"]


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
        found = augmentation.misfit(inputs)
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

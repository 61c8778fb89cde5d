"""Holds a recipe against the network that it is to train, and reports what does not fit."""

from __future__ import annotations

from cnndsl.diagnostics.model import Report
from cnndsl.elaborate.network import TypedNetwork

__all__ = ["check_recipe"]


def check_recipe(network: TypedNetwork, report: Report) -> None:
    """Hold the recipe against the finished network; what it does not use is not loaded."""
    recipe = network.network.recipe
    if recipe is not None:
        from cnndsl.typecheck.recipe_checks import recipe_problems

        report.extend(recipe_problems(network, recipe))
    if recipe is not None and recipe.augment:
        from cnndsl.typecheck.augmentation_checks import check_augmentations

        check_augmentations(network, report)

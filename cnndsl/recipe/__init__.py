"""What training is made of: settings, losses, optimizers, schedules, augmentations.

The last four come in kinds, found by the word that a spec writes. Adding one is adding a file with
a class to its package here and running ``python -m cnndsl.registry``, or adding the class to a
package of one's own that names it in its ``pyproject.toml``: ``KEYWORD = "module:Class"`` under
``[project.entry-points."cnndsl.losses"]``, and likewise for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnndsl.registry import Registry

if TYPE_CHECKING:
    from cnndsl.recipe.augmentations.base import Augmentation
    from cnndsl.recipe.losses.base import Loss
    from cnndsl.recipe.optimizers.base import Optimizer
    from cnndsl.recipe.schedules.base import Schedule

__all__ = ["AUGMENTATIONS", "LOSSES", "OPTIMIZERS", "SCHEDULES"]


def _kinds(noun: str, folder: str) -> Registry[Any]:
    return Registry(
        noun,
        f"cnndsl.recipe.{folder}.base:{noun.capitalize()}",
        package="cnndsl.recipe",
        group=f"cnndsl.{folder}",
        code="CNN208",
    )


LOSSES: Registry[Loss] = _kinds("loss", "losses")
OPTIMIZERS: Registry[Optimizer] = _kinds("optimizer", "optimizers")
SCHEDULES: Registry[Schedule] = _kinds("schedule", "schedules")
AUGMENTATIONS: Registry[Augmentation] = _kinds("augmentation", "augmentations")

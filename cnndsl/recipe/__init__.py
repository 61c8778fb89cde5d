"""What training is made of: settings, losses, optimizers, schedules, augmentations.

The last four come in kinds, found by the word that a spec writes. Adding one is adding a file with
a class to its package here and running ``python -m cnndsl.registry``, or adding the class to a
package of one's own that names it in its ``pyproject.toml``: ``KEYWORD = "module:Class"`` under
``[project.entry-points."cnndsl.losses"]``, and likewise for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.registry import Registry

if TYPE_CHECKING:
    from cnndsl.recipe.augmentations.base import Augmentation
    from cnndsl.recipe.losses.base import Loss
    from cnndsl.recipe.optimizers.base import Optimizer
    from cnndsl.recipe.schedules.base import Schedule

__all__ = ["AUGMENTATIONS", "LOSSES", "OPTIMIZERS", "SCHEDULES"]

LOSSES: Registry[Loss] = Registry(
    "loss",
    "cnndsl.recipe.losses.base:Loss",
    package="cnndsl.recipe",
    group="cnndsl.losses",
    code="CNN208",
)
OPTIMIZERS: Registry[Optimizer] = Registry(
    "optimizer",
    "cnndsl.recipe.optimizers.base:Optimizer",
    package="cnndsl.recipe",
    group="cnndsl.optimizers",
    code="CNN208",
)
SCHEDULES: Registry[Schedule] = Registry(
    "schedule",
    "cnndsl.recipe.schedules.base:Schedule",
    package="cnndsl.recipe",
    group="cnndsl.schedules",
    code="CNN208",
)
AUGMENTATIONS: Registry[Augmentation] = Registry(
    "augmentation",
    "cnndsl.recipe.augmentations.base:Augmentation",
    package="cnndsl.recipe",
    group="cnndsl.augmentations",
    code="CNN208",
)

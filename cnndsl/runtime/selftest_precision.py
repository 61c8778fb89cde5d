"""Compares a step in mixed precision with the same in float32, for the selftest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from cnndsl.frozen import replace
from cnndsl.recipe.optimizers.sgd import Sgd
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.train_step import TrainStep

__all__ = ["precision_check"]

_LOSS_TOLERANCE = 0.03
_COSINE = 0.9
"""Of the angle between both gradients, at least. Single weights may differ by more: what a
normalisation makes of small differences is no mistake of the precision."""

_TRIES = 40
"""Steps in which the loss scale may fall to where the gradients do not overflow."""

_Started: TypeAlias = Callable[[Recipe], tuple[TrainStep, Mapping[str, NDArray[Any]]]]


def precision_check(recipe: Recipe, started: _Started) -> tuple[str, str, bool]:
    """What was compared, what was measured, and whether it holds; ``started`` starts a step."""
    name = f"{recipe.precision} against float32"
    plain = recipe.bare(Sgd(lr=1.0))
    exact_loss, exact, _ = _step(*started(plain))
    loss, change, skipped = _step(*started(replace(plain, precision=recipe.precision)))
    size = float(numpy.linalg.norm(exact) * numpy.linalg.norm(change))
    cosine = float(exact @ change) / size if size > 0 else float(not exact.any())
    error = abs(loss - exact_loss) / max(abs(exact_loss), 1e-3)
    measured = f"loss {loss:.4f} and {exact_loss:.4f}, cosine of the gradients {cosine:.4f}"
    measured += f", {skipped} steps skipped" if skipped else ""
    return name, measured, error < _LOSS_TOLERANCE and cosine > _COSINE


def _step(
    train_step: TrainStep, feeds: Mapping[str, NDArray[Any]]
) -> tuple[float, NDArray[numpy.float64], int]:
    """The loss of the first step that is taken, what it changes, and how many were skipped."""
    signature = train_step.step.signature
    samples = {name: feeds[name] for name in signature.samples}
    labels = {output: feeds[spec.name] for output, spec in signature.labels.items()}
    before = train_step.weights()
    for _ in range(_TRIES):
        result = train_step.run(samples, labels, 1.0, 0, 1)
        if not result.skipped:
            break
    after = train_step.weights()
    changes = [
        (after[name].astype(numpy.float64) - before[name]).ravel() for name in signature.updated
    ]
    return result.loss, numpy.concatenate(changes), train_step.skipped

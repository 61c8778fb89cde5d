"""What the steps of an epoch add up to: its mean loss, and what the loss is measured by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypedDict

from cnndsl.runtime.checkpoint import Position
from cnndsl.runtime.evaluate import Evaluation
from cnndsl.runtime.train_step import StepResult
from cnndsl.training.metrics import Metric

__all__ = ["EpochSums", "Means", "Measures"]


class Means(TypedDict):
    """The metric's mean over the steps so far; the other one is None."""

    accuracy: float | None
    mae: float | None


class Measures(Means):
    """What a whole epoch is measured by beside its losses; None where that says nothing."""

    rmse: float | None
    valid_accuracy: float | None
    valid_mae: float | None
    valid_rmse: float | None


@dataclass(slots=True)
class EpochSums:
    """Where a run is, and the sums of the present epoch: as a position, but cheap to change."""

    metric: Metric
    step: int
    number: int
    loss: float
    total: float

    @classmethod
    def at(cls, position: Position, metric: Metric) -> Self:
        """What is in a position; a metric that it lacks within an epoch is not known there."""
        unknown = math.nan if position.step else 0.0
        total = position.metrics.get(metric.output, unknown)
        return cls(metric, position.step, position.number, position.loss, total)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metric's sum, as a position has it."""
        return {self.metric.output: self.total}

    def add(self, result: StepResult) -> None:
        """Take what a step says."""
        self.step += 1
        self.number += 1
        self.loss += result.loss
        self.total += result.metrics[self.metric.output]

    def means(self) -> Means:
        """The metric's mean so far."""
        mean = self.total / (self.step * self.metric.count)
        right = self.metric.measure == "accuracy"
        return {"accuracy": mean if right else None, "mae": None if right else mean}

    def measures(self, evaluation: Evaluation | None) -> Measures:
        """The epoch's numbers, when its last step is done."""
        errors = self.metric.measure == "mae"
        valid = evaluation if errors else None
        judged = None if errors else evaluation
        return {
            **self.means(),
            # The loss is the mean of the squares.
            "rmse": math.sqrt(self.loss / self.step) if errors else None,
            "valid_accuracy": judged.accuracy if judged else None,
            "valid_mae": valid.mae if valid else None,
            "valid_rmse": valid.rmse if valid else None,
        }

"""What the steps of an epoch add up to: its mean loss, and what the loss is measured by."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Self, TypedDict

from cnndsl.runtime.checkpoint import Position
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.train_step import StepResult
from cnndsl.training.metrics import Metric
from cnndsl.training.signature import Signature

__all__ = ["EpochSums", "Means", "Measures", "further_columns"]


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

    signature: Signature
    step: int
    number: int
    loss: float
    sums: dict[str, float]
    """The sums of everything else that a step says, by its outputs."""

    @classmethod
    def at(cls, position: Position, signature: Signature) -> Self:
        """What is in a position; a metric that it lacks within an epoch is not known there."""
        unknown = math.nan if position.step else 0.0
        names = [*(one.output for one in signature.metrics.values()), *signature.losses.values()]
        sums = {name: position.metrics.get(name, unknown) for name in names}
        return cls(signature, position.step, position.number, position.loss, sums)

    @property
    def main(self) -> str:
        """The main output."""
        return next(iter(self.signature.metrics))

    @property
    def metric(self) -> Metric:
        """What the main output is measured by."""
        return self.signature.metrics[self.main]

    @property
    def metrics(self) -> Mapping[str, float]:
        """The sums, as a position has them."""
        return dict(self.sums)

    def add(self, result: StepResult) -> None:
        """Take what a step says."""
        self.step += 1
        self.number += 1
        self.loss += result.loss
        for name in self.sums:
            self.sums[name] += result.metrics[name]

    def means(self) -> Means:
        """The metric's mean so far."""
        return self._means_of(self.main)

    def _means_of(self, output: str) -> Means:
        metric = self.signature.metrics[output]
        mean = self.sums[metric.output] / (self.step * metric.count)
        right = metric.measure == "accuracy"
        return {"accuracy": mean if right else None, "mae": None if right else mean}

    def _loss_of(self, output: str) -> float:
        """The mean of an output's own loss, before its weight."""
        own = self.signature.losses.get(output)
        return (self.loss if own is None else self.sums[own]) / self.step

    def measures(self, evaluation: Evaluation | None) -> Measures:
        """The epoch's numbers, when its last step is done."""
        return self._measures_of(self.main, evaluation)

    def outputs(self, evaluation: Evaluation | None) -> dict[str, dict[str, float | None]]:
        """The epoch's numbers of each head, where there are several.

        One that is no output has none of validation.
        """
        if len(self.signature.metrics) < 2:
            return {}
        judged = evaluation.outputs if evaluation else {}
        found: dict[str, dict[str, float | None]] = {}
        for name in self.signature.metrics:
            valid = judged.get(name) or (evaluation if name == self.main else None)
            measures = self._measures_of(name, valid)
            known = {key: one for key, one in measures.items() if isinstance(one, float)}
            loss = {"loss": self._loss_of(name), "valid_loss": valid.loss if valid else None}
            found[name] = {**loss, **known}
        return found

    def _measures_of(self, output: str, evaluation: Evaluation | None) -> Measures:
        metric = self.signature.metrics[output]
        errors = metric.measure == "mae"
        valid = evaluation if errors else None
        judged = None if errors else evaluation
        return {
            **self._means_of(output),
            "rmse": math.sqrt(self._loss_of(output)) if metric.squares else None,
            "valid_accuracy": judged.accuracy if judged else None,
            "valid_mae": valid.mae if valid else None,
            "valid_rmse": valid.rmse if valid else None,
        }


def further_columns(signature: Signature, judged: Container[str]) -> tuple[tuple[str, str], ...]:
    """The heads and measures that the metrics of several losses have besides the main output's.

    ``judged`` are the heads that validation measures.
    """
    found: list[tuple[str, str]] = []
    for at, (output, metric) in enumerate(signature.metrics.items()):
        if len(signature.metrics) < 2:
            break
        own = ("accuracy",) if metric.measure == "accuracy" else ("mae", "rmse")
        judging = ("loss",) if at == 0 else ("loss", *own)  # the main output's have columns
        measures = [one for one in judging if one != "rmse" or metric.squares]
        valid = tuple(f"valid_{one}" for one in judging) if output in judged else ()
        found += [(output, measure) for measure in (*measures, *valid)]
    return tuple(found)

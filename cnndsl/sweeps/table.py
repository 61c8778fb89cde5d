"""Turns the results of a sweep's runs into its table: a row for each point, the best first."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.events import EpochRecord
from cnndsl.sweeps.points import Point
from cnndsl.sweeps.runs import RunResult, Task
from cnndsl.training.metrics import measure_of

__all__ = ["MEASURES", "Measure", "Row", "Spread", "chosen_measure", "measures_of", "rows_of"]

Measure: TypeAlias = Literal["accuracy", "loss", "mae", "rmse"]

MEASURES: tuple[Measure, ...] = ("accuracy", "loss", "mae", "rmse")
"""What runs are measured by, in the order of the table's columns."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Numbers of several runs: their mean, and their deviation where there are two or more.

    The deviation is that of a sample: the root of the squares' sum over one less than their number.

    >>> Spread.of([0.25, 0.75])
    Spread(mean=0.5, deviation=0.3535533905932738, count=2)
    """

    mean: float
    deviation: float | None
    count: int

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """The spread of one number or more, all of them finite."""
        deviation = statistics.stdev(numbers) if len(numbers) > 1 else None
        return cls(statistics.fmean(numbers), deviation, len(numbers))


@dataclass(frozen=True, slots=True)
class Row:
    """A point and its runs, with what was measured of those that are over.

    ``rank`` counts from 1; None where no run of the point is over.
    """

    rank: int | None
    point: Point
    tasks: tuple[Task, ...]
    results: tuple[RunResult, ...]
    spreads: Mapping[Measure, Spread]

    @property
    def done(self) -> int:
        """How many of its runs are over."""
        return sum(one.is_done for one in self.results)

    @property
    def is_whole(self) -> bool:
        """Whether all of its runs are over."""
        return self.done == len(self.results)


def measures_of(best: EpochRecord, *, valid: bool) -> dict[Measure, float]:
    """A run's numbers: those of its best epoch, on validation data where there is some."""
    numbers = {one: getattr(best, f"valid_{one}" if valid else one) for one in MEASURES}
    return {
        one: float(number)
        for one, number in numbers.items()
        if number is not None and math.isfinite(number)
    }


def chosen_measure(wanted: str | None, recipes: Sequence[Recipe]) -> Measure:
    """What the table is sorted by, where the points have these recipes.

    That is what is wanted, else the accuracy, and where there is none the loss. Losses that are
    computed otherwise cannot be compared: the mean absolute error takes their place.

    Raises:
        UserError: CNN880 for what is not measured at all points.
    """
    measured = {measure_of(one.loss) for one in recipes}
    known: tuple[Measure, ...] = ("loss",)
    if len(measured) == 1:
        known = ("accuracy", "loss") if "accuracy" in measured else ("loss", "mae", "rmse")
    for name in known:
        if name == wanted:
            return name
    if wanted is None:
        first = recipes[0].losses("")
        several = any(one.losses("") != first for one in recipes)
        return "mae" if several and "mae" in known else known[0]
    raise UserError(
        "CNN880",
        f"the points cannot be sorted by `{wanted}`, which is not measured",
        help=f"sort by {quoted(known, ' or ')}",
    )


def rows_of(
    points: Sequence[Point],
    tasks: Sequence[Task],
    results: Sequence[RunResult],
    measure: Measure,
    *,
    valid: bool,
) -> list[Row]:
    """The rows, the best first: whole points before those that lack runs, then those with none.

    The mean over the runs that are left of a point flatters it where the others have failed.
    """
    rows = list(_rows(points, tasks, results, valid=valid))
    rows.sort(key=lambda row: _place(row, measure))
    return [
        Row(at if row.done else None, row.point, row.tasks, row.results, row.spreads)
        for at, row in enumerate(rows, start=1)
    ]


def _rows(
    points: Sequence[Point], tasks: Sequence[Task], results: Sequence[RunResult], *, valid: bool
) -> Iterator[Row]:
    of_point: dict[int, list[int]] = {}
    for n, task in enumerate(tasks):
        of_point.setdefault(task.point, []).append(n)
    for at, point in enumerate(points):
        own = of_point.get(at, [])
        best = [one.best for n in own if (one := results[n]).is_done and one.best is not None]
        measured = [measures_of(one, valid=valid) for one in best]
        spreads = {
            name: Spread.of(numbers)
            for name in MEASURES
            if (numbers := [one[name] for one in measured if name in one])
        }
        yield Row(
            None, point, tuple(tasks[n] for n in own), tuple(results[n] for n in own), spreads
        )


def _place(row: Row, measure: Measure) -> tuple[float, ...]:
    """What rows are sorted by; equal ones stay in the order of the points."""
    if not row.done or measure not in row.spreads:
        return (2.0, 0.0, 0.0)
    mean, loss = row.spreads[measure].mean, row.spreads.get("loss")
    signed = -mean if measure == "accuracy" else mean
    return (0.0 if row.is_whole else 1.0, signed, loss.mean if loss else 0.0)

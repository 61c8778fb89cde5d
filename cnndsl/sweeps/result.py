"""What a sweep comes to: the results of its runs, and the table of its points."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typing_extensions

from cnndsl.diagnostics.words import count
from cnndsl.sweeps.members import chosen
from cnndsl.sweeps.plan import Plan
from cnndsl.sweeps.records import SweepJson, to_json, write_records
from cnndsl.sweeps.runs import RunResult, untrained
from cnndsl.sweeps.table import Measure, Row, measures_of, rows_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnndsl.runtime.ensemble import Ensemble

__all__ = ["Sweep"]


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep that is over, or was interrupted."""

    plan: Plan
    results: tuple[RunResult, ...]
    """What came of each run, in the order of the points and their seeds."""

    @typing_extensions.override
    def __repr__(self) -> str:
        points, runs = count(len(self.plan.points), "point"), count(len(self.results), "run")
        return f"<Sweep of {self.plan.name}: {points}, {runs}, {len(self.failed)} failed>"

    @classmethod
    def untrained(cls, plan: Plan) -> Sweep:
        """A sweep of which nothing is trained yet."""
        return cls(plan, tuple(map(untrained, plan.tasks)))

    @property
    def folder(self) -> Path:
        """Where it is, with a folder for each run."""
        return self.plan.folder

    @property
    def failed(self) -> list[RunResult]:
        """The runs that have failed."""
        return [one for one in self.results if one.how == "failed"]

    @property
    def is_interrupted(self) -> bool:
        """Whether runs are left to do that have not failed."""
        return any(one.how in ("interrupted", "not begun") for one in self.results)

    @property
    def measure(self) -> Measure:
        """What the points are sorted by."""
        return self.plan.measure

    @cached_property
    def rows(self) -> list[Row]:
        """The table: the points, the best first, with mean and deviation over their seeds."""
        plan = self.plan
        return rows_of(
            plan.points, plan.tasks, self.results, self.measure, valid=plan.has_validation
        )

    def members(self, best: int | None = None) -> list[Path]:
        """The models of the best point, or of so many of the best runs, the best first.

        Raises:
            UserError: CNN885 where there are not so many.
            ValueError: where ``best`` is below 1.
        """
        names = chosen(self.to_json(), str(self.folder), best)
        return [self.folder / name for name in names]

    def ensemble(self, best: int | None = None, **options: Any) -> Ensemble:
        """The members, to answer together.

        Args:
            best: as :meth:`members` takes it.
            options: ``device``, ``threads`` and ``verify``, as
                :class:`~cnndsl.runtime.ensemble.Ensemble` takes them.

        Raises:
            UserError: as :meth:`members` and :class:`~cnndsl.runtime.ensemble.Ensemble` do.
        """
        from cnndsl.runtime.ensemble import Ensemble

        return Ensemble(self.members(best), **options)

    def figure(self) -> Figure:
        """The figure of it: the points in order with all runs, and the runs over each axis."""
        from cnndsl.plots.sweep_points import SweptPoint, draw_sweep

        plan, measure = self.plan, self.measure
        points = []
        for row in self.rows:
            done = [one.best for one in row.results if one.is_done and one.best is not None]
            measured = [measures_of(one, valid=plan.has_validation) for one in done]
            numbers = tuple(one[measure] for one in measured if measure in one)
            points.append(SweptPoint(row.point.text or "all runs", row.point.varied, numbers))
        where = "validation data" if plan.has_validation else "training data"
        each = count(plan.request.seeds, "seed")
        subtitle = (
            f"{count(len(plan.points), 'point')}, {each} each;"
            f" best first by {measure} on {where}, with mean and deviation"
        )
        return draw_sweep(points, f"Sweep of {plan.name}", subtitle, measure)

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Draw it into a file.

        Raises:
            UserError: CNN609 where the path does not end in ``.png``, ``.svg`` or ``.pdf``,
                CNN603 where the file cannot be written.
        """
        from cnndsl.plots.figure import save_figure

        save_figure(path, self.figure())

    def to_json(self) -> SweepJson:
        """All of it as plain data."""
        return to_json(self.plan, self.results, self.rows)

    def write(self) -> None:
        """Write the results into the folder, ``results.json`` and ``results.csv``.

        Raises:
            UserError: CNN603 where they cannot be written.
        """
        write_records(self.plan.folder, self.to_json())

"""Turns a sweep into plain data and files, ``results.json`` and ``results.csv``, and back."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from typing_extensions import TypedDict

from cnndsl.graph.files import write_atomically
from cnndsl.sweeps.axes import Axis, number_in
from cnndsl.sweeps.noted import RESULTS
from cnndsl.sweeps.plan import Plan
from cnndsl.sweeps.points import Point
from cnndsl.sweeps.runs import How, RunResult, Task
from cnndsl.sweeps.table import MEASURES, Measure, Row, measures_of

__all__ = [
    "CSV",
    "AxisJson",
    "PointJson",
    "RunJson",
    "SpreadJson",
    "SweepJson",
    "to_json",
    "write_records",
]

CSV = "results.csv"
"""The results once more, for spreadsheets."""


class AxisJson(TypedDict):
    """A parameter or setting, and its values; ``range`` is what a range was written as."""

    name: str
    kind: Literal["param", "setting"]
    values: list[float | int | str]
    range: str | None


class SpreadJson(TypedDict):
    """The mean over runs, and their deviation; null for one run."""

    mean: float
    deviation: float | None


class PointJson(TypedDict):
    """A row of the table; ``done`` of ``runs`` are over."""

    rank: int | None
    values: dict[str, float | int | str]
    folder: str
    runs: int
    done: int
    accuracy: SpreadJson | None
    loss: SpreadJson | None
    mae: SpreadJson | None
    rmse: SpreadJson | None


class RunJson(TypedDict):
    """A run: the numbers are those of its best epoch; null where it is not over."""

    values: dict[str, float | int | str]
    seed: int
    folder: str
    how: How
    model: str | None
    epochs: int
    epoch: int | None
    seconds: float
    accuracy: float | None
    loss: float | None
    mae: float | None
    rmse: float | None
    error: str | None


class SweepJson(TypedDict):
    """What ``cnndsl sweep --format json`` prints, and the sweep's folder has as a file.

    ``threads`` are those of each run, null where ONNX Runtime decides; ``measured`` says on what
    the numbers were taken, ``by`` what the points are sorted by, the best first. Folders and models
    are paths in ``folder``.
    """

    network: str
    data: str
    folder: str
    measured: Literal["validation", "training"]
    by: Measure
    seeds: list[int]
    threads: int | None
    axes: list[AxisJson]
    points: list[PointJson]
    runs: list[RunJson]


def to_json(plan: Plan, results: Sequence[RunResult], rows: Sequence[Row]) -> SweepJson:
    """A sweep as plain data."""
    data = plan.request.data
    pairs = zip(plan.tasks, results, strict=True)
    return {
        "network": plan.name,
        "data": str(data) if isinstance(data, str | os.PathLike) else "arrays",
        "folder": str(plan.folder),
        "measured": "validation" if plan.has_validation else "training",
        "by": plan.measure,
        "seeds": list(dict.fromkeys(task.seed for task in plan.tasks)),
        "threads": plan.threads,
        "axes": [_axis(axis) for axis in plan.axes],
        "points": [_point(row) for row in rows],
        "runs": [_run(plan, task, result) for task, result in pairs],
    }


def _axis(axis: Axis) -> AxisJson:
    written = axis.written.partition("=")[2]
    return {
        "name": axis.name,
        "kind": axis.kind,
        "values": [_plain(value) for value in axis.values],
        "range": None if axis.range is None else written,
    }


def _point(row: Row) -> PointJson:
    spreads: dict[Measure, SpreadJson | None] = {
        name: {"mean": spread.mean, "deviation": spread.deviation}
        if (spread := row.spreads.get(name))
        else None
        for name in MEASURES
    }
    return {
        "rank": row.rank,
        "values": _values(row.point),
        "folder": row.point.folder,
        "runs": len(row.results),
        "done": row.done,
        "accuracy": spreads["accuracy"],
        "loss": spreads["loss"],
        "mae": spreads["mae"],
        "rmse": spreads["rmse"],
    }


def _run(plan: Plan, task: Task, result: RunResult) -> RunJson:
    folder = task.folder.relative_to(plan.folder).as_posix()
    best = result.best if result.is_done else None
    numbers: Mapping[Measure, float] = (
        {} if best is None else measures_of(best, valid=plan.has_validation)
    )
    return {
        "values": _values(plan.points[task.point]),
        "seed": task.seed,
        "folder": folder,
        "how": result.how,
        "model": f"{folder}/model.onnx" if result.is_done else None,
        "epochs": result.epochs,
        "epoch": None if best is None else best.epoch,
        "seconds": round(result.seconds, 3),
        "accuracy": numbers.get("accuracy"),
        "loss": numbers.get("loss"),
        "mae": numbers.get("mae"),
        "rmse": numbers.get("rmse"),
        "error": result.error or None,
    }


def _values(point: Point) -> dict[str, float | int | str]:
    pairs = zip(point.axes, point.values, strict=True)
    return {axis.name: _plain(value) for axis, value in pairs}


def _plain(value: str) -> float | int | str:
    """A number where it is one."""
    number = number_in(value)
    return value if number is None or not math.isfinite(number) else number


# --- files ------------------------------------------------------------------------------------


def write_records(folder: Path, data: SweepJson) -> None:
    """Write both files into the sweep's folder, each whole at any time.

    Raises:
        UserError: CNN603 where they cannot be written.
    """
    whole = json.dumps(data, indent=1, ensure_ascii=False)
    write_atomically(folder / RESULTS, f"{whole}\n".encode(errors="surrogateescape"))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_lines(data))
    write_atomically(folder / CSV, text.getvalue().encode(errors="surrogateescape"))


def _lines(data: SweepJson) -> Iterator[list[object]]:
    """A line for each run: the values of the axes, then what came of it."""
    names = [axis["name"] for axis in data["axes"]]
    yield [*names, "seed", "how", "epochs", "epoch", *MEASURES, "seconds", "folder", "error"]
    for run in data["runs"]:
        numbers = [run["accuracy"], run["loss"], run["mae"], run["rmse"]]
        error = (run["error"] or "").partition("\n")[0]
        yield [
            *(run["values"][name] for name in names),
            *(run["seed"], run["how"], run["epochs"], run["epoch"]),
            *numbers,
            *(run["seconds"], run["folder"], error),
        ]

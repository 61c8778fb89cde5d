"""Chooses the models of a sweep that are to answer together, by what its folder notes of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.sweeps.noted import RESULTS, noted
from cnndsl.sweeps.records import RunJson, SweepJson

__all__ = ["chosen", "is_sweep", "members_in"]


def is_sweep(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the folder of a sweep."""
    return os.path.isdir(path) and os.path.isfile(os.path.join(path, RESULTS))


def members_in(folder: str | os.PathLike[str], best: int | None = None) -> list[Path]:
    """The models of a sweep's best point, or of so many of its best runs, the best first.

    Raises:
        UserError: CNN885 where there are not so many, or the folder is none of a sweep.
        ValueError: where ``best`` is below 1.
    """
    try:
        data: SweepJson = TypeAdapter(SweepJson).validate_python(noted(Path(folder)))
    except ValidationError as error:
        raise UserError(
            "CNN885",
            f"`{os.fspath(folder)}` is no folder of a sweep: its `{RESULTS}` cannot be read",
            help="let `cnndsl sweep … --resume` write it anew, or name the models themselves",
        ) from error
    return [_inside(Path(folder), name) for name in chosen(data, os.fspath(folder), best)]


def chosen(data: SweepJson, folder: str, best: int | None = None) -> list[str]:
    """Paths within a sweep's folder: of the models of its best point, or of its best runs.

    Raises:
        UserError: CNN885 where there are not so many.
        ValueError: where ``best`` is below 1.
    """
    if best is not None and best < 1:
        raise ValueError(f"`best` must be 1 or more, not {best}")
    runs = [run for run in data["runs"] if run["model"] is not None]
    wanted = 1 if best is None else best
    if len(runs) < wanted:
        over = "no run" if not runs else f"only {count(len(runs), 'run')}"
        are = "is" if len(runs) < 2 else "are"
        raise UserError(
            "CNN885",
            f"{over} of the sweep in `{folder}` {are} over",
            help=f"take `--best {len(runs)}`"
            if runs
            else "go on with it: `cnndsl sweep … --resume`",
        )
    runs.sort(key=lambda run: _place(run, data["by"]))
    if best is None:
        # That of the first run where no point is whole: then the table begins with it.
        values = next((one["values"] for one in data["points"] if one["done"]), runs[0]["values"])
        return [str(run["model"]) for run in runs if run["values"] == values]
    return [str(run["model"]) for run in runs[:best]]


def _place(run: RunJson, measure: str) -> tuple[float, float]:
    """What runs are sorted by; equal ones stay in their order."""
    numbers: dict[str, Any] = {**run}
    number, loss = numbers[measure], run["loss"]
    signed = float("inf") if number is None else -number if measure == "accuracy" else number
    return signed, float("inf") if loss is None else loss


def _inside(folder: Path, name: str) -> Path:
    """A file of a sweep's folder, which is there.

    Raises:
        UserError: CNN885 where it is not, or lies elsewhere.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise UserError(
            "CNN885",
            f"the sweep in `{folder}` has lost the model `{name}`",
            help="train it again: `cnndsl sweep … --resume`",
        )
    return path

"""From an evaluation of a mean to what less is worth: each model alone, one view, and the gain."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from cnndsl.cli.columns import Column, cut, table, width
from cnndsl.cli.progress import number
from cnndsl.diagnostics.render.characters import visible

if TYPE_CHECKING:
    from cnndsl.runtime.evaluation import Evaluation

__all__ = ["finite", "parts_table", "percent"]

_NAME = 40
"""Wider names are cut."""


def parts_table(evaluation: Evaluation) -> Iterator[str]:
    """What less than all models and views is worth, and what is gained by all of them."""
    if not evaluation.parts:
        return
    parts = evaluation.parts
    models = max(len(part.models) for part in parts)
    short = _told_apart([one for part in parts for one in part.models])
    name, decimals, sign = _measure(evaluation)
    values = [_measured(part.evaluation, name) for part in parts]
    whole = _measured(evaluation, name)
    yield ""
    yield from table(
        [
            Column("asked", [_asked(one.models, short, models) for one in parts], left=True),
            Column("views", [f"{part.views}" for part in parts]),
            Column("loss", [number(part.evaluation.loss).strip() for part in parts]),
            Column(name, [_shown_measure(value, decimals) for value in values]),
            Column("gained", [_gained(value, whole, decimals, sign) for value in values]),
        ]
    )


def _told_apart(names: Sequence[str]) -> dict[str, str]:
    """What to call models: their paths, or where these are long what is not the same in all.

    >>> _told_apart([f"sweeps/{'a' * 30}/seed-0/model.onnx", "sweeps/b/seed-1/model.onnx"]).values()
    dict_values(['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/seed-0', 'b/seed-1'])
    """
    paths = {name: PurePath(name).parts for name in names}
    if len(paths) < 2 or max(map(width, paths)) <= _NAME:
        return {name: name for name in names}
    least = min(map(len, paths.values())) - 1  # something is left of each
    same = [len({parts[at] for parts in paths.values()}) == 1 for at in range(least)]
    front = same.index(False) if False in same else least
    back = 0
    while back < least - front and len({parts[-1 - back] for parts in paths.values()}) == 1:
        back += 1
    return {name: str(PurePath(*parts[front : len(parts) - back])) for name, parts in paths.items()}


def _asked(models: Sequence[str], short: Mapping[str, str], most: int) -> str:
    if len(models) == most and most > 1:
        return f"all {most} models"
    return ", ".join(cut(visible(short[name]), _NAME) for name in models)


def _measure(evaluation: Evaluation) -> tuple[str, bool, int]:
    """What is compared, whether it is no share, and which way is better."""
    if evaluation.top1 is not None:
        return "top1", False, 1
    return ("accuracy", False, 1) if evaluation.accuracy is not None else ("MAE", True, -1)


def _measured(evaluation: Evaluation, name: str) -> float | None:
    return {"top1": evaluation.top1, "accuracy": evaluation.accuracy, "MAE": evaluation.mae}[name]


def _shown_measure(value: float | None, decimals: bool) -> str:
    return percent(value) if not decimals or value is None else number(value).strip()


def _gained(value: float | None, whole: float | None, decimals: bool, sign: int) -> str:
    """How much better all are: in points of a percent, or in the values' unit."""
    if value is None or whole is None:
        return "-"
    gain = sign * (whole - value)
    return f"{gain:+.4g}" if decimals else f"{100 * gain:+.2f}"


def percent(share: float | None) -> str:
    """Two places, as test sets have thousands of samples; 100% stands for nothing less than all."""
    if share is None:
        return "-"
    return "100%" if share == 1 else f"{min(100 * share, 99.99):.2f}%"


def finite(value: float | None) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None

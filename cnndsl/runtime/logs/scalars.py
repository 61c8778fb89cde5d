"""Turns an epoch into the numbers that other tools draw, by name."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cnndsl.runtime.events import EpochRecord

__all__ = ["scalars"]


def scalars(record: EpochRecord) -> Iterator[tuple[str, float]]:
    """An epoch's numbers that are known and finite, as ``loss/valid``, ``loss/train/aux1``."""
    for measure in ("loss", "accuracy", "mae", "rmse"):
        found = {
            f"{measure}/train": getattr(record, measure),
            f"{measure}/valid": getattr(record, f"valid_{measure}"),
        }
        for head, measures in [*record.outputs.items()][1:]:
            found[f"{measure}/train/{head}"] = measures.get(measure)
            found[f"{measure}/valid/{head}"] = measures.get(f"valid_{measure}")
        for name, value in found.items():
            if value is not None and math.isfinite(value):
                yield name, value
    yield "lr", record.lr
    yield "samples_per_second", record.rate

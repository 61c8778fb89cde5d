"""The files that every run has of its epochs: ``metrics.csv``, and in JSON ``metrics.jsonl``."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from typing_extensions import override

from cnndsl.graph.files import write_atomically
from cnndsl.runtime.events import EpochRecord, RunFacts, Start
from cnndsl.runtime.logs.base import Log, facts_of
from cnndsl.training.metrics import Measure

__all__ = ["MetricsLog"]

_COLUMNS: Mapping[Measure, tuple[str, ...]] = {
    "accuracy": (
        *("epoch", "step", "loss", "accuracy", "valid_loss", "valid_accuracy"),
        *("lr", "seconds", "rate", "best"),
    ),
    "mae": (
        *("epoch", "step", "loss", "mae", "rmse", "valid_loss", "valid_mae", "valid_rmse"),
        *("lr", "seconds", "rate", "best"),
    ),
}


class MetricsLog(Log):
    """A line for each epoch, with the columns of what the loss is measured by.

    All lines are written anew each time: what a killed run had written after its last checkpoint
    does not stay.
    """

    def __init__(self) -> None:
        self._records: list[EpochRecord] = []
        self._facts: RunFacts | None = None

    @override
    def start(self, start: Start) -> None:
        self._facts, self._records = facts_of(start), [*start.records]
        _write(self._facts, self._records)

    @override
    def epoch(self, record: EpochRecord) -> None:
        assert self._facts is not None
        self._records.append(record)
        _write(self._facts, self._records)


def _write(facts: RunFacts, records: Sequence[EpochRecord]) -> None:
    """Write both files; further heads have a column ``MEASURE.HEAD`` for each measure."""
    columns = _COLUMNS[facts.measure]
    names = {(head, one): f"{one}.{head}" for head, one in facts.further}
    rows = [
        {name: _plain(getattr(one, name)) for name in columns}
        | {name: _plain(one.outputs.get(at[0], {}).get(at[1])) for at, name in names.items()}
        for one in records
    ]
    text = io.StringIO()
    table = csv.DictWriter(text, (*columns, *names.values()), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    _save(facts.folder / "metrics.csv", text.getvalue())
    _save(facts.folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def _save(path: Path, text: str) -> None:
    write_atomically(path, text.encode())


def _plain(value: float | None) -> float | None:
    """JSON has no word for what is not a number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value

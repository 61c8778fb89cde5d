"""``--log csv``: a line for each step, in ``steps.csv``."""

from __future__ import annotations

import csv
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import TextIO

from typing_extensions import override

from cnndsl.diagnostics.model import UserError
from cnndsl.files import read_regular
from cnndsl.graph.files import reason, write_atomically
from cnndsl.runtime.events import Progress, Start
from cnndsl.runtime.logs.base import Log, facts_of

__all__ = ["StepsLog"]

_COLUMNS = ("step", "epoch", "loss", "mean_loss", "accuracy", "mae", "lr", "rate")
_LARGEST = 2**30


class StepsLog(Log):
    """The loss and the learning rate of each step, and the epoch's means up to it.

    A line is in the file as soon as its step is done. Where a run goes on, the lines of steps that
    are done again go.
    """

    keyword = "csv"

    def __init__(self) -> None:
        self._file: TextIO | None = None
        self._path = Path()

    @override
    def start(self, start: Start) -> None:
        self._path = facts_of(start).folder / "steps.csv"
        done = (start.epoch - 1) * start.steps + start.step
        write_atomically(self._path, _kept(self._path, done).encode())
        try:
            self._file = open(  # noqa: SIM115 - it is closed at the end of the run
                self._path, "a", encoding="utf-8", newline="", buffering=1
            )
        except OSError as error:
            raise _unwritten(self._path, error) from error

    @override
    def progress(self, progress: Progress) -> None:
        assert self._file is not None
        row = (
            *(progress.number, progress.epoch, progress.step_loss, progress.loss),
            *(progress.accuracy, progress.mae, progress.lr, progress.rate),
        )
        try:
            self._file.write(",".join("" if one is None else f"{one:.8g}" for one in row) + "\n")
        except OSError as error:
            raise _unwritten(self._path, error) from error

    @override
    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # A full disk was said of the line that it did not take.
                self._file.close()
            self._file = None


def _kept(path: Path, done: int) -> str:
    """The head, and what is there of the steps that are not done again."""
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    with suppress(OSError, ValueError, csv.Error):
        known = read_regular(path, _LARGEST).decode() if done else ""
        for row in csv.reader(StringIO(known)):
            if len(row) == len(_COLUMNS) and row[0].isdecimal() and int(row[0]) <= done:
                table.writerow(row)
    return text.getvalue()


def _unwritten(path: Path, error: OSError) -> UserError:
    return UserError(
        "CNN603",
        f"cannot write `{path}`: {reason(error)}",
        help="make room on the disk, or leave out `--log csv`",
    )

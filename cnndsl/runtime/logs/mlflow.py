"""``--log mlflow``: a run of MLflow, with the recipe, the metrics and the files."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from typing_extensions import override

from cnndsl.diagnostics.model import UserError
from cnndsl.files import read_regular
from cnndsl.graph.files import write_atomically
from cnndsl.runtime.events import EpochRecord, Outcome, RunFacts, Start
from cnndsl.runtime.logs.base import Log, facts_of
from cnndsl.runtime.logs.scalars import scalars

__all__ = ["MlflowLog"]

_RUN = "mlflow.txt"
_LONGEST = 500
"""Characters of a parameter that every version of MLflow takes."""

_NUMBER = 1000
"""Bytes that a run's number may have."""

_FILES = ("model.onnx", "best.safetensors", "spec.cnn", "metrics.csv", "confusion.csv")


class MlflowLog(Log):
    """A run where ``MLFLOW_TRACKING_URI`` says; the experiment is called after the network.

    ``MLFLOW_EXPERIMENT_NAME`` names another. The run's number is kept in ``mlflow.txt``, so that
    a run that goes on does so there too.
    """

    keyword = "mlflow"

    def __init__(self) -> None:
        package = self.needs("mlflow", "mlflow")
        try:
            self._client: Any = package.MlflowClient()
        except Exception as error:
            why = " ".join(str(error).split())
            raise UserError(
                "CNN863",
                f"the log `mlflow` has nowhere to write: {why[:200]}",
                help="set `MLFLOW_TRACKING_URI` to a server, or install all of MLflow for a file"
                " of its own: `pip install mlflow`",
            ) from error
        self._experiment: str | None = package.environment_variables.MLFLOW_EXPERIMENT_NAME.get()
        self._run = ""
        self._facts: RunFacts | None = None

    @override
    def start(self, start: Start) -> None:
        self._facts = facts = facts_of(start)
        number = facts.folder / _RUN
        resumed = start.epoch > 1 or start.step > 0
        if resumed and (known := _read(number)):
            self._run = known
            self._client.update_run(self._run, status="RUNNING")
            return
        found = self._client.get_experiment_by_name(name := self._experiment or start.network)
        experiment = found.experiment_id if found else self._client.create_experiment(name)
        self._run = self._client.create_run(experiment, run_name=str(facts.folder)).info.run_id
        write_atomically(number, f"{self._run}\n".encode())
        for key, value in {**facts.recipe, "device": start.device, "batch": start.batch}.items():
            self._client.log_param(self._run, key, str(value)[:_LONGEST])

    @override
    def epoch(self, record: EpochRecord) -> None:
        now = int(1000 * time.time())
        for name, value in scalars(record):
            self._client.log_metric(self._run, name, value, timestamp=now, step=record.step)

    @override
    def end(self, outcome: Outcome) -> None:
        assert self._facts is not None
        figures = self._facts.figures
        for name in (*_FILES, f"curves.{figures}", f"confusion.{figures}"):
            path: Path = self._facts.folder / name
            if path.exists():
                self._client.log_artifact(self._run, str(path))
        status = "KILLED" if outcome.how == "interrupted" else "FINISHED"
        self._client.set_terminated(self._run, status)
        self._run = ""

    @override
    def close(self) -> None:
        if self._run:
            self._client.set_terminated(self._run, "FAILED")


def _read(number: Path) -> str:
    """The number of a run that was begun; empty where none can be read."""
    with suppress(OSError, ValueError):
        return read_regular(number, _NUMBER).decode().strip()
    return ""

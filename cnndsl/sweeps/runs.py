"""Turns a task into a trained network in a folder of its own, and what came of it into a record.

A run of a sweep is the run that ``cnndsl train`` makes with the same words, to the bit. What may
go wrong with it is part of the record: it does not concern the others.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from typing_extensions import override

from cnndsl import pipeline
from cnndsl.diagnostics.model import CnndslError, UserError
from cnndsl.diagnostics.render import render_error
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.files import open_regular, read_regular
from cnndsl.graph.files import write_atomically
from cnndsl.runtime.checkpoint import list_checkpoints, read_checkpoint
from cnndsl.runtime.events import EpochRecord, Listener, Progress
from cnndsl.runtime.fingerprint import fingerprint_of
from cnndsl.runtime.folder_lock import LOCK
from cnndsl.runtime.plan import batch_of
from cnndsl.runtime.training import NOBODY, TrainingOptions, training_request

if TYPE_CHECKING:
    from cnndsl.data.formats.memory import ArrayData

__all__ = ["DONE", "How", "RunResult", "Task", "crashed", "failed", "train_task", "untrained"]

How: TypeAlias = Literal["finished", "stopped early", "interrupted", "failed", "not begun"]
"""How a run stands."""

DONE: tuple[How, ...] = ("finished", "stopped early")

_MARK = "result.json"
"""What a run's folder has once the run is over."""

_LARGEST_MARK = 2**20


@dataclass(frozen=True, slots=True)
class Task:
    """A run to be made: a network with its recipe, in a folder, on data.

    ``number`` is its place among the runs of the sweep.
    """

    number: int
    point: int
    seed: int
    folder: Path
    network: TypedNetwork
    data: str | os.PathLike[str] | ArrayData
    options: TrainingOptions


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run: how it stands, the numbers of its best epoch, or its error.

    ``epochs`` are those that it trained, ``kept`` says that it was over already, before this
    start. ``error`` is the whole text that ``cnndsl train`` would show, ``message`` its first line.
    """

    number: int
    how: How
    best: EpochRecord | None = None
    epochs: int = 0
    seconds: float = 0.0
    kept: bool = False
    message: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether it is over and has a model."""
        return self.how in DONE


@dataclass
class _Notes(Listener):
    """Keeps what a run says, and passes its steps on."""

    told: Listener
    notes: list[str] = field(default_factory=list)

    @override
    def note(self, text: str) -> None:
        self.notes.append(text)

    @override
    def progress(self, progress: Progress) -> None:
        self.told.progress(progress)

    @override
    def epoch(self, record: EpochRecord) -> None:
        self.told.epoch(record)


def untrained(task: Task) -> RunResult:
    """The record of a run that nobody has begun."""
    return RunResult(task.number, "not begun")


def failed(task: Task, error: CnndslError, notes: Iterable[str] = ()) -> RunResult:
    """The record of a run that an error has ended."""
    text = render_error(error)
    message = text.splitlines()[0]
    return RunResult(task.number, "failed", message=message, error=text, notes=tuple(notes))


def crashed(task: Task, error: BaseException) -> RunResult:
    """The record of a run that a mistake of cnndsl itself has ended."""
    text = f"internal error, please report it: {type(error).__name__}: {error}"
    return RunResult(task.number, "failed", message=text.splitlines()[0][:200], error=text)


def train_task(task: Task, listener: Listener = NOBODY) -> RunResult:
    """Train, or go on where the run in the folder has stopped; one that is over is kept.

    Nothing is raised but what ends the whole process: an error is what the record says.
    """
    told = _Notes(listener)
    try:
        found = _over(task)
        if found is not None:
            return found
        options: TrainingOptions = {**task.options, "out": task.folder, "resume": _goes_on(task)}
        request = training_request(task.network, task.data, told, options)
        outcome = pipeline.train(request, told)
    except KeyboardInterrupt:
        return RunResult(task.number, "interrupted", notes=tuple(told.notes))
    except CnndslError as error:
        return failed(task, error, told.notes)
    except MemoryError:
        help = "take a smaller batch, or make the network smaller"
        none = UserError("CNN905", "not enough memory for this network", help=help)
        return failed(task, none, told.notes)
    except Exception as error:  # one run does not end the others
        return crashed(task, error)
    result = RunResult(
        task.number,
        outcome.how,  # type: ignore[arg-type]
        outcome.best,
        len(outcome.records),
        outcome.seconds,
        notes=tuple(told.notes),
    )
    if result.is_done:
        _mark(task, result)
    return result


def _goes_on(task: Task) -> bool:
    """Whether it is a run of a sweep that goes on, and was begun; how far it came is no matter."""
    return bool(task.options.get("resume")) and (task.folder / LOCK).exists()


# --- runs that are over -----------------------------------------------------------------------


def _mark(task: Task, result: RunResult) -> None:
    """Note in its folder that a run is over, and which run it was."""
    assert result.best is not None, "a run that is over has an epoch"
    last = list_checkpoints(task.folder / "checkpoints")[-1]
    facts = {
        "run": _key(task, read_checkpoint(last).fingerprint),
        "checkpoint": last.name,
        "how": result.how,
        "epochs": result.epochs,
        "seconds": result.seconds,
        "best": asdict(result.best),
    }
    write_atomically(task.folder / _MARK, json.dumps(facts, indent=1).encode())


def _over(task: Task) -> RunResult | None:
    """What came of a run that is over: the one that is wanted, and nobody has gone on with it.

    Raises:
        UserError: for data that cannot be read or does not fit.
    """
    try:
        facts = json.loads(read_regular(task.folder / _MARK, _LARGEST_MARK))
        last = list_checkpoints(task.folder / "checkpoints")[-1].name
        best, how = EpochRecord(**facts["best"]), facts["how"]
        epochs, seconds = int(facts["epochs"]), float(facts["seconds"])
        same = facts["checkpoint"] == last and how in DONE
        key = facts["run"]
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    if not same or not (task.folder / "model.onnx").is_file() or key != _key(task, _wanted(task)):
        return None
    return RunResult(task.number, how, best, epochs, seconds, kept=True)


def _wanted(task: Task) -> Mapping[str, Any]:
    """The facts of the run that a task asks for."""
    request = training_request(task.network, task.data, NOBODY, task.options)
    recipe = request.network.network.recipe
    assert recipe is not None, "the spec of a task has its recipe"
    return fingerprint_of(request.network, recipe, batch_of(request), request.data, request.valid)


def _key(task: Task, facts: Mapping[str, Any]) -> str:
    """A run in short: its spec, recipe and data, and the weights that it begins with."""
    weights = task.options.get("weights")
    whole = {**facts, "the weights": None if weights is None else _checksum(weights)}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _checksum(path: str | os.PathLike[str]) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(cast("Any", file), "sha256").hexdigest()
    except OSError:
        return ""  # Training says what is wrong with it.

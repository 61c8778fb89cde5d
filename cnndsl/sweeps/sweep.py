"""Many runs of training, one after another or several at once, and what they come to."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TypedDict

from typing_extensions import Unpack

from cnndsl.recipe.settings import PrecisionWord
from cnndsl.runtime.events import FigureFormat, Listener
from cnndsl.runtime.training import NOBODY, TrainingOptions
from cnndsl.sweeps.axes import Written
from cnndsl.sweeps.folder import opened
from cnndsl.sweeps.plan import Plan, Request, planned
from cnndsl.sweeps.pool import Hands, hand_out, threads_each
from cnndsl.sweeps.result import Sweep
from cnndsl.sweeps.runs import RunResult, Task, train_task
from cnndsl.sweeps.supervisor import can_start, supervised

if TYPE_CHECKING:
    from cnndsl.data.formats.memory import ArrayData

__all__ = ["PlannedSweep", "SweepListener", "SweepOptions", "planned_sweep", "sweep"]

_PAUSE = 2.0
"""Seconds between two writings of the results while runs go on."""


class SweepOptions(TypedDict, total=False):
    """What may be asked of a sweep; all of it may be left out."""

    seeds: int
    """Runs at each point, each with a seed of its own, by default 1."""

    seed: int | None
    """The first seed, instead of the recipe's; and where drawing points at random begins."""

    sample: int | None
    """Draw so many points at random, instead of taking all."""

    valid: str | os.PathLike[str] | ArrayData | float | None
    """As for :meth:`Network.train`: other data to validate with, or a share to keep aside."""

    out: str | os.PathLike[str] | None
    """The folder of the sweep, by default ``sweeps/NAME``; each run has one of its own in it."""

    resume: bool
    """Go on with the sweep in the folder: runs that are over are kept."""

    measure: str | None
    """What the points are sorted by: ``accuracy``, ``loss``, ``mae`` or ``rmse``; by default the
    accuracy, and where there is none the loss."""

    epochs: int | None
    """Passes over the data, instead of the recipe's."""

    batch: int | None
    """Samples in a step, instead of the recipe's."""

    precision: PrecisionWord | None
    """What products are computed in, instead of the recipe's."""

    weights: str | os.PathLike[str] | None
    """A file of weights that all runs begin with, as far as they fit."""

    verify: bool
    """Whether to compare the checksum of ``weights`` with their content, by default yes."""

    device: str
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""

    workers: int
    """How many runs are trained at once, by default 1."""

    threads: int | None
    """How many threads one operator of a run may use; by default ONNX Runtime decides, and of
    several workers each has its share of the processors. Another number may give other last digits.
    """

    skip_broken: bool
    """Leave out samples that cannot be read, which are an error otherwise."""

    keep: int
    """How many checkpoints of a run stay, by default 1."""

    figures: FigureFormat
    """The format of all figures, by default ``png``."""

    logs: Sequence[str]
    """Further ways to write each run down, as for :meth:`Network.train`."""


class SweepListener:
    """Whoever watches a sweep; a class that inherits from it overrides what it wants to know."""

    run: Listener = NOBODY
    """Watches the run at hand, where runs go one after another."""

    def start(self, plan: Plan) -> None:
        """Before the first run; all points are right by then."""

    def began(self, task: Task) -> None:
        """Before a run, where runs go one after another."""

    def ended(self, task: Task, result: RunResult, done: int) -> None:
        """After a run, the ``done``-th that is over or has failed."""

    def note(self, text: str, task: Task | None = None) -> None:
        """Something that whoever trains should know; of several runs it is told of the first."""


def sweep(
    spec: str | os.PathLike[str],
    data: str | os.PathLike[str] | ArrayData,
    params: Mapping[str, Written] | None = None,
    settings: Mapping[str, Written] | None = None,
    listener: SweepListener | None = None,
    **options: Unpack[SweepOptions],
) -> Sweep:
    """Train a network at many points: with each of some values of parameters and settings.

    Ctrl-C ends it after the present step; it can be resumed then.

    Args:
        spec: a file's path, the name of a shipped spec, or a text (which has a line break).
        data: as :meth:`Network.train` takes it.
        params: values of the spec's parameters: ``{"width": [8, 16]}``.
        settings: values of the recipe's settings: ``{"train.optimizer.lr": [0.1, 0.01]}``. A text
            is read as on the command line: ``"0.001..0.1 log"`` is a range to draw from.
        listener: is told what happens.
        options: as :class:`cnndsl.sweeps.sweep.SweepOptions` tells of each.

    Raises:
        CompileError: for a point where the spec is wrong; nothing is trained then.
        UserError: for points and data that do not fit, CNN882 for a folder that is taken, and
            where the folder cannot be written.
        TypeError: for an option that there is not.
        ValueError: where there are no seeds or no points.
    """
    found = planned_sweep(spec, data, params or {}, settings or {}, options)
    return found.carried_out(listener or SweepListener())


@dataclass(frozen=True, eq=False)
class PlannedSweep:
    """A sweep whose points are right, and of which nothing is trained yet.

    ``workers`` runs are trained at once, by ``hands`` where MPI has started them.
    """

    plan: Plan
    workers: int = 1
    hands: Hands | None = None

    def carried_out(self, listener: SweepListener) -> Sweep:
        """Train all runs, the results written down as they come.

        Raises:
            UserError: CNN882 for a folder that is taken, CNN603 where it cannot be written, CNN871
                where no processes can be started.
        """
        plan = self.plan
        with opened(plan, resume=plan.request.resume):
            for note in plan.notes:
                listener.note(note)
            listener.start(plan)
            return _carried_out(plan, listener, self._trained(listener))

    def _trained(self, listener: SweepListener) -> Generator[RunResult]:
        """The results of all runs, as they come."""
        tasks = self.plan.tasks
        if self.hands is not None and self.hands.workers > 0:
            return hand_out(self.hands, tasks)
        if self.workers > 1 and len(tasks) > 1:
            if can_start():
                return supervised(tasks, self.workers)
            listener.note(
                'without MPI, runs go one after another: install it by `pip install "cnndsl[mpi]"`'
            )
        return _one_by_one(tasks, listener)


def planned_sweep(
    spec: str | os.PathLike[str],
    data: str | os.PathLike[str] | ArrayData,
    params: Mapping[str, Written],
    settings: Mapping[str, Written],
    options: SweepOptions,
    hands: Hands | None = None,
) -> PlannedSweep:
    """A sweep before its first run; ``hands`` train, where MPI has started this process.

    Raises:
        CompileError: as :func:`sweep` does.
        UserError: as :func:`sweep` does, but for the folder.
        TypeError: for an option that there is not.
        ValueError: where there are no seeds, points or workers.
    """
    workers = options.get("workers", 1)
    if workers < 1:
        raise ValueError(f"`workers` must be 1 or more, not {workers}")
    threads = threads_each(workers) if hands is None else hands.threads
    plan = planned(_request(spec, data, params, settings, threads, options))
    return PlannedSweep(plan, workers, hands)


def _request(
    spec: str | os.PathLike[str],
    data: str | os.PathLike[str] | ArrayData,
    params: Mapping[str, Written],
    settings: Mapping[str, Written],
    threads: int | None,
    options: SweepOptions,
) -> Request:
    """What a caller asks of a sweep, its options sorted out.

    Raises:
        TypeError: for an option that there is not.
    """
    for name in options:
        if name not in SweepOptions.__annotations__:
            raise TypeError(f"a sweep has no option `{name}`")
    own = SweepOptions.__annotations__.keys() - TrainingOptions.__annotations__.keys()
    shared = {name: value for name, value in options.items() if name not in own}
    for name in ("seed", "out", "resume", "workers"):
        shared.pop(name, None)
    shared.setdefault("keep", 1)
    out = options.get("out")
    return Request(
        spec=spec,
        data=data,
        params=params,
        settings=settings,
        seeds=options.get("seeds", 1),
        seed=options.get("seed"),
        sample=options.get("sample"),
        folder=None if out is None else Path(out),
        measure=options.get("measure"),
        resume=options.get("resume", False),
        threads=threads,
        options=shared,  # type: ignore[arg-type]
    )


def _carried_out(plan: Plan, listener: SweepListener, trained: Generator[RunResult]) -> Sweep:
    found = Sweep.untrained(plan)
    found.write()
    telling, written = _Telling(listener), time.monotonic()
    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            _ended_by_signals(),
            closing(trained) as results,
        ):
            for result in results:
                numbers = list(found.results)
                numbers[result.number] = result
                found = replace(found, results=tuple(numbers))
                telling.ended(plan.tasks[result.number], result)
                if time.monotonic() - written > _PAUSE:
                    found.write()
                    written = time.monotonic()
    finally:
        found.write()
    if any(row.done for row in found.rows):
        found.draw(plan.folder / f"sweep.{plan.request.options.get('figures', 'png')}")
    return found


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Take SIGTERM and SIGUSR1, which schedulers send, for Ctrl-C where nothing else does."""

    def interrupted(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    names = ("SIGTERM", "SIGUSR1") if threading.current_thread() is threading.main_thread() else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupted)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


class _Telling:
    """Tells of runs that have ended, and each note once."""

    def __init__(self, listener: SweepListener) -> None:
        self._listener, self._done = listener, 0
        self._told: set[str] = set()

    def ended(self, task: Task, result: RunResult) -> None:
        if result.how == "not begun":
            return
        for note in result.notes:
            if note not in self._told:
                self._told.add(note)
                self._listener.note(note, task)
        self._done += result.how != "interrupted"
        self._listener.ended(task, result, self._done)


def _one_by_one(tasks: Sequence[Task], listener: SweepListener) -> Generator[RunResult]:
    """The results of runs in this process, until one is interrupted."""
    for task in tasks:
        listener.began(task)
        result = train_task(task, listener.run)
        yield result
        if result.how == "interrupted":
            return

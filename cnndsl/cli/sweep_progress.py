"""What is shown while a sweep goes on: a line for each run, and on a terminal a bar below them."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from typing_extensions import override

from cnndsl.cli.columns import WIDTH, cut
from cnndsl.cli.options import tell_device, wants_color
from cnndsl.cli.progress import number
from cnndsl.cli.sweep_table import called, head, run_line
from cnndsl.diagnostics.render.characters import visible
from cnndsl.runtime.events import Listener, Progress
from cnndsl.sweeps.sweep import SweepListener

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from cnndsl.sweeps.plan import Plan
    from cnndsl.sweeps.runs import RunResult, Task

__all__ = ["watching_sweep"]

_PAUSE = 0.4
"""Seconds between two drawings of the bar."""


@contextlib.contextmanager
def watching_sweep(*, as_text: bool, auto: bool = False) -> Iterator[SweepListener]:
    """Whoever shows a sweep while it goes on; afterwards the terminal is as it was.

    Lines go to standard output, or where that is to be JSON, to standard error. ``auto`` says that
    the device was chosen for the user, who is told why then.
    """
    dumb = os.environ.get("TERM") in ("dumb", "unknown")
    if sys.stderr is None or not sys.stderr.isatty() or dumb:
        yield _Lines(as_text=as_text, auto=auto)
        return
    bar = _BarAndLines(as_text=as_text, auto=auto)
    try:
        yield bar
    finally:
        bar.close()


class _Lines(SweepListener):
    """A line at the start, and one for each run."""

    def __init__(self, *, as_text: bool, auto: bool) -> None:
        self._err, self._auto = not as_text, auto
        self._plan: Plan | None = None

    @override
    def start(self, plan: Plan) -> None:
        self._plan = plan
        if self._auto:
            tell_device("auto")
        self._say(f"{head(plan)} into {plan.folder}")

    @override
    def ended(self, task: Task, result: RunResult, done: int) -> None:
        assert self._plan is not None
        many = len(self._plan.tasks)
        line = f"{done:{len(str(many))}}/{many}  {run_line(self._plan, task, result)}"
        self._say(cut(line, WIDTH))

    @override
    def note(self, text: str, task: Task | None = None) -> None:
        where = f"{called(self._plan, task)}: " if self._plan and task else ""
        _write(f"note: {where}{visible(text)}", err=True)

    def _say(self, text: str) -> None:
        _write(text, err=self._err)


def _write(text: str, *, err: bool) -> None:
    """Write a line through the stream that stands there now, which may take a bar away before."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None:
        stream.write(f"{text}\n")
        stream.flush()


class _BarAndLines(_Lines):
    """The lines above a bar that shows how far the sweep is, and the run at hand."""

    def __init__(self, *, as_text: bool, auto: bool) -> None:
        super().__init__(as_text=as_text, auto=auto)
        self.run = _Steps(self)
        self._bar: Bar | None = None
        self._id: TaskID | None = None
        self._done, self._next, self._name = 0, 0.0, ""

    @override
    def start(self, plan: Plan) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        super().start(plan)
        console = Console(stderr=True, no_color=not wants_color(sys.stderr), highlight=False)
        self._bar = Progress(
            BarColumn(bar_width=min(max(console.width - 60, 8), 24)),
            TextColumn("{task.fields[facts]}", markup=False),
            console=console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )
        self._id = self._bar.add_task("sweep", total=len(plan.tasks), facts="")
        self._bar.start()

    @override
    def began(self, task: Task) -> None:
        assert self._plan is not None
        self._name = called(self._plan, task)

    @override
    def ended(self, task: Task, result: RunResult, done: int) -> None:
        self._done = done
        self._draw(0.0, f"{done} done")
        super().ended(task, result, done)

    def stepped(self, progress: Progress) -> None:
        """Show where the run at hand is, now and then."""
        if time.perf_counter() < self._next:
            return
        share = (progress.epoch - 1 + progress.step / progress.steps) / progress.epochs
        facts = f"epoch {progress.epoch}/{progress.epochs}  loss {number(progress.loss).strip()}"
        self._draw(share, f"{cut(self._name, 40)}  {facts}")
        self._next = time.perf_counter() + _PAUSE

    def _draw(self, share: float, facts: str) -> None:
        if self._bar is not None and self._id is not None:
            self._bar.update(self._id, completed=self._done + share, facts=facts)
            self._bar.refresh()

    def close(self) -> None:
        """Take the bar away; more than once is fine."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _Steps(Listener):
    """Hears of the steps of the run at hand."""

    def __init__(self, bar: _BarAndLines) -> None:
        self._bar = bar

    @override
    def progress(self, progress: Progress) -> None:
        self._bar.stepped(progress)

"""From the events of a training run to what its user sees: a bar on a terminal, lines elsewhere.

A line per epoch goes to standard output; the bar and the notes go to standard error. Whoever
redirects the lines into a file keeps the bar.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from typing_extensions import override

from cnndsl.cli.options import tell_device, wants_color
from cnndsl.diagnostics.render.characters import visible
from cnndsl.diagnostics.words import count
from cnndsl.runtime.events import EpochRecord, Listener, Outcome, Progress, Start

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["duration", "epoch_line", "number", "percent", "watching"]

_PAUSE = 0.4
"""Seconds between two drawings of the bar: drawing takes about 2 ms of the thread that trains."""

_NARROW = 104
"""Terminals of fewer columns do without what the bar shows anyway."""


@contextlib.contextmanager
def watching(*, auto: bool = False) -> Iterator[Listener]:
    """Whoever shows a run while it goes on; afterwards the terminal is as it was.

    ``auto`` says that the device was chosen for the user, who is told why then.
    """
    if (
        sys.stderr is None
        or not sys.stderr.isatty()
        or os.environ.get("TERM") in ("dumb", "unknown")
    ):
        yield _Lines(auto=auto)
        return
    listener = _BarAndLines(auto=auto)
    try:
        yield listener
    finally:
        listener.close()


class _Lines(Listener):
    """One line at the start, and one for each epoch."""

    def __init__(self, *, auto: bool) -> None:
        self._auto = auto
        self._epochs = 0
        self._narrow = False

    @override
    def start(self, start: Start) -> None:
        self._epochs = start.epochs
        if self._auto:
            tell_device("auto")
        _say(_head(start))
        if not start.valid_samples:
            self.note("without `--valid`, the best epoch is that of the least training loss")

    @override
    def progress(self, progress: Progress) -> None:
        """Nothing: the epoch's line comes when it is over."""

    @override
    def epoch(self, record: EpochRecord) -> None:
        _say(epoch_line(record, self._epochs, narrow=self._narrow))

    @override
    def note(self, text: str) -> None:
        _say(f"note: {visible(text)}", err=True)

    @override
    def end(self, outcome: Outcome) -> None:
        """Nothing: the command sums up itself, since it knows what to do next."""


class _BarAndLines(_Lines):
    """The lines of the epochs above a bar that shows where the run is."""

    def __init__(self, *, auto: bool) -> None:
        super().__init__(auto=auto)
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._next = 0.0
        self._steps = 0
        self._narrow = shutil.get_terminal_size().columns < _NARROW

    @override
    def start(self, start: Start) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        super().start(start)
        self._steps = start.steps
        console = Console(stderr=True, no_color=not wants_color(sys.stderr), highlight=False)
        width = min(max(console.width - 72, 8), 30)
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=width),
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
            # Drawn by `progress` alone: a thread of its own would take turns with training.
            auto_refresh=False,
            # Lines that go to the same terminal must pass through the bar's console.
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )
        done = (start.epoch - 1) * start.steps + start.step
        self._task = self._bar.add_task(
            "training",
            total=start.epochs * start.steps,
            completed=done,
            epoch=_of(start.epoch, start.epochs),
            facts="",
        )
        self._bar.start()

    @override
    def progress(self, progress: Progress) -> None:
        now = time.perf_counter()
        if now < self._next or self._bar is None or self._task is None:
            return
        self._bar.update(
            self._task,
            completed=(progress.epoch - 1) * progress.steps + progress.step,
            epoch=_of(progress.epoch, progress.epochs),
            facts=_facts(progress),
        )
        self._bar.refresh()
        # From the end of drawing, so that a slow terminal cannot take all the time.
        self._next = time.perf_counter() + _PAUSE

    @override
    def epoch(self, record: EpochRecord) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=record.epoch * self._steps)
        super().epoch(record)  # which draws the bar again, below the new line

    @override
    def end(self, outcome: Outcome) -> None:
        self.close()

    @override
    def close(self) -> None:
        """Take the bar away; more than once is fine."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _say(text: str, *, err: bool = False) -> None:
    """Write a line.

    Not by ``click.echo``, which writes past the console that takes the bar away before a line and
    draws it again below.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is not None:
        stream.write(f"{text}\n")
        stream.flush()


# --- lines --------------------------------------------------------------------------------------


def _head(start: Start) -> str:
    samples = count(start.samples, "sample", commas=True)
    if start.valid_samples:
        samples += f", {start.valid_samples:,} to validate"
    epochs = count(start.epochs, "epoch", commas=True)
    steps = count(start.steps, "step", commas=True)
    batch = count(start.batch, "sample", commas=True)
    device = start.device
    if start.workers > 1:
        device += f" with {start.workers:,} workers"
    line = f"training {start.network} on {device}: {samples}; {epochs} of {steps}, {batch} each"
    if start.shards > 1:
        line += f" in {start.shards:,} shards"
    if (start.epoch, start.step) == (start.epochs, start.steps):
        line += "\nall epochs are done already"
    elif (start.epoch, start.step) != (1, 0):
        line += f"\ngoing on in epoch {start.epoch} after step {start.step}"
    return line


def epoch_line(record: EpochRecord, epochs: int, *, narrow: bool = False) -> str:
    """An epoch's numbers in columns that stay where they are from line to line.

    Where numbers are to be met, ``mae`` and ``rmse`` stand in place of the accuracy.

    ``epoch  3/12  loss 0.0891  accuracy 97.3%  valid 0.0710 / 97.9%  lr 0.0500  …  *best``; a
    narrow line leaves out the learning rate and the speed.
    """
    columns = [f"epoch {_of(record.epoch, epochs)}", f"loss {number(record.loss)}"]
    columns += _known("accuracy", record.accuracy, percent)
    columns += _known("mae", record.mae, number)
    columns += _known("rmse", record.rmse, number)
    columns += [] if narrow else [_further_head(name, one) for name, one in _further(record)]
    if record.valid_loss is not None:
        valid = [f"valid {number(record.valid_loss)}"]
        valid += _known("", record.valid_accuracy, percent)
        valid += _known("mae", record.valid_mae, number)
        columns.append(" / ".join(valid))
    if not narrow:
        columns.append(f"lr {number(record.lr)}")
    columns.append(f"{duration(record.seconds):>7}")
    if not narrow:
        columns.append(f"{_speed(record.rate):>17}")
    if record.best:
        columns.append("*best")
    return "  ".join(columns)


def _further(record: EpochRecord) -> list[tuple[str, Mapping[str, float | None]]]:
    """The heads with losses beside the main output, which comes first."""
    return [*record.outputs.items()][1:]


def _further_head(name: str, measures: Mapping[str, float | None]) -> str:
    """A head's own numbers: ``aux1 0.1234 / 97.3%``, of validation behind ``valid``."""
    text = f"{name} {_pair(measures, '')}"
    valid = measures.get("valid_loss") is not None
    return f"{text} valid {_pair(measures, 'valid_')}" if valid else text


def _pair(measures: Mapping[str, float | None], prefix: str) -> str:
    parts = _known("", measures.get(f"{prefix}loss"), number)
    parts += _known("", measures.get(f"{prefix}accuracy"), percent)
    parts += _known("mae", measures.get(f"{prefix}mae"), number)
    return " / ".join(part.strip() for part in parts)


def _known(name: str, value: float | None, shown: Callable[[float], str]) -> list[str]:
    """A number behind its name, where it is known."""
    if value is None or math.isnan(value):
        return []
    return [f"{name} {shown(value)}" if name else shown(value)]


def _facts(progress: Progress) -> str:
    """What stands behind the bar: ``loss 0.0891  accuracy 97.3%  14,600 samples/s  1:05 left``."""
    facts = [f"loss {number(progress.loss)}"]
    facts += _known("accuracy", progress.accuracy, percent)
    facts += _known("mae", progress.mae, number)
    facts.append(_speed(progress.rate))
    if math.isfinite(progress.seconds_left):
        facts.append(f"{_clock(progress.seconds_left)} left")
    return "  ".join(facts)


# --- numbers ------------------------------------------------------------------------------------


def _of(epoch: int, epochs: int) -> str:
    return f"{epoch:{len(str(epochs))}}/{epochs}"


def number(value: float) -> str:
    """A loss or a rate in six places, with as many digits as fit: ``0.0891``, ``8.9e-5``."""
    if not math.isfinite(value):
        return f"{value:6}"
    if value and not 1e-3 <= abs(value) < 1e5:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(exponent)}".rjust(6)
    whole = len(str(int(abs(value))))
    return f"{value:.{max(5 - whole, 0)}f}".rjust(6)


def percent(share: float) -> str:
    """A share in five places: ``97.3%``; ``100%`` stands for nothing less than all."""
    if share == 1:
        return " 100%"
    return f"{min(100 * share, 99.9) if share < 1 else 100 * share:.1f}%".rjust(5)


def duration(seconds: float) -> str:
    """``4.1 s`` below a minute, ``12:05`` and ``1:02:03`` above."""
    return f"{seconds:.1f} s" if seconds < 59.95 else _clock(seconds)


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _speed(rate: float) -> str:
    return f"{rate:,.0f} samples/s" if rate >= 10 else f"{rate:.1f} samples/s"

"""A training run as curves that grow in a notebook: one display, made anew now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from typing_extensions import override

from cnndsl.display.html import bar, escaped, note, titled
from cnndsl.display.results import figure_html, percent, significant
from cnndsl.plots.curves import draw_curves
from cnndsl.runtime.events import EpochRecord, Listener, Outcome, Progress, Start

__all__ = ["LiveCurves"]

_PAUSE = 0.5
"""Seconds between two looks at a run, at least."""
_SHARE = 20
"""A look is followed by so many times as long as it took: so it takes a twentieth of a run."""
_NOTES = 10
"""So many notes are shown at most."""


class LiveCurves(Listener):
    """A listener for ``Network.train`` that shows the run while it goes on.

    Args:
        show: shows a piece of HTML, in the place of the one before; by default a display of the
            notebook's.
        clock: gives the time in seconds.
    """

    def __init__(
        self,
        show: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._show = show or _Display()
        self._clock = clock
        self._next = 0.0
        self._start: Start | None = None
        self._records: list[EpochRecord] = []
        self._notes: list[str] = []
        self._curves = ""
        self._drawn = 0

    @override
    def start(self, start: Start) -> None:
        """Show what is about to happen."""
        self._start = start
        self._look("", 0.0)

    @override
    def progress(self, progress: Progress) -> None:
        """Show where the run is, where there was no look for a while."""
        if self._clock() < self._next:
            return
        done = (progress.epoch - 1) * progress.steps + progress.step
        facts = [f"epoch {progress.epoch}/{progress.epochs}", f"loss {significant(progress.loss)}"]
        if progress.accuracy is not None:
            facts.append(f"accuracy {percent(progress.accuracy)}")
        if progress.mae is not None:
            facts.append(f"MAE {significant(progress.mae)}")
        facts.append(f"{progress.rate:,.0f} samples/s")
        facts.append(f"{_duration(progress.seconds_left)} left")
        self._look(" · ".join(facts), done / max(1, progress.epochs * progress.steps))

    @override
    def epoch(self, record: EpochRecord) -> None:
        """Take an epoch's numbers; they are drawn at the next look."""
        self._records.append(record)

    @override
    def note(self, text: str) -> None:
        """Take what the user should know."""
        self._notes.append(text)

    @override
    def end(self, outcome: Outcome) -> None:
        """Show how it ended: this look stays."""
        best = "" if outcome.best is None else f"; the best is epoch {outcome.best.epoch}"
        epochs = len(outcome.records)
        self._look(f"{outcome.how} after {epochs} epochs, {_duration(outcome.seconds)}{best}", 1.0)

    def _look(self, line: str, share: float) -> None:
        began = self._clock()
        assert self._start is not None
        if len(self._records) != self._drawn:
            figure = draw_curves(self._records, self._start.network)
            self._curves = figure_html(figure, "loss and accuracy", 720)
            self._drawn = len(self._records)
        facts = [f"{self._start.samples:,} samples"]
        if self._start.valid_samples:
            facts.append(f"{self._start.valid_samples:,} to validate")
        facts.append(f"on {self._start.device}")
        body = titled(f"Training {self._start.network}", facts)
        body += f"<div>{bar(share)} {escaped(line)}</div>{self._curves}"
        self._show(body + "".join(map(note, self._notes[-_NOTES:])))
        now = self._clock()
        self._next = now + max(_PAUSE, _SHARE * (now - began))


class _Display:
    """One output of a cell, whose content is replaced."""

    def __init__(self) -> None:
        self._handle: Any = None

    def __call__(self, body: str) -> None:
        from IPython import display

        shown: Any = display  # untyped
        if self._handle is None:
            self._handle = shown.display(shown.HTML(body), display_id=True)
        else:
            self._handle.update(shown.HTML(body))


def _duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> _duration(4.2), _duration(83), _duration(7300)
    ('4 s', '1 min 23 s', '2 h 2 min')
    """
    if (whole := round(seconds)) < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"

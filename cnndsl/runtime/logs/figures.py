"""The pictures that every run has: the curves of its epochs, and what is mistaken for what."""

from __future__ import annotations

import csv
import io
import time

from typing_extensions import override

from cnndsl.graph.files import write_atomically
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.events import EpochRecord, Outcome, RunFacts, Start
from cnndsl.runtime.logs.base import Log, facts_of

__all__ = ["FiguresLog"]

_PAUSE = 20.0
"""Seconds between two drawings while the run goes on: one takes as long as many small steps."""


class FiguresLog(Log):
    """``curves.png``, and of the best weights ``confusion.png`` and ``confusion.csv``.

    Pictures are drawn at most every 20 seconds, and at the end; they end in ``.svg`` or ``.pdf``
    where the run says so.
    """

    def __init__(self) -> None:
        self._network = ""
        self._facts: RunFacts | None = None
        self._records: list[EpochRecord] = []
        self._best: Evaluation | None = None
        self._drawn = 0.0

    @override
    def start(self, start: Start) -> None:
        self._network, self._facts = start.network, facts_of(start)
        self._records = [*start.records]
        self._drawn = time.perf_counter()

    @override
    def best(self, record: EpochRecord, evaluation: Evaluation | None) -> None:
        if evaluation is not None:
            assert self._facts is not None
            self._best = evaluation
            _write_confusion(self._facts, evaluation)

    @override
    def epoch(self, record: EpochRecord) -> None:
        self._records.append(record)
        if time.perf_counter() - self._drawn > _PAUSE:
            self._draw()
            self._drawn = time.perf_counter()

    @override
    def end(self, outcome: Outcome) -> None:
        self._draw()

    def _draw(self) -> None:
        from cnndsl.plots.figure import save_figure

        assert self._facts is not None
        folder, ending = self._facts.folder, self._facts.figures
        if self._records:
            from cnndsl.plots.curves import draw_curves

            figure = draw_curves(self._records, self._network)
            save_figure(folder / f"curves.{ending}", figure)
        best = self._best
        if best is not None and best.confusion is not None:
            from cnndsl.plots.confusion_matrix import draw_confusion

            figure = draw_confusion(best.confusion, best.class_names, self._network)
            save_figure(folder / f"confusion.{ending}", figure)


def _write_confusion(facts: RunFacts, evaluation: Evaluation) -> None:
    """Write what is mistaken for what: the true classes down, the answers across.

    Of labels that do not exclude each other, how often each was rightly or wrongly held true.
    """
    matrix, labels = evaluation.confusion, evaluation.labels
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    if matrix is not None:
        names = evaluation.class_names
        table.writerow(["true class", *names])
        table.writerows([name, *row] for name, row in zip(names, matrix.tolist(), strict=True))
    elif labels:
        table.writerow(["label", "true +", "false +", "false -", "true -"])
        for name, one in zip(evaluation.label_names, labels, strict=True):
            table.writerow([name, one.hits, one.false, one.missed, one.rest])
    else:
        return
    content = text.getvalue().encode(errors="surrogateescape")
    write_atomically(facts.folder / "confusion.csv", content)

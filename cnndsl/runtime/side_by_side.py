"""Measures two sessions in turn, so that a machine that others use too slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

from cnndsl.data.sources import Array
from cnndsl.runtime.session import Session

__all__ = ["side_by_side"]

_TURNS = 15
_TURN = 0.02
"""How often each is measured, and for how many seconds at least."""


def side_by_side(
    first: Session, second: Session, inputs: Mapping[str, Array]
) -> tuple[float, float]:
    """The seconds that each takes for these inputs: medians of turns that they take."""
    found: tuple[list[float], list[float]] = [], []
    sessions = first, second
    for session in sessions:
        session.run(inputs)  # Memory is laid out in the first run.
    runs = max(1, round(_TURN / min(_seconds(session, inputs, 1) for session in sessions)))
    for _ in range(_TURNS):
        for session, times in zip(sessions, found, strict=True):
            times.append(_seconds(session, inputs, runs))
    return statistics.median(found[0]), statistics.median(found[1])


def _seconds(session: Session, inputs: Mapping[str, Array], runs: int) -> float:
    begin = time.perf_counter()
    for _ in range(runs):
        session.run(inputs)
    return (time.perf_counter() - begin) / runs

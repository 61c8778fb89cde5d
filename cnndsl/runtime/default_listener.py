"""Who watches a run whose caller names no listener: nobody, unless a notebook said who."""

from __future__ import annotations

from collections.abc import Callable

from cnndsl.runtime.events import Listener
from cnndsl.runtime.training import NOBODY

__all__ = ["default_listener", "watch_by_default"]

_makers: list[Callable[[], Listener]] = []


def watch_by_default(make: Callable[[], Listener] | None) -> None:
    """Let ``make`` give the listener of each run that has none of its own; None takes it back."""
    _makers[:] = [] if make is None else [make]


def default_listener() -> Listener:
    """A listener for a run whose caller names none."""
    return _makers[0]() if _makers else NOBODY

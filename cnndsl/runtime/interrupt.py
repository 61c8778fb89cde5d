"""Turns Ctrl-C, SIGTERM and SIGUSR1 into a wish that training fulfils between two steps."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["Interrupt", "interruptible", "signals_handled"]


_NUMBERS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1")
    if hasattr(signal, name)  # Windows has no SIGUSR1
]


class Interrupt:
    """Whether somebody wants the run to end."""

    def __init__(self) -> None:
        self.wanted = False

    def __call__(self) -> bool:
        """Whether it is so."""
        return self.wanted


@contextlib.contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Take the first Ctrl-C, SIGTERM or SIGUSR1 as a wish; the second does what it did before.

    Plan schedulers and containers send SIGTERM some seconds before they kill, or SIGUSR1 where they
    are asked to, which MPI hands on to all workers.
    """
    interrupt = Interrupt()

    def handle(number: int, frame: FrameType | None) -> None:
        interrupt.wanted = True
        restore()

    with signals_handled(handle) as restore:
        yield interrupt


@contextlib.contextmanager
def signals_handled(
    handle: Callable[[int, FrameType | None], object],
) -> Iterator[Callable[[], None]]:
    """Let ``handle`` take Ctrl-C, SIGTERM and SIGUSR1; what is given has all be as it was before.

    Whoever started this process may want it to ignore Ctrl-C, as ``nohup`` does: that stays. Only
    the main thread may handle signals; in another one nothing changes.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in _NUMBERS}
        before = {n: known for n, known in found.items() if known not in (None, signal.SIG_IGN)}

    def restore() -> None:
        for number, known in before.items():
            signal.signal(number, known)

    try:
        for number in before:
            signal.signal(number, handle)
        yield restore
    finally:
        restore()

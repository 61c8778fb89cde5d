"""Turns Ctrl-C and SIGTERM into a wish that a training run fulfils between two steps."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["Interrupt", "interruptible"]


class Interrupt:
    """Whether somebody wants the run to end."""

    def __init__(self) -> None:
        self.wanted = False

    def __call__(self) -> bool:
        """Whether it is so."""
        return self.wanted


@contextlib.contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Take the first Ctrl-C or SIGTERM as a wish; the second one does what it did before.

    Plan schedulers and containers send SIGTERM some seconds before they kill. Only the main thread
    may handle signals; in another one nothing changes.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Whoever started this process may want it to ignore Ctrl-C, as `nohup` does.
    before = {n: known for n, known in found.items() if known not in (None, signal.SIG_IGN)}

    def handle(number: int, frame: FrameType | None) -> None:
        interrupt.wanted = True
        restore()

    def restore() -> None:
        for number, known in before.items():
            signal.signal(number, known)

    for number in before:
        signal.signal(number, handle)
    try:
        yield interrupt
    finally:
        restore()

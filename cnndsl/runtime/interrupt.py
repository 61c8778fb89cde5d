"""Turns Ctrl-C into a wish that a training run fulfils between two steps."""

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
    """Take the first Ctrl-C as a wish; the second one does what it did before.

    Only the main thread may handle signals; in another one nothing changes.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        interrupt.wanted = True
        signal.signal(signal.SIGINT, before)

    if before in (None, signal.SIG_IGN):
        # Whoever started this process wants it to ignore Ctrl-C, as `nohup` does.
        yield interrupt
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)

"""Puts off the collection of garbage while much is made that stays.

Python looks through all objects again and again while there come to be more of them, a quarter of
the time in which a large graph is made: it finds nothing, since all of the graph is in use.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Let no garbage be collected meanwhile; what was so before is so again behind it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

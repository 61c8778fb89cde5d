"""Puts off the collection of garbage while much is made that stays.

Python looks through all objects again and again while there come to be more of them, a quarter of
the time in which a large graph is made: it finds nothing, since all of the graph is in use.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]

_MANY = 100_000
"""From so many new objects on, looking through them takes 10 ms and more."""

_full_collections = -1
"""How many full collections there had been when objects were promoted last."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Let no garbage be collected meanwhile; what was so before is so again behind it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            _promote()
            gc.enable()


def _promote() -> None:
    """Let many new objects be old ones, which Python looks through last.

    Else it goes through all of them three times within the next moments, half a second for a
    ResNet-152's step. It is done again only when all objects have been looked through meanwhile:
    what was promoted and is no longer in use does not pile up.
    """
    global _full_collections
    done = gc.get_stats()[-1]["collections"]
    if gc.get_count()[0] < _MANY or done == _full_collections or gc.get_freeze_count():
        return
    _full_collections = done
    gc.freeze()
    gc.unfreeze()

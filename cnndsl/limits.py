"""The limits that keep any text, however hostile, from costing much time or memory.

Each can be raised: ``CNNDSL_LIMITS="layers=500000,steps=5000000" cnndsl check big.cnn``.
"""

from __future__ import annotations

import os
import sys

from cnndsl.frozen import field_names, frozen

__all__ = ["DEEPEST", "ENVIRONMENT", "Limits", "processor_numbers", "processors"]

ENVIRONMENT = "CNNDSL_LIMITS"

_DIGITS = 24
"""Of more, no number is made: Python refuses some thousands of digits with words of its own."""

DEEPEST = 500
"""No larger depth can be asked for: what is nested is worked on by functions that call themselves,
and a thread's stack ends somewhere."""

FRAMES = 40
"""So many calls one level of nesting takes at most."""


@frozen
class Limits:
    """What a spec may cost.

    >>> Limits.parse("layers=10, depth=5")  # doctest: +NORMALIZE_WHITESPACE
    Limits(text=400000, depth=5, layers=10, steps=100000, diagnostics=100, elements=1099511627776,
    unpacked=4294967296, labels=134217728, readers=8)
    """

    text: int = 400_000
    """Characters of one file."""
    depth: int = 64
    """Nesting of brackets, bodies, expressions and block calls."""
    layers: int = 20_000
    """Layers of a network, after blocks and loops are expanded."""
    steps: int = 100_000
    """Statements carried out while blocks and loops are expanded."""
    diagnostics: int = 100
    """Diagnostics shown; the rest is counted."""
    elements: int = 2**40
    """Numbers in one tensor, and parameters of a network."""
    unpacked: int = 2**32
    """Bytes of an array that is unpacked from a file of data."""
    labels: int = 2**27
    """Labels, or numbers of targets, of one part of the data."""
    readers: int = 8
    """Processes that read picture files; with 1, threads read them."""

    @property
    def findings(self) -> int:
        """With so many diagnostics, no more are looked for."""
        return 2 * self.diagnostics

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Limits from ``name=value`` pairs, separated by commas.

        Raises:
            ValueError: for an unknown name or a value that is no positive whole number.
        """
        known = field_names(cls)
        values: dict[str, int] = {}
        for pair in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = (part.strip() for part in pair.partition("="))
            if name not in known:
                raise ValueError(f"no limit `{name}`; there are {', '.join(known)}")
            if not value.isdecimal() or len(value) > _DIGITS or int(value) < 1:
                shown = value if len(value) <= _DIGITS else f"{value[:_DIGITS]}…"
                raise ValueError(f"the limit `{name}` must be a positive whole number: `{shown}`")
            values[name] = int(value)
        if values.get("depth", 0) > DEEPEST:
            raise ValueError(f"the limit `depth` must be at most {DEEPEST}, not {values['depth']}")
        return cls(**values)

    def make_room(self) -> None:
        """Let Python call as deeply as the depth needs, where that is more than usual."""
        if self.depth > Limits().depth:
            needed = 1000 + FRAMES * min(self.depth, DEEPEST)
            sys.setrecursionlimit(max(sys.getrecursionlimit(), needed))

    @classmethod
    def current(cls) -> Limits:
        """The limits in force: the defaults, as changed by the environment."""
        return cls.parse(os.environ.get(ENVIRONMENT, ""))


def processors() -> int:
    """How many processors this process may use: more threads than that only wait for each other."""
    return len(processor_numbers())


def processor_numbers() -> tuple[int, ...]:
    """The numbers of the processors that this process may use."""
    try:
        return tuple(sorted(os.sched_getaffinity(0)))
    except (AttributeError, OSError):  # Neither macOS nor Windows says.
        return tuple(range(os.cpu_count() or 1))

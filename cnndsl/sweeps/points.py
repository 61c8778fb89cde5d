"""Turns axes into points: all combinations of their values, or some that are drawn at random."""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.sweeps.axes import Axis, Range, own_name, whole_numbers

__all__ = ["MOST_RUNS", "Point", "points_of"]

MOST_RUNS = 10_000
"""Runs of a sweep."""

_LONGEST = 120
"""Letters of a folder's name; a path may be 4,096 bytes long, a name 255."""

_TRIES = 1_000
"""Points drawn for one that is new, before there seem to be no more."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value for each axis, in their order, those with one value only included."""

    axes: tuple[Axis, ...]
    values: tuple[str, ...]

    @property
    def parameters(self) -> dict[str, object]:
        """The spec's parameters here, by name."""
        pairs = zip(self.axes, self.values, strict=True)
        return {axis.name: value for axis, value in pairs if axis.kind == "param"}

    @property
    def settings(self) -> list[str]:
        """The changes of the recipe here, as ``--set`` takes them."""
        pairs = zip(self.axes, self.values, strict=True)
        return [f"{axis.name}={value}" for axis, value in pairs if axis.kind == "setting"]

    @property
    def varied(self) -> dict[str, str]:
        """The values that are not the same at all points, by the axes' short names."""
        pairs = zip(self.axes, self.values, strict=True)
        return {own_name(axis, self.axes): value for axis, value in pairs if not axis.is_fixed}

    @property
    def text(self) -> str:
        """What the point is called: ``width=8 optimizer.lr=0.1``."""
        return " ".join(f"{name}={value}" for name, value in self.varied.items())

    @property
    def folder(self) -> str:
        """The name of its folder; empty where nothing is varied.

        It hangs on this point alone, so that a sweep may get further points later.
        """
        pairs = self.varied.items()
        text = ",".join(f"{name}={value}" for name, value in pairs)
        plain = ",".join(f"{_plain(name)}={_plain(value)}" for name, value in pairs)
        if plain == text and len(plain) <= _LONGEST:
            return plain
        mark = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
        return f"{plain[:_LONGEST].rstrip('-')}-{mark}"


def _plain(text: str) -> str:
    """A text with nothing in it that a shell, or a file system, takes for something else.

    >>> _plain("[4, 8]"), _plain("cosine warmup 2"), _plain("../1e-3")
    ('4-8', 'cosine-warmup-2', '..-1e-3')
    """
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-")


def points_of(axes: Sequence[Axis], sample: int | None = None, seed: int = 0) -> list[Point]:
    """All points of the axes in order, the first axis the slowest; or so many drawn at random.

    The same seed draws the same points, and the first of more are those of fewer. No point comes
    twice: where there are no more than are asked for, they come all.

    Raises:
        UserError: CNN880 for a range in a grid that has no end, CNN881 for too many points.
    """
    if sample is None:
        return list(_grid([_enumerated(axis) for axis in axes]))
    finite = [one for axis in axes if (one := _in_few(axis))]
    if len(finite) == len(axes) and math.prod(len(one.values) for one in finite) <= sample:
        return list(_grid(finite))
    _demand_few(sample)
    return list(itertools.islice(_drawn(tuple(axes), random.Random(seed)), sample))


def _grid(axes: Sequence[Axis]) -> Iterator[Point]:
    many = math.prod(len(axis.values) for axis in axes)
    _demand_few(many)
    for values in itertools.product(*(axis.values for axis in axes)):
        yield Point(tuple(axes), values)


def _demand_few(points: int) -> None:
    if points > MOST_RUNS:
        raise UserError(
            "CNN881",
            f"these are {count(points, 'point', commas=True)}, and a sweep has {MOST_RUNS:,}"
            " runs at most",
            help="list fewer values, or draw some of the points with `--sample 20`",
        )


def _enumerated(axis: Axis) -> Axis:
    """An axis whose values can be counted.

    Raises:
        UserError: CNN880 where they cannot.
    """
    found = axis.range
    if found is None:
        return axis
    if found.is_log or not found.is_whole:
        values = ",".join(found.ends_and_middle)
        raise axis.fails(
            "a range has no end of values",
            f"draw points with `--sample 20`, or list values: `{axis.flag} {axis.name}={values}`",
        )
    return Axis(axis.name, axis.kind, tuple(whole_numbers(axis, found)), None, axis.written)


def _in_few(axis: Axis) -> Axis | None:
    """An axis with its values where they are few; a range of whole numbers may have many."""
    match axis.range:
        case None:
            return axis
        case Range(is_whole=True) as found if found.high - found.low < MOST_RUNS:
            return Axis(axis.name, axis.kind, tuple(whole_numbers(axis, found)), None, axis.written)
    return None


def _drawn(axes: tuple[Axis, ...], chance: random.Random) -> Iterator[Point]:
    """Points at random, each once, until no new one is found."""
    seen: set[tuple[str, ...]] = set()
    while True:
        for _ in range(_TRIES):
            # `random()` alone: what else draws from a generator may change with Python's version.
            values = tuple(_value(axis, chance.random()) for axis in axes)
            if values not in seen:
                break
        else:
            return
        seen.add(values)
        yield Point(axes, values)


def _value(axis: Axis, share: float) -> str:
    if axis.range is not None:
        return axis.range.at(share)
    return axis.values[int(share * len(axis.values))]

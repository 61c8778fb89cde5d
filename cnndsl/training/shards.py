"""Says how a batch is divided into shards, and in which order what they give is added.

A step of a recipe with ``shards S`` is defined as S shards whose gradients are added in a tree that
S alone decides. Who computes which of them, and when, changes no bit: floating-point sums depend
on their order, and the order is fixed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

__all__ = ["Shard", "Span", "added", "covering", "parts_of", "shard_of", "shards_of"]

T = TypeVar("T")

Span: TypeAlias = tuple[int, int]
"""Neighbouring shards, from the first up to but without the last: a node of the tree."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a batch: ``size`` samples from the one at ``first`` on, of ``batch`` in all."""

    first: int
    size: int
    batch: int

    @property
    def share(self) -> float:
        """What a mean over the shard counts for in the mean over the batch."""
        return self.size / self.batch


def shard_of(at: int, batch: int, shards: int) -> Shard:
    """One of the shards of a batch; their sizes differ by one sample at most.

    >>> [shard_of(at, 10, 4).size for at in range(4)]
    [2, 3, 2, 3]
    """
    first, end = at * batch // shards, (at + 1) * batch // shards
    return Shard(first, end - first, batch)


def shards_of(worker: int, workers: int, shards: int) -> Span:
    """The shards that a worker computes; their numbers differ by one at most.

    >>> [shards_of(at, 4, 6) for at in range(4)]
    [(0, 1), (1, 3), (3, 4), (4, 6)]
    """
    return worker * shards // workers, (worker + 1) * shards // workers


def _halves(span: Span) -> tuple[Span, Span]:
    first, end = span
    middle = (first + end) // 2
    return (first, middle), (middle, end)


def covering(part: Span, whole: Span) -> Iterator[Span]:
    """The fewest nodes of the tree over ``whole`` that together are the shards of a part.

    They are what whoever has computed the part can add without the others.

    >>> list(covering((0, 3), (0, 6))), list(covering((1, 4), (0, 6)))
    ([(0, 3)], [(1, 3), (3, 4)])
    """
    first, end = max(part[0], whole[0]), min(part[1], whole[1])
    if first >= end:
        return
    if (first, end) == whole:
        yield whole
        return
    for half in _halves(whole):
        yield from covering(part, half)


def parts_of(workers: int, each: int) -> int:
    """Into how many nodes of the tree the shards of a worker fall at most, of ``each`` for all.

    >>> parts_of(8, 4), parts_of(6, 4)
    (1, 3)
    """
    if each == 1 or workers & (workers - 1) == 0:
        return 1
    found = [0] * workers

    def visit(span: Span) -> None:
        first, last = span[0] // each, (span[1] - 1) // each
        if first == last:
            found[first] += 1
            return
        for half in _halves(span):
            visit(half)

    visit((0, workers * each))
    return max(found)


def added(span: Span, known: Callable[[Span], T | None], add: Callable[[T, T], T]) -> T:
    """The sum of a node: what is known of it, or that of its halves, the left one first.

    >>> added((0, 3), lambda span: str(span[0]) if span[1] - span[0] == 1 else None,
    ...     lambda left, right: f"({left}+{right})")
    '(0+(1+2))'
    """
    found = known(span)
    if found is not None:
        return found
    left, right = _halves(span)
    return add(added(left, known, add), added(right, known, add))

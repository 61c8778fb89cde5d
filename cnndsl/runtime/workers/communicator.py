"""What workers that train one network together say to each other, whatever carries it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from typing_extensions import override

from cnndsl.training.shards import Span

if TYPE_CHECKING:
    from cnndsl.data.sources import Array

__all__ = ["ALONE", "Alone", "Communicator", "Worker"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Worker:
    """One of ``count`` workers that do one thing together: its ``rank``, counted from 0.

    ``local`` is its rank among those of its machine, which is called ``host``.
    """

    rank: int
    count: int
    local: int
    host: str

    @property
    def leads(self) -> bool:
        """Whether it is the one that writes, prints and draws."""
        return self.rank == 0

    @override
    def __str__(self) -> str:
        return f"worker {self.rank} on {self.host}"


class Communicator(Protocol):
    """The others, as a worker sees them. All of them call the same methods in the same order."""

    worker: Worker

    def sum(
        self,
        parts: Mapping[Span, Array],
        whole: Span,
        out: Array,
        *more: tuple[Mapping[Span, Array], Array],
    ) -> None:
        """Add what all workers have, and give each of them the sum: in ``out``, to the same bits.

        ``parts`` are arrays of the size and type of ``out``, by the shards that they are of, as
        :func:`~cnndsl.training.shards.covering` divides the worker's; ``whole`` are all shards.
        The order of the additions is that of the tree over ``whole``. ``more`` are further parts
        and sums, of another size or type, on the way at the same time.
        """
        ...

    def gather(self, thing: T) -> list[T]:
        """What each worker gives, in their order; each of them has all."""
        ...

    def broadcast(self, thing: T) -> T:
        """What the worker that leads gives."""
        ...

    def send(self, thing: Any) -> None:
        """Hand something to the worker that leads."""
        ...

    def receive(self, rank: int) -> Any:
        """What a worker sends, in the order in which it sends it; for the one that leads."""
        ...


class Alone:
    """One worker without others."""

    worker = Worker(0, 1, 0, socket.gethostname())

    def sum(
        self,
        parts: Mapping[Span, Array],
        whole: Span,
        out: Array,
        *more: tuple[Mapping[Span, Array], Array],
    ) -> None:
        """Nothing but a copy, where the sum is not in ``out`` already."""
        for given, array in ((parts, out), *more):
            (part,) = given.values()
            if part is not array:
                array[...] = part

    def gather(self, thing: T) -> list[T]:
        """The one thing."""
        return [thing]

    def broadcast(self, thing: T) -> T:
        """The thing itself."""
        return thing

    def send(self, thing: Any) -> None:
        """There is nobody else who leads."""
        raise AssertionError("a worker without others sends nothing")

    def receive(self, rank: int) -> Any:
        """There is nobody else."""
        raise AssertionError("a worker without others receives nothing")


ALONE = Alone()

"""Says on paper how a network's training scales over many machines, from stated assumptions.

Weak scaling: each worker computes so many shards whose size does not change, so that the batch
grows with the workers. Then all add what they have, and wait for each other while they do. The sum
is a reduce-scatter and an all-gather (:mod:`cnndsl.runtime.workers.mpi`): of N workers each sends
and receives (N - 1)/N of the bytes in either of them (Patarasuk & Yuan 2009). The messages that
follow one another are those of recursive halving and doubling, log2 N in either (Thakur,
Rabenseifner & Gropp 2005). Nothing is sent while gradients are computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from typing_extensions import TypedDict, override

from cnndsl.analysis.cost import buffers_of, params_of
from cnndsl.analysis.liveness import live_nodes
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.shards import parts_of
from cnndsl.typecheck.heads import head_positions
from cnndsl.typecheck.recipe_checks import nothing_learns

__all__ = [
    "AIM",
    "MOST",
    "Link",
    "Scaling",
    "ScalingJson",
    "ScalingRow",
    "ScalingRowJson",
    "messages",
    "scaling",
]

AIM = 0.9
"""The share of the time for which the bandwidth is said."""

MOST = 2**16
"""Workers of which a table is made: more than any machine of today has nodes."""


class ScalingRowJson(TypedDict):
    """A row of :class:`ScalingJson`; ``computing`` is a share of the time."""

    workers: int
    shards: int
    batch: int
    parts: int
    sum_seconds: float
    step_seconds: float
    computing: float
    samples_per_second: float
    speedup: float
    needed_bits_per_second: float | None


class ScalingJson(TypedDict):
    """What ``cnndsl scale --format json`` prints: what was assumed, and what follows."""

    name: str
    gradients: int
    statistics: int
    bytes: int
    batch: int
    shards_per_worker: int
    shard_seconds: float
    bits_per_second: float
    efficiency: float
    latency_seconds: float
    aim: float
    rows: list[ScalingRowJson]


@frozen
class Link:
    """What connects workers: bits a second in each direction, and the seconds of a message.

    Of the bits, ``efficiency`` is the share that carries numbers.
    """

    bandwidth: float
    efficiency: float = 0.8
    latency: float = 20e-6

    @property
    def bytes_per_second(self) -> float:
        """Of numbers."""
        return self.bandwidth / 8 * self.efficiency


@frozen
class ScalingRow:
    """So many workers.

    ``parts`` is how often a worker sends all gradients when they are added: once, unless its
    shards are no node of the tree. ``needed`` is the bandwidth with which :data:`AIM` of the time
    is spent computing, in bits a second; None where the messages alone take longer than that
    allows.
    """

    workers: int
    shards: int
    batch: int
    parts: int
    sum_seconds: float
    step_seconds: float
    samples_per_second: float
    computing: float
    needed: float | None

    @property
    def speedup(self) -> float:
        """How many single workers do as many samples a second."""
        return self.workers * self.computing

    def to_json(self) -> ScalingRowJson:
        """The row as plain data."""
        return {
            "workers": self.workers,
            "shards": self.shards,
            "batch": self.batch,
            "parts": self.parts,
            "sum_seconds": self.sum_seconds,
            "step_seconds": self.step_seconds,
            "computing": self.computing,
            "samples_per_second": self.samples_per_second,
            "speedup": self.speedup,
            "needed_bits_per_second": self.needed,
        }


@frozen
class Scaling:
    """A network, what is assumed, and a row for each number of workers.

    ``gradients`` and ``statistics`` are numbers of 4 bytes, ``batch`` the samples of a shard and
    ``shard_seconds`` the time that a worker computes one.
    """

    name: str
    gradients: int
    statistics: int
    batch: int
    shards_per_worker: int
    shard_seconds: float
    link: Link
    rows: tuple[ScalingRow, ...]

    @override
    def __repr__(self) -> str:
        found = ", ".join(f"{row.workers}: {row.computing:.0%}" for row in self.rows)
        return f"<Scaling of {self.name}: {self.bytes / 1e6:,.1f} MB a step; {found}>"

    @property
    def bytes(self) -> int:
        """What is added in a step."""
        return 4 * (self.gradients + self.statistics)

    def to_json(self) -> ScalingJson:
        """All of it as plain data."""
        return {
            "name": self.name,
            "gradients": self.gradients,
            "statistics": self.statistics,
            "bytes": self.bytes,
            "batch": self.batch,
            "shards_per_worker": self.shards_per_worker,
            "shard_seconds": self.shard_seconds,
            "bits_per_second": self.link.bandwidth,
            "efficiency": self.link.efficiency,
            "latency_seconds": self.link.latency,
            "aim": AIM,
            "rows": [row.to_json() for row in self.rows],
        }


def scaling(
    typed: TypedNetwork,
    link: Link,
    shard_seconds: float,
    workers: Sequence[int],
    *,
    batch: int | None = None,
    shards_per_worker: int = 1,
) -> Scaling:
    """Work out the table.

    Args:
        typed: the network.
        link: what connects the workers.
        shard_seconds: the time in which a worker computes a shard and changes the weights.
        workers: a row for each of these numbers.
        batch: samples of a shard; by default those of the recipe's largest.
        shards_per_worker: shards that a worker computes before all add.

    Raises:
        UserError: CNN808 for a network of which nothing learns.
        ValueError: for a number that is not above 0, more workers than :data:`MOST`, and an
            efficiency above 1.
    """
    _demand_above_0(step=shard_seconds, bandwidth=link.bandwidth, efficiency=link.efficiency)
    _demand_above_0(batch=1 if batch is None else batch, shards_per_worker=shards_per_worker)
    if link.efficiency > 1:
        raise ValueError(f"`efficiency` is a share, 1 at most, not {link.efficiency}")
    if not 0 <= link.latency < math.inf:
        raise ValueError(f"`latency` must be 0 or more, not {link.latency}")
    for count in workers:
        if not 1 <= count <= MOST:
            raise ValueError(f"`workers` are from 1 to {MOST:,}, not {count}")
    recipe = typed.network.recipe or Recipe()
    for problem in nothing_learns(typed, recipe):
        raise UserError(problem.code, problem.message, problem.notes, problem.help)
    gradients, statistics = _numbers(typed, recipe)
    size = batch or -(-recipe.batch // recipe.shards)
    rows = _rows(
        4 * (gradients + statistics), link, shard_seconds, workers, size, shards_per_worker
    )
    return Scaling(
        name=typed.name,
        gradients=gradients,
        statistics=statistics,
        batch=size,
        shards_per_worker=shards_per_worker,
        shard_seconds=shard_seconds,
        link=link,
        rows=tuple(rows),
    )


def _demand_above_0(**numbers: float) -> None:
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(f"`{name}` must be above 0, not {number}")


def _numbers(typed: TypedNetwork, recipe: Recipe) -> tuple[int, int]:
    """How many gradients a step has, and how many running statistics it follows."""
    network = typed.network
    used = {network.owners[at] for at in live_nodes(network, head_positions(network, recipe))}
    owners = [at for at in used if not recipe.freezes(network.nodes[at].name)]
    return (
        sum(params_of(typed, at) for at in owners),
        sum(buffers_of(typed, at) for at in owners),
    )


def _rows(
    size: int, link: Link, shard_seconds: float, workers: Sequence[int], batch: int, each: int
) -> Iterator[ScalingRow]:
    computing = each * shard_seconds
    for count in workers:
        parts = parts_of(count, each)
        # A reduce-scatter of each part, and an all-gather of the sum.
        sent = (parts + 1) * (count - 1) / count * size
        waited = messages(count) * link.latency
        adding = sent / link.bytes_per_second + waited
        step = computing + adding
        left = computing * (1 / AIM - 1) - waited
        samples = count * each * batch
        yield ScalingRow(
            workers=count,
            shards=count * each,
            batch=samples,
            parts=parts,
            sum_seconds=adding,
            step_seconds=step,
            samples_per_second=samples / step,
            computing=computing / step,
            needed=8 * sent / link.efficiency / left if left > 0 else None,
        )


def messages(workers: int) -> int:
    """How many messages follow one another in a sum: recursive halving, and doubling.

    >>> messages(8), messages(9), messages(1)
    (6, 8, 0)
    """
    return 2 * (workers - 1).bit_length()

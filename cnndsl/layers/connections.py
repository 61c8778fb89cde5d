"""A convolution with a table of connections: each filter sees some of the channels, not all.

Only the kernels of the table exist, one behind the other; for ONNX's `Conv` they are put among
zeros. LeNet-5's C3 is such a layer (LeCun et al. 1998, table I).
"""

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar

from cnndsl.diagnostics.words import count
from cnndsl.layers.base import ShapeFault, Weight
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.lowering import Builder

__all__ = ["Connections", "connection_faults", "dense_kernels", "table_kernels"]

V = TypeVar("V")

Connections: TypeAlias = tuple[tuple[int, ...], ...]
"""For each filter the input channels that it sees, counted from 0."""


def connection_faults(
    table: Connections, channels: int, filters: int, groups: int
) -> Iterator[ShapeFault]:
    """What is wrong with a table for so many input channels and filters."""
    if groups > 1:
        yield _fault(
            "`table` and `groups` both say which channels a filter sees",
            "leave `groups` out: the table says it for each filter",
            "groups",
        )
    if len(table) != filters:
        yield _fault(
            f"the table has {count(len(table), 'row')}, and the layer {count(filters, 'filter')}",
            f"write {count(filters, 'row')}, one for each filter: the channels that it sees",
        )
    for at, row in enumerate(table):
        beyond = [channel for channel in row if channel >= channels]
        if beyond:
            yield _fault(
                f"row {at + 1} of the table names channel {beyond[0]}, and the input has"
                f" {channels}: 0 to {channels - 1}",
                f"name channels from 0 to {channels - 1}",
            )
            return
        twice = [channel for channel in row if row.count(channel) > 1]
        if twice:
            yield _fault(
                f"row {at + 1} of the table names channel {twice[0]} twice",
                "name each channel once in a row",
            )
            return


def _fault(message: str, help: str, *also: str) -> ShapeFault:
    return ShapeFault(FaultKind.CONNECTIONS, message, blame=("table", *also), help=help)


def table_kernels(table: Connections, channels: int, dense: Weight) -> Weight:
    """The kernels of a table's connections, in its order, instead of those of all.

    Each filter has fans of its own: it sums over as many channels as it sees.
    """
    sizes, total = dense.shape[2:], sum(map(len, table))
    cells = math.prod(sizes)
    reached = total / channels * cells
    rows = tuple((len(row) * cells, reached) for row in table for _ in row)
    fans = (total / len(table) * cells, reached)
    shape = (total, *sizes)
    # A filter has several rows: its units stand along no axis.
    return Weight("weight", shape, dense.init, fans=fans, unit_axis=None, row_fans=rows)


def dense_kernels(
    emit: Builder[V], kernels: V, table: Connections, channels: int, sizes: Sequence[int]
) -> V:
    """Kernels for all filters and channels, with zeros where the table has no connection."""
    rank = len(sizes)
    places = [sum(map(len, table))] * (
        len(table) * channels
    )  # The row behind the last is of zeros.
    connections = ((at, channel) for at, row in enumerate(table) for channel in row)
    for number, (at, channel) in enumerate(connections):
        places[at * channels + channel] = number
    around = [0] * (rank + 1) + [1] + [0] * rank
    padded = emit.op("Pad", kernels, emit.constant(around))
    chosen = emit.op("Gather", padded, emit.constant(places), axis=0)
    return emit.op("Reshape", chosen, emit.constant([len(table), channels, *sizes]))

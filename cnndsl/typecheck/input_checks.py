"""Finds inputs whose sizes are those of another library: height x width x channels, or a batch.

Nothing is wrong with such a spec by itself: 224x224x3 are 224 channels of 224x3. So these are
warnings, and only where the numbers hardly mean what they say. A volume of few slices, a
spectrogram or a signal of many sensors is what it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Severity
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.network import InputNode, LayerNode, Network
from cnndsl.syntax.ast import Input
from cnndsl.types import DType

__all__ = ["channels_first", "input_problems"]

_CHANNELS = 4
"""Pictures have at most so many channels: grey, with alpha, RGB, RGBA."""

_SIDE = 8
"""And are at least so many cells wide and high."""

_SAMPLES = 100
"""A signal is at least so many times longer than it has channels, to be told from features."""


def input_problems(network: Network, *, failed: bool = False) -> Iterator[Diagnostic]:
    """Warn of inputs that have their channels last, or state a batch.

    Where the network ``failed``, a batch is no news: a kernel has too few sizes then.
    """
    for position, node in enumerate(network.nodes):
        if not isinstance(node, InputNode) or node.type.dtype is not DType.FLOAT32:
            continue
        if _has_batch(node.type.dims) and not _is_volume(network, position):
            if not failed:
                yield _batch(network, node, node.type.dims[1:])
        elif picture := channels_first(network, position, node):
            yield _order(network, node, picture)


def channels_first(network: Network, position: int, node: InputNode) -> tuple[int, ...]:
    """The sizes of an input with its channels first, where they stand last; empty where not."""
    if all(reader.layer.keyword == "flatten" for reader in _readers(network, position)):
        return ()
    return _reordered(node.type.dims, volume=_is_volume(network, position))


def _readers(network: Network, position: int) -> Iterator[LayerNode]:
    nodes = (node for node in network.nodes if isinstance(node, LayerNode))
    return (node for node in nodes if position in node.inputs)


def _is_volume(network: Network, position: int) -> bool:
    readers = _readers(network, position)
    return any(len(getattr(reader.layer, "kernel", ())) == 3 for reader in readers)


def _has_batch(dims: tuple[int, ...]) -> bool:
    """Whether these are rather a batch of pictures than a volume with a depth of 1 or 3."""
    if len(dims) != 4 or min(dims[2:]) < _SIDE:
        return False
    batch, channels = dims[:2]
    return channels == 1 or (channels == 3 and batch not in (2, 3))


def _reordered(dims: tuple[int, ...], *, volume: bool) -> tuple[int, ...]:
    """The sizes with the channels first, where they stand last; empty where they hardly do."""
    *sides, last = dims
    if len(dims) == 2:
        return (last, *sides) if last < _CHANNELS and sides[0] >= _SAMPLES * last else ()
    if not 3 <= len(dims) <= 4 or last > _CHANNELS or min(sides[-2:]) < _SIDE:
        return ()
    if sides[-1] != sides[-2] and (last != 3 or min(sides[-2:]) < 2 * _SIDE):
        return ()
    if len(dims) == 4 and sides[0] == 1 and last in (1, 3) and not volume:
        sides = sides[1:]
    if len(sides) == 3 and sides[0] <= _CHANNELS:
        # Few channels stand first: a volume that is not deep.
        return ()
    return (last, *sides)


# --- in words ---------------------------------------------------------------------------------


def _order(network: Network, node: InputNode, right: tuple[int, ...]) -> Diagnostic:
    dims = node.type.dims
    better = _written(right)
    places = _written(dims[1:])
    order = {1: "length", 2: "height x width", 3: "depth x height x width"}[len(dims) - 1]
    help = f"write `{better}` for {count(right[0], 'channel')}"
    if len(right) == 4:
        help += f", or `{_written((right[0], *right[2:]))}` if {right[1]} is the batch"
    return _warning(
        network,
        node,
        "CNN311",
        f"`{node.type}` is {count(dims[0], 'channel')} of {places}: the order is channels"
        f" x {order}",
        help,
        better,
    )


def _batch(network: Network, node: InputNode, right: tuple[int, ...]) -> Diagnostic:
    dims = node.type.dims
    return _warning(
        network,
        node,
        "CNN312",
        f"`{node.type}` is {count(dims[0], 'channel')} of depth {dims[1]}: the batch is not"
        " written",
        f"write `{_written(right)}` for pictures; a spec holds for batches of any size",
        _written(right),
    )


def _warning(
    network: Network, node: InputNode, code: str, message: str, help: str, better: str
) -> Diagnostic:
    span = _sizes(network, node)
    fixes: tuple[Fix, ...] = ()
    if span.text == str(node.type):
        fixes = (Fix(f"write `{better}`", (Edit(span, better),)),)
    return Diagnostic(code, message, span, help=help, fixes=fixes, severity=Severity.WARNING)


def _written(dims: tuple[int, ...]) -> str:
    return "x".join(map(str, dims))


def _sizes(network: Network, node: InputNode) -> Span:
    """Where the sizes stand in the input's statement."""
    for statement in network.module.statements:
        if isinstance(statement, Input) and statement.span == node.span and statement.arguments:
            return statement.arguments[0].span
    return node.span

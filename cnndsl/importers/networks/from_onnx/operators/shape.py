"""Operators that put numbers in other places: shapes, orders, parts, joins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.translator import Translator, Unsaid, operator
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = [
    "blocks",
    "cast",
    "concat",
    "dropout",
    "expand",
    "gather",
    "pad",
    "parts",
    "passed_on",
    "reshape",
    "slices",
    "split",
    "stretched",
    "transpose",
]

_LARGE = 2**31 - 1


@operator("Identity")
def passed_on(t: Translator, node: OnnxNode) -> None:
    """What changes nothing."""
    t.give(t.stream())


@operator("Cast", "CastLike")
def cast(t: Translator, node: OnnxNode) -> None:
    """Another type for the same numbers; one that cannot hold them all changes them."""
    from onnx import TensorProto

    kind = t.attribute("to", t.graph.types.get(node.outputs[0], TensorProto.UNDEFINED))
    name = TensorProto.DataType.Name(kind)
    if name not in _FLOATS and not t.type().is_tokens:
        raise Unsaid(f"it makes {name.lower()} of numbers, which no layer does")
    if name not in _INTEGERS and t.type().is_tokens:
        raise Unsaid("it makes numbers of token ids, which `embedding` alone does")
    t.give(t.stream())


_FLOATS = ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE")
_INTEGERS = ("INT32", "INT64")


@operator("Dropout")
def dropout(t: Translator, node: OnnxNode) -> None:
    """Nothing when a network answers; it stays, for whoever trains it on."""
    if t.has(2) and bool(t.constant(2)):
        raise Unsaid("it drops at random, as in training")
    if len(node.outputs) > 1 and node.outputs[1] in t.graph.readers():
        raise Unsaid("its mask is read")
    ratio = t.constant(1)
    rate = float(t.attribute("ratio", 0.5) if ratio is None else ratio.reshape(-1)[0])
    return t.single("dropout", {"rate": rate}) if 0 < rate < 1 else t.give(t.stream())


@operator("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def reshape(t: Translator, node: OnnxNode) -> None:
    """Other sizes for the numbers of each sample."""
    shape = t.graph.shapes.get(node.outputs[0])
    if shape is None:
        raise Unsaid("the shape that it gives is computed from numbers that are not known")
    if len(shape) < 2 or shape[0] != t.graph.batch:
        raise Unsaid("it mixes samples of a batch, or leaves no first dimension for them")
    t.give(t.reshaped(t.stream(), shape[1:]))


@operator("Transpose")
def transpose(t: Translator, node: OnnxNode) -> None:
    """Another order of the dimensions, the batch first."""
    rank = len(t.type().dims) + 1
    order = [int(one) for one in t.attribute("perm", [*range(rank)][::-1])]
    if order[0] != 0:
        raise Unsaid("it moves the batch away from the first dimension")
    t.give(t.transposed(t.stream(), [one - 1 for one in order[1:]]))


@operator("Concat")
def concat(t: Translator, node: OnnxNode) -> None:
    """Streams side by side; along another dimension than the channels between transposes."""
    streams = [t.stream(at) for at in range(len(node.inputs))]
    axis = t.axis(int(t.attribute("axis", 1)))
    if len(streams) == 1:
        return t.give(streams[0])
    order = [*range(len(t.type().dims))]
    order[0], order[axis] = axis, 0
    made = t.add("concat", [t.transposed(one, order) for one in streams])
    return t.give(t.transposed(made, order))


@operator("Split")
def split(t: Translator, node: OnnxNode) -> None:
    """The parts of a stream."""
    source = t.type()
    axis = t.axis(int(t.attribute("axis", 0)))
    whole, count = source.dims[axis], len(node.outputs)
    sizes = t.numbers(1, "split") or _equal_parts(whole, count)
    if count == 1:
        return t.give(t.stream())
    parts: int | tuple[int, ...] = count if len(set(sizes)) == 1 else tuple(sizes)
    values = t.builder.add(
        "split",
        [t.stream()],
        {"parts": parts, "axis": _axis_name(source, axis)},
        place=node.place,
        what=node.what(),
    )
    for at, value in enumerate(values):
        if node.outputs[at]:
            t.give(value, at)
    return None


def _axis_name(source: TensorType, axis: int) -> str:
    if axis >= len(source.axes):
        raise Unsaid("its input has more dimensions than have names")
    return source.axes[axis]


def _equal_parts(whole: int, count: int) -> list[int]:
    """As equal as they can be, the last one smaller."""
    size = -(-whole // count)
    return [size] * (count - 1) + [whole - size * (count - 1)]


@operator("Slice")
def slices(t: Translator, node: OnnxNode) -> None:
    """Parts along some dimensions; along the places of a map a crop."""
    source = t.type()
    starts, ends = t.numbers(1, "starts") or [], t.numbers(2, "ends") or []
    axes = t.numbers(3, "axes") or [*range(len(starts))]
    steps = t.numbers(4) or [1] * len(starts)
    taken: dict[int, range] = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        rank = len(source.dims) + 1
        if axis % rank == 0:
            whole = range(t.graph.batch)[slice(start, min(end, _LARGE), step)]
            if len(whole) != t.graph.batch:
                raise Unsaid("it takes some samples of a batch")
            continue
        inside = t.axis(axis)
        if step < 1:
            raise Unsaid("it goes backwards")
        taken[inside] = range(source.dims[inside])[slice(start, min(end, _LARGE), step)]
    t.give(parts(t, t.stream(), taken))


def parts(t: Translator, value: str, taken: dict[int, range]) -> str:
    """The parts of a stream along its dimensions."""
    dims = t.type_of(value).dims
    taken = {axis: one for axis, one in taken.items() if one != range(dims[axis])}
    if any(not len(one) for one in taken.values()):
        raise Unsaid("it takes nothing")
    spatial = {axis: one for axis, one in taken.items() if axis > 0}
    if len(spatial) > 1 and all(one.step == 1 for one in spatial.values()):
        whole = [taken.get(axis, range(dims[axis])) for axis in range(1, len(dims))]
        settings: dict[str, Value] = {
            "size": tuple(map(len, whole)),
            "offset": tuple(one.start for one in whole),
        }
        value = t.add("crop", [value], settings)
        taken = {axis: one for axis, one in taken.items() if axis == 0}
    for axis, one in sorted(taken.items()):
        name = _axis_name(t.type_of(value), axis)
        settings = {"places": range(one.start, one[-1] + 1), "axis": name, "step": one.step}
        value = t.add("slice", [value], settings)
    return value


@operator("Gather")
def gather(t: Translator, node: OnnxNode) -> None:
    """Rows of a constant table are an embedding; single places of a stream a slice."""
    if t.is_constant(0):
        return _embedded(t, node)
    index = t.constant(1)
    assert index is not None
    axis = t.axis(int(t.attribute("axis", 0)))
    dims = t.type().dims
    places = [int(one) % dims[axis] for one in index.reshape(-1)]
    if index.ndim > 1 or not _is_regular(places):
        raise Unsaid("it takes places in no regular order")
    step = places[1] - places[0] if len(places) > 1 else 1
    value = parts(t, t.stream(), {axis: range(places[0], places[-1] + 1, step)})
    if index.ndim:
        return t.give(value)
    return t.give(t.reshaped(value, [size for at, size in enumerate(dims) if at != axis]))


def _is_regular(places: Sequence[int]) -> bool:
    steps = {two - one for one, two in pairwise(places)}
    return bool(places) and len(steps) <= 1 and min(steps, default=1) > 0


def _embedded(t: Translator, node: OnnxNode) -> None:
    table = t.weight(0)
    if table.ndim != 2 or int(t.attribute("axis", 0)) != 0:
        raise Unsaid("it picks numbers of a constant, which `embedding` alone does, by rows")
    tokens = t.stream(1)
    if not t.type_of(tokens).is_tokens:
        raise Unsaid("it picks by numbers that are computed")
    size = table.shape[1]
    made = t.add("embedding", [tokens], {"size": size}, weights={"weight": table}, shared=[0])
    rank = len(t.type_of(made).dims)
    t.give(t.transposed(made, [*range(1, rank), 0]))


@operator("Pad")
def pad(t: Translator, node: OnnxNode) -> None:
    """Cells around maps, and channels."""
    source = t.type()
    rank = len(source.dims) + 1
    pads = t.numbers(1, "pads") or []
    axes = t.numbers(3) or [*range(rank)]
    half = len(pads) // 2
    sides = {axis % rank: (pads[at], pads[at + half]) for at, axis in enumerate(axes)}
    if any(sides.get(0, ())):
        raise Unsaid("it adds samples to a batch")
    mode = t.attribute("mode", b"constant").decode()
    if mode not in ("constant", "reflect", "edge"):
        raise Unsaid(f"`pad` has no mode {mode}")
    filled = t.constant(2)
    value = t.attribute("value", 0.0) if filled is None else filled.reshape(-1)[0]
    inner = [sides.get(at, (0, 0)) for at in range(1, rank)]
    stream = t.stream()
    if any(one < 0 for side in inner for one in side):
        cut = {
            at: range(max(0, -low), source.dims[at] - max(0, -high))
            for at, (low, high) in enumerate(inner)
        }
        stream = parts(t, stream, cut)
        inner = [(max(0, low), max(0, high)) for low, high in inner]
    if not any(one for side in inner for one in side):
        return t.give(stream)
    channels, *spatial = inner
    settings: dict[str, Value] = {"mode": mode, "channels": channels}
    if mode == "constant":
        settings["value"] = float(value)
    if spatial:
        settings["padding"] = (*(low for low, _ in spatial), *(high for _, high in spatial))
    return t.give(t.add("pad", [stream], settings))


@operator("DepthToSpace", "SpaceToDepth")
def blocks(t: Translator, node: OnnxNode) -> None:
    """Blocks of cells as channels, and back."""
    order = "crd" if t.attribute("mode", b"DCR") == b"CRD" else "dcr"
    settings: dict[str, Value] = {"block": int(t.attribute("blocksize", 1)), "order": order}
    t.single(node.op.lower(), settings)


@operator("Expand")
def expand(t: Translator, node: OnnxNode) -> None:
    """A map of one place over many."""
    shape = t.graph.shapes.get(node.outputs[0])
    if shape is None or shape[0] != t.graph.batch:
        raise Unsaid("the shape that it gives is not known")
    t.give(stretched(t, t.stream(), shape[1:]))


def stretched(t: Translator, value: str, dims: Sequence[int]) -> str:
    """A value whose places, one along each dimension, are copied over larger maps."""
    own = t.type_of(value).dims
    if own == tuple(dims):
        return value
    if len(own) < len(dims) and math.prod(own) == own[0] and own[0] == dims[0]:
        value = t.reshaped(value, [own[0], *[1] * (len(dims) - 1)])
        own = t.type_of(value).dims
    if len(own) == len(dims) > 1 and own[0] == 1 < dims[0]:
        # One map for all channels: these are made places, copied, and channels again.
        order = [1, 0, *range(2, len(dims))]
        front = t.transposed(stretched(t, value, (1, *dims[1:])), order)
        wide = t.add("upsample", [front], {"size": (dims[0], *dims[2:])})
        return t.transposed(wide, order)
    alike = len(own) == len(dims) and own[0] == dims[0]
    if not alike or any(one not in (1, two) for one, two in zip(own[1:], dims[1:], strict=True)):
        sizes = " and ".join("x".join(map(str, one)) for one in (own, dims))
        raise Unsaid(f"its inputs have different shapes that no layer stretches: {sizes}")
    return t.add("upsample", [value], {"size": tuple(dims[1:])})

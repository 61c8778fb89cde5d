"""Says Caffe's layers that move numbers: joins, parts, other orders and sizes."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from cnndsl.importers.networks.caffe.converter import Converter, says
from cnndsl.importers.networks.caffe.dataflow import Use
from cnndsl.importers.networks.caffe.fields import Fields

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__: list[str] = []


@says("concat_param", "Concat")
def _concat(converter: Converter, use: Use, fields: Fields) -> None:
    axis = converter.axis(use, fields.whole("axis", fields.whole("concat_dim", 1)))
    if len(use.inputs) == 1:
        converter.alias(use)
    elif axis == 0:
        converter.add(use, "concat")
    elif axis < 0:
        converter.refuse(use, "it joins along the batch")
    else:
        # `concat` joins channels: the dimension takes their place, and goes back.
        kind = converter.type_of(use.inputs[0])
        dims = len(kind.dims) if kind is not None else 3
        order: list[Value] = list(range(dims))
        order[0], order[axis] = axis, 0
        turn = {"order": tuple(order)}
        turned = [
            converter.add(use, "transpose", turn, inputs=[converter.ours(one)], last=False)
            for one in use.inputs
        ]
        joined = converter.add(use, "concat", inputs=turned, last=False)
        converter.add(use, "transpose", turn, inputs=[joined])


@says("slice_param", "Slice")
def _slice(converter: Converter, use: Use, fields: Fields) -> None:
    axis = converter.axis(use, fields.whole("axis", fields.whole("slice_dim", 1)))
    points = fields.wholes("slice_point")
    kind = converter.type_of(use.inputs[0])
    if len(use.outputs) == 1:
        converter.alias(use)
        return
    if kind is None:
        converter.behind(use)
        return
    if axis < 0:
        converter.refuse(use, "it cuts the batch in parts")
        return
    count, size = len(use.outputs), kind.dims[axis]
    if points and len(points) != count - 1:
        converter.refuse(use, f"{len(points)} slice points for {count} blobs")
        return
    edges = [0, *(points or [size * part // count for part in range(1, count)]), size]
    parts = tuple(end - begin for begin, end in pairwise(edges))
    settings: dict[str, Value] = {"parts": parts if points else count}
    if axis:
        settings["axis"] = kind.axes[axis]
    layer = use.layer
    values = converter.network.add(
        "split",
        [converter.ours(use.inputs[0])],
        settings,
        outputs=[f"{layer.name}:{out}" for out in use.outputs],
        label=layer.name,
        place=layer.place,
        what=layer.what,
    )
    for output, value in zip(use.outputs, values, strict=True):
        converter.set(output, value)


@says("", "Split")
def _split(converter: Converter, use: Use, fields: Fields) -> None:
    """The blob itself, for several readers."""
    converter.alias(use)


@says("flatten_param", "Flatten")
def _flatten(converter: Converter, use: Use, fields: Fields) -> None:
    first, last = fields.whole("axis", 1), fields.whole("end_axis", -1)
    kind = converter.type_of(use.inputs[0])
    if kind is None:
        converter.add(use, "flatten")
        return
    begin, end = converter.axis(use, first), converter.axis(use, last)
    if begin < 0 or end < begin:
        converter.refuse(use, "it flattens the batch too")
    elif len(kind.dims) == 1:
        converter.alias(use)
    elif (begin, end) == (0, len(kind.dims) - 1):
        if len(kind.dims) > 1:
            converter.add(use, "flatten")
    else:
        dims = (*kind.dims[:begin], math.prod(kind.dims[begin : end + 1]), *kind.dims[end + 1 :])
        converter.add(use, "reshape", {"shape": dims})


@says("reshape_param", "Reshape")
def _reshape(converter: Converter, use: Use, fields: Fields) -> None:
    wanted = fields.inner("shape").wholes("dim")
    axis, count = fields.whole("axis", 0), fields.whole("num_axes", -1)
    kind = converter.type_of(use.inputs[0])
    if kind is None:
        converter.behind(use)
        return
    # A batch of 1 stands for any: what the layer makes of it is not to hang on it.
    dims = [1, *kind.dims]
    first = axis if axis >= 0 else len(dims) + axis + 1
    behind = dims[first + count :] if count >= 0 else []
    middle = dims[first : first + count] if count >= 0 else dims[first:]
    if any(one == 0 and at >= len(middle) for at, one in enumerate(wanted)):
        converter.refuse(use, "a 0 in its shape copies a size that its input does not have")
        return
    made = [middle[at] if one == 0 else one for at, one in enumerate(wanted)]
    known = math.prod(one for one in made if one != -1)
    if -1 in made:
        rest = math.prod(middle)
        if known == 0 or rest % known:
            converter.refuse(use, f"{rest} numbers do not make rows of {known}")
            return
        made[made.index(-1)] = rest // known
    shape = [*dims[:first], *made, *behind]
    keeps = first > 0 or (wanted[:1] in ([0], [-1]) and shape[0] == 1) or shape[0] == 1
    if not keeps or math.prod(shape[1:]) != kind.elements or len(shape) < 2:
        converter.refuse(use, "it makes a part of the batch a part of a sample, or the reverse")
        return
    target = tuple(shape[1:])
    if target == kind.dims:
        converter.alias(use)
    elif len(target) == 1:
        converter.add(use, "flatten")
    else:
        converter.add(use, "reshape", {"shape": target})


@says("crop_param", "Crop")
def _crop(converter: Converter, use: Use, fields: Fields) -> None:
    kind, like = (converter.type_of(one) for one in use.inputs[:2])
    axis, offsets = fields.whole("axis", 2), fields.wholes("offset")
    if kind is None or like is None:
        converter.behind(use)
        return
    first = converter.axis(use, axis)
    if first < 0:
        converter.refuse(use, "it crops the batch")
        return
    spread = offsets if len(offsets) != 1 else offsets * (len(kind.dims) - first)
    spread = spread or [0] * (len(kind.dims) - first)
    if len(spread) != len(kind.dims) - first or len(like.dims) != len(kind.dims):
        converter.refuse(use, f"{len(offsets)} offsets for the dimensions of {kind}")
        return
    source = converter.ours(use.inputs[0])
    if first == 0:
        begin, width = spread.pop(0), like.channels
        if width != kind.channels:
            part: dict[str, Value] = {"places": range(begin, begin + width)}
            source = converter.add(use, "slice", part, inputs=[source], last=False)
        first = 1
    fixed = kind.spatial[: first - 1]
    size = (*fixed, *like.spatial[first - 1 :])
    if size == kind.spatial and source == converter.ours(use.inputs[0]):
        converter.alias(use)
        return
    offset = (*(0 for _ in fixed), *spread)
    converter.add(use, "crop", {"size": size, "offset": offset}, inputs=[source])


@says("permute_param", "Permute")
def _permute(converter: Converter, use: Use, fields: Fields) -> None:
    order = fields.wholes("order")
    kind = converter.type_of(use.inputs[0])
    dims = len(kind.dims) + 1 if kind is not None else 4
    order += [axis for axis in range(dims) if axis not in order]
    if order[0] != 0:
        converter.refuse(use, "it moves the batch")
    elif order == sorted(order):
        converter.alias(use)
    else:
        converter.add(use, "transpose", {"order": tuple(axis - 1 for axis in order[1:])})


@says("shuffle_channel_param", "ShuffleChannel")
def _shuffle(converter: Converter, use: Use, fields: Fields) -> None:
    converter.add(use, "channelshuffle", {"groups": fields.whole("group", 1)})


@says("pixelshuffle_param", "PixelShuffle")
def _pixel_shuffle(converter: Converter, use: Use, fields: Fields) -> None:
    converter.add(use, "depthtospace", {"block": fields.whole("upscale_factor")})


@says("upsample_param", "Upsample")
def _upsample(converter: Converter, use: Use, fields: Fields) -> None:
    if len(use.inputs) > 1:
        fields.ignore("scale", "scale_h", "scale_w", "pad_out_h", "pad_out_w")
        fields.ignore("upsample_h", "upsample_w")
        why = "it spreads numbers to the places of a pooling's maxima: write `unpool LABEL`"
        converter.refuse(use, why)
        return
    fields.ignore("dims_num")
    converter.add(use, "upsample", {"factor": (fields.whole("scale", 1),)})


@says("interp_param", "Interp")
def _interpolate(converter: Converter, use: Use, fields: Fields) -> None:
    """The layer of DeepLab's fork: bilinear, with corners on corners."""
    kind = converter.type_of(use.inputs[0])
    edges = fields.whole("pad_beg", 0), fields.whole("pad_end", 0)
    zoom, shrink = fields.whole("zoom_factor", 1), fields.whole("shrink_factor", 1)
    height, width = fields.whole("height", 0), fields.whole("width", 0)
    if kind is None:
        converter.behind(use)
        return
    if len(kind.spatial) != 2 or any(edges) or len(use.inputs) > 1:
        converter.refuse(use, "`upsample` takes feature maps, whole, to a size or by a factor")
        return
    sizes = []
    for side in kind.spatial:
        small = (side - 1) // shrink + 1
        sizes.append(small + (small - 1) * (zoom - 1))
    size = (height, width) if height and width else tuple(sizes)
    settings: dict[str, Value] = {"size": size, "mode": "bilinear", "align_corners": True}
    converter.add(use, "upsample", settings)

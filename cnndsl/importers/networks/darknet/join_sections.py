"""Says Darknet's sections that join others, or move numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.importers.networks.darknet.cfg import Section, fault
from cnndsl.importers.networks.darknet.converter import Converter, says

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__: list[str] = []


@says("route")
def _route(converter: Converter, section: Section) -> None:
    numbers = section.wholes("layers")
    if not numbers:
        raise fault(section.span, "`[route]` has no `layers`", "write `layers=-1,-7`")
    values = [converter.at(section, "layers", one) for one in numbers]
    groups, group = section.whole("groups", 1), section.whole("group_id", 0)
    if section.flag("stream", default=False):
        converter.refuse(section, "no layer does that", "`stream`")
        return
    if groups > 1:
        values = [_group(converter, section, one, groups, group) for one in values]
    converter.give(
        values[0] if len(values) == 1 else converter.add(section, "concat", inputs=values)
    )


def _group(converter: Converter, section: Section, value: str, groups: int, group: int) -> str:
    """One of several equal parts of a value's channels."""
    kind = converter.network.type_of(value)
    width = kind.channels // groups if kind is not None else 1
    places = range(group * width, group * width + width)
    return converter.add(section, "slice", {"places": places}, inputs=[value])


@says("shortcut")
def _shortcut(converter: Converter, section: Section) -> None:
    numbers = section.wholes("from")
    if not numbers:
        raise fault(section.span, "`[shortcut]` has no `from`", "write `from=-3`")
    if section.text("weights_type", "none") != "none":
        converter.refuse(section, "`add` weighs no stream", "`weights_type`")
        return
    section.ignore("weights_normalization")
    for name in ("alpha", "beta"):
        if section.number(name, 1.0) != 1:
            converter.refuse(section, "`add` weighs no stream", f"`{name}`")
            return
    values = [converter.at(section, "from", one) for one in numbers]
    fitted = [_fitted(converter, section, one) for one in values]
    if any(one is None for one in fitted):
        converter.refuse(section, "its stream is smaller: it is added to every second cell only")
        return
    streams = [converter.current, *(one for one in fitted if one)]
    activated = converter.activated(
        section, converter.add(section, "add", inputs=streams), "linear"
    )
    if activated is not None:
        converter.give(activated)


def _fitted(converter: Converter, section: Section, value: str) -> str | None:
    """A shortcut's stream in the sizes of the current one; None where there is no way.

    As ``shortcut_cpu`` does: every second cell of one twice as large, and its first cells; maps of
    zeros for those that it lacks, and no others than there are here (``blas.c``).
    """
    kind, here = converter.network.type_of(value), converter.type()
    if kind is None or here is None or kind == here:
        return value
    if len(kind.spatial) != 2 or len(here.spatial) != 2:
        return value
    if any(its < mine for its, mine in zip(kind.spatial, here.spatial, strict=True)):
        return None
    strides = tuple(its // mine for its, mine in zip(kind.spatial, here.spatial, strict=True))
    if len({*strides}) > 1:
        return None
    cells: tuple[int, ...] = kind.spatial
    if strides[0] > 1:
        window: dict[str, Value] = {"kernel": (1, 1), "stride": strides, "rounding": "floor"}
        value = converter.add(section, "maxpool", window, inputs=[value])
        cells = tuple(-(-its // step) for its, step in zip(cells, strides, strict=True))
    if cells != here.spatial:
        first: dict[str, Value] = {"size": here.spatial, "offset": (0, 0)}
        value = converter.add(section, "crop", first, inputs=[value])
    more = here.channels - kind.channels
    if more > 0:
        value = converter.add(section, "pad", {"channels": (0, more)}, inputs=[value])
    elif more < 0:
        value = converter.add(section, "slice", {"places": range(here.channels)}, inputs=[value])
    return value


@says("scale_channels")
def _scale_channels(converter: Converter, section: Section) -> None:
    """Squeeze and excitation: a number for each channel of another section's maps."""
    if section.flag("scale_wh", default=False):
        converter.refuse(
            section, "`multiply` stretches a vector over maps, not a map over channels"
        )
        return
    maps = converter.at(section, "from", section.whole("from", -1))
    gate = converter.flat(section, converter.current)
    product = converter.add(section, "multiply", inputs=[maps, gate])
    activated = converter.activated(section, product, "linear")
    if activated is not None:
        converter.give(activated)


@says("sam")
def _sam(converter: Converter, section: Section) -> None:
    other = converter.at(section, "from", section.whole("from", -1))
    product = converter.add(section, "multiply", inputs=[converter.current, other])
    activated = converter.activated(section, product, "linear")
    if activated is not None:
        converter.give(activated)


@says("upsample")
def _upsample(converter: Converter, section: Section) -> None:
    factor, scale = section.whole("stride", 2), section.number("scale", 1.0)
    if factor < 0:
        settings: dict[str, Value] = {"kernel": (-factor, -factor), "rounding": "floor"}
        value = converter.add(section, "sumpool", settings)
    else:
        value = converter.add(section, "upsample", {"factor": (factor, factor)})
    converter.give(converter.times(section, value, scale))


@says("reorg")
def _reorg(converter: Converter, section: Section) -> None:
    """Blocks of cells as channels, in an order of its own (``reorg_cpu`` in ``blas.c``).

    It reads its input as if that had fewer channels and larger maps.
    """
    stride = section.whole("stride", 1)
    if stride < 1:
        raise fault(section.span_of("stride"), "`stride` is at least 1")
    unsaid = [name for name in ("reverse", "flatten", "extra") if section.flag(name, default=False)]
    kind = converter.type()
    if kind is None:
        converter.give(converter.add(section, "identity"))
        return
    if unsaid or len(kind.spatial) != 2:
        converter.refuse(
            section, "its order of numbers is that of no layer", f"`{unsaid[0]}`" if unsaid else ""
        )
        return
    channels, (height, width) = kind.channels, kind.spatial
    if channels % (stride * stride) or height % stride or width % stride:
        converter.refuse(section, f"blocks of {stride}x{stride} do not fit into {kind}")
        return
    larger = (channels // stride**2, height * stride, width * stride)
    value = converter.add(section, "reshape", {"shape": larger})
    blocks: dict[str, Value] = {"block": stride, "order": "dcr"}
    value = converter.add(section, "spacetodepth", blocks, inputs=[value])
    target = (channels * stride**2, height // stride, width // stride)
    converter.give(converter.add(section, "reshape", {"shape": target}, inputs=[value]))


@says("reorg3d")
def _reorg3d(converter: Converter, section: Section) -> None:
    """Bochkovskiy's reorg, which counts as others do."""
    blocks: dict[str, Value] = {"block": section.whole("stride", 1), "order": "dcr"}
    converter.give(converter.add(section, "spacetodepth", blocks))


@says("crop")
def _crop(converter: Converter, section: Section) -> None:
    height, width = section.whole("crop_height", 1), section.whole("crop_width", 1)
    section.ignore("angle", "saturation", "exposure", "shift", "flip")
    kind = converter.type()
    if not section.flag("noadjust", default=False) and converter.index > 0:
        why = "it makes 2x - 1 of each number, which only an input's `scale` and `mean` do"
        converter.refuse(section, why, "`[crop]` without `noadjust`")
        return
    if kind is not None and kind.spatial == (height, width):
        converter.give(converter.current)
        return
    converter.note(section, "`[crop]` cuts at random places in training; `crop` cuts the middle")
    converter.give(converter.add(section, "crop", {"size": (height, width)}))


@says("empty", "silence")
def _empty(converter: Converter, section: Section) -> None:
    """It gives what its input is (Bochkovskiy)."""
    converter.give(converter.current)

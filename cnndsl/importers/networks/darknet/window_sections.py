"""Says Darknet's sections with windows: convolutions in both directions, and pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.importers.networks.darknet.cfg import Section
from cnndsl.importers.networks.darknet.converter import Converter, says

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__: list[str] = []


def _padding(section: Section, size: int) -> int:
    """`pad=1` means half the kernel, whatever `padding` says."""
    padding = section.whole("padding", 0)
    return size // 2 if section.flag("pad", default=False) else padding


def _strides(section: Section) -> tuple[int, int]:
    stride = section.whole("stride", 1)
    return section.whole("stride_y", stride), section.whole("stride_x", stride)


_UNSAID = ("binary", "xnor", "bin_output", "antialiasing", "assisted_excitation", "deform", "sway",
           "rotate", "stretch", "stretch_sway", "coordconv", "grad_centr", "share_index",
           "sharpen", "train_only_bn_cbn")  # fmt: skip


@says("convolutional", "conv")
def _convolutional(converter: Converter, section: Section) -> None:
    size = section.whole("size", 1)
    normalizes = section.flag("batch_normalize", default=False)
    section.ignore("flipped")
    for name in _UNSAID:
        if section.flag(name, default=False):
            converter.refuse(section, "no convolution here does that", f"`{name}`")
            return
    padding = _padding(section, size)
    groups, filters = section.whole("groups", 1), section.whole("filters", 1)
    settings: dict[str, Value] = {
        "kernel": (size, size),
        "stride": _strides(section),
        "padding": (padding, padding),
        "dilation": (section.whole("dilation", 1),) * 2,
        "rounding": "floor",
        "bias": not normalizes,
    }
    kind = converter.type()
    if kind is not None and groups == kind.channels > 1 and filters % groups == 0:
        value = converter.add(section, "depthwise", {**settings, "multiplier": filters // groups})
    else:
        settings |= {"filters": filters, "groups": groups}
        value = converter.add(section, "conv", settings)
    converter.finish(section, value, normalizes=normalizes)


@says("deconvolutional", "deconv")
def _deconvolutional(converter: Converter, section: Section) -> None:
    size = section.whole("size", 1)
    normalizes = section.flag("batch_normalize", default=False)
    settings: dict[str, Value] = {
        "filters": section.whole("filters", 1),
        "kernel": (size, size),
        "stride": _strides(section),
        "padding": (_padding(section, size),) * 2,
        "bias": not normalizes,
    }
    value = converter.add(section, "upconv", settings)
    converter.finish(section, value, normalizes=normalizes)


@says("local")
def _local(converter: Converter, section: Section) -> None:
    size, stride = section.whole("size", 1), section.whole("stride", 1)
    pads = section.flag("pad", default=False)
    if pads and size != 3:
        why = f"`pad` is one cell there, and `size={size}` is taken for 3 in its output's size"
        converter.refuse(section, why)
        return
    settings: dict[str, Value] = {
        "filters": section.whole("filters", 1),
        "kernel": (size, size),
        "stride": (stride, stride),
        "padding": (int(pads),) * 2,
        "rounding": "floor",
    }
    converter.finish(section, converter.add(section, "localconv", settings), normalizes=False)


@says("maxpool", "max")
def _maxpool(converter: Converter, section: Section) -> None:
    """(W + padding - size)/stride + 1 cells, rounded down; `padding` is that of both sides."""
    stride = section.whole("stride", 1)
    size = section.whole("size", stride)
    padding = section.whole("padding", size - 1)
    for name in ("maxpool_depth", "antialiasing"):
        if section.flag(name, default=False):
            converter.refuse(section, "no pooling here does that", f"`{name}`")
            return
    strides = _strides(section)
    before = padding // 2
    kind = converter.type()
    behind = padding - before
    if kind is not None and len(kind.spatial) == 2 and min(strides) > 0:
        # A cell of padding that no window reaches need not be there.
        reached = [
            ((side + padding - size) // step) * step + size - before - side
            for side, step in zip(kind.spatial, strides, strict=True)
        ]
        ends = [max(0, min(behind, one)) for one in reached]
    else:
        ends = [behind, behind]
    settings: dict[str, Value] = {
        "kernel": (size, size),
        "stride": strides,
        "padding": (before, before, *ends),
        "rounding": "floor",
    }
    converter.give(converter.add(section, "maxpool", settings))


@says("avgpool", "avg")
def _avgpool(converter: Converter, section: Section) -> None:
    keep = not converter.wants_vector()
    converter.give(converter.add(section, "globalavgpool", {"keep": keep}))


@says("local_avgpool", "local_avg")
def _local_avgpool(converter: Converter, section: Section) -> None:
    stride = section.whole("stride", 1)
    size = section.whole("size", stride)
    padding = section.whole("padding", size - 1)
    if padding:
        why = "its padding is on both sides together, and whether it counts hangs on the version"
        converter.refuse(section, why)
        return
    settings: dict[str, Value] = {
        "kernel": (size, size),
        "stride": _strides(section),
        "rounding": "floor",
    }
    converter.give(converter.add(section, "avgpool", settings))

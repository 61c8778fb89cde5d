"""Says Caffe's layers with windows: convolutions in both directions, and pooling.

Convolutions drop what the stride leaves over, pooling takes one more window for it: it rounds up
(`pooling_layer.cpp`), unless `round_mode: FLOOR` says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.importers.networks.caffe.converter import Converter, says
from cnndsl.importers.networks.caffe.dataflow import Use
from cnndsl.importers.networks.caffe.fields import Fields
from cnndsl.importers.networks.caffe.fillers import filler

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__: list[str] = []

_ENGINES = ("engine", "force_nd_im2col")


def _sizes(fields: Fields, name: str, stem: str, rank: int, default: int | None) -> tuple[int, ...]:
    """One size for each dimension: `kernel_size`, once or for each, or `kernel_h`, `kernel_w`."""
    parts = [f"{stem}_h", f"{stem}_w"]
    if rank == 2 and any(fields.has(part) for part in parts):
        fields.wholes(name)
        return tuple(fields.whole(part, default) for part in parts)
    found = fields.wholes(name) or ([] if default is None else [default])
    if not found:
        raise fields.lacks(name)
    return tuple(found) if len(found) == rank else (found[0],) * rank


def _fills(converter: Converter, use: Use, fields: Fields, *, bias: bool) -> dict[str, Value]:
    """How kernels and biases begin, where that is said."""
    found: dict[str, Value] = {}
    if init := filler(converter, use, fields, "weight_filler"):
        found["init"] = init
    if not bias:
        fields.ignore("bias_filler")
    elif (start := filler(converter, use, fields, "bias_filler")) and start.value != 0:
        found["bias_init"] = start
    return found


def _filters(converter: Converter, use: Use, fields: Fields) -> dict[str, Value]:
    """What convolutions in both directions share."""
    rank = converter.rank(use)
    bias = fields.flag("bias_term", default=True)
    fields.ignore(*_ENGINES)
    return {
        "filters": fields.whole("num_output"),
        "kernel": _sizes(fields, "kernel_size", "kernel", rank, None),
        "stride": _sizes(fields, "stride", "stride", rank, 1),
        "padding": _sizes(fields, "pad", "pad", rank, 0),
        "dilation": _sizes(fields, "dilation", "dilation", rank, 1),
        "groups": fields.whole("group", 1),
        "bias": bias,
        **_fills(converter, use, fields, bias=bias),
    }


@says("convolution_param", "Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")
def _convolution(converter: Converter, use: Use, fields: Fields) -> None:
    if fields.whole("axis", 1) != 1:
        converter.refuse(use, "`axis` is not 1: convolutions here run over channels")
        return
    settings = _filters(converter, use, fields)
    kind = converter.type_of(use.inputs[0])
    if kind is not None and use.layer.type != "Convolution":
        settings["groups"] = kind.channels  # Of the forks that have a type for it.
    several = len(use.inputs) > 1
    if several:
        converter.refuse(use, f"one layer convolves {len(use.inputs)} blobs with the same weights")
        return
    groups, filters = settings["groups"], settings["filters"]
    assert isinstance(groups, int)
    assert isinstance(filters, int)
    if kind is not None and groups == kind.channels > 1 and filters % groups == 0:
        del settings["groups"], settings["filters"]
        settings["multiplier"] = filters // groups
        converter.add(use, "depthwise", {**settings, "rounding": "floor"})
        return
    converter.add(use, "conv", {**settings, "rounding": "floor"})


@says("convolution_param", "Deconvolution")
def _deconvolution(converter: Converter, use: Use, fields: Fields) -> None:
    if fields.whole("axis", 1) != 1:
        converter.refuse(use, "`axis` is not 1: convolutions here run over channels")
        return
    converter.add(use, "upconv", _filters(converter, use, fields))


@says("convolution_param", "Convolution3D", "Deconvolution3D")
def _volumes(converter: Converter, use: Use, fields: Fields) -> None:
    """The layer of C3D's fork, whose first dimension has parameters of its own."""
    bias = fields.flag("bias_term", default=True)
    fields.ignore(*_ENGINES)
    settings: dict[str, Value] = {
        "filters": fields.whole("num_output"),
        "kernel": _volume(fields, "kernel_size", "kernel_depth", None),
        "stride": _volume(fields, "stride", "temporal_stride", 1),
        "padding": _volume(fields, "pad", "temporal_pad", 0),
        "groups": fields.whole("group", 1),
        "bias": bias,
        **_fills(converter, use, fields, bias=bias),
    }
    if use.layer.type == "Deconvolution3D":
        converter.add(use, "upconv", settings)
    else:
        converter.add(use, "conv", {**settings, "rounding": "floor"})


@says("pooling_param", "Pooling3D")
def _volume_pooling(converter: Converter, use: Use, fields: Fields) -> None:
    kernel = _volume(fields, "kernel_size", "kernel_depth", None)
    stride = _volume(fields, "stride", "temporal_stride", 1)
    padding = _volume(fields, "pad", "temporal_pad", 0)
    _pool(converter, use, fields, kernel, stride, padding)


def _volume(fields: Fields, name: str, depth: str, default: int | None) -> tuple[int, ...]:
    side = fields.whole(name, default)
    return (fields.whole(depth, side if default is None else default), side, side)


@says("pooling_param", "Pooling")
def _pooling(converter: Converter, use: Use, fields: Fields) -> None:
    rank = converter.rank(use)
    padding = _sizes(fields, "pad", "pad", rank, 0)
    stride = _sizes(fields, "stride", "stride", rank, 1)
    if fields.flag("global_pooling", default=False):
        _global(converter, use, fields)
        return
    kernel = _sizes(fields, "kernel_size", "kernel", rank, None)
    _pool(converter, use, fields, kernel, stride, padding)


_METHODS = ("MAX", "AVE", "STOCHASTIC")


def _global(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("kernel_size", "kernel_h", "kernel_w", "engine", "round_mode", "ceil_mode")
    keyword = {"MAX": "globalmaxpool", "AVE": "globalavgpool"}.get(
        fields.word("pool", "MAX", _METHODS), ""
    )
    if not keyword:
        converter.refuse(use, "no layer draws one cell of a whole feature map")
        return
    converter.add(use, keyword, {"keep": not _wants_vector(converter, use.outputs[0])})


_VECTORS = ("InnerProduct", "Flatten", "Accuracy", "Silence", "SoftmaxWithLoss", "EuclideanLoss")
_PASSING = ("Dropout", "ReLU", "PReLU", "Sigmoid", "TanH", "ELU", "Softmax", "Split")


def _wants_vector(converter: Converter, value: str) -> bool:
    """Whether all that read a value take it for a vector, so that Cx1x1 need not be kept."""
    for use in converter.flow.readers.get(value, ()):
        if use.layer.type in _PASSING:
            if not all(_wants_vector(converter, out) for out in use.outputs):
                return False
        elif use.layer.type not in _VECTORS:
            return False
    return True


def _pool(
    converter: Converter,
    use: Use,
    fields: Fields,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
) -> None:
    method = fields.word("pool", "MAX", _METHODS)
    floors = fields.word("round_mode", "CEIL", ("CEIL", "FLOOR")) == "FLOOR"
    floors |= not fields.flag("ceil_mode", default=True)
    fields.ignore("engine")
    if len(use.outputs) > 1:
        converter.refuse(use, "its second blob, the places of the maxima, is not to be had")
        return
    kind = converter.type_of(use.inputs[0])
    if kind is not None and not floors and 0 not in stride:
        sides = zip(kind.spatial, kernel, stride, padding, strict=True)
        for size, window, step, edge in sides:
            cells = -((window - size - 2 * edge) // step) + 1
            # `pooling_layer.cpp` drops a window that begins outside only where there is padding.
            if not any(padding) and (cells - 1) * step >= size:
                why = (
                    f"of its {cells} windows over {size} cells the last begins at"
                    f" {(cells - 1) * step}, beyond them: what Caffe gives there is no number"
                )
                converter.refuse(use, why)
                return
    keyword = {"MAX": "maxpool", "AVE": "avgpool", "STOCHASTIC": "stochasticpool"}[method]
    settings: dict[str, Value] = {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "rounding": "floor" if floors else "ceil",
    }
    if method == "AVE" and any(padding):
        settings["count_padding"] = True
    converter.add(use, keyword, settings)


@says("padding_param", "Padding")
def _padding(converter: Converter, use: Use, fields: Fields) -> None:
    """V0's layer of its own for what is `pad` since."""
    converter.add(use, "pad", {"padding": (fields.whole("pad", 0),)})

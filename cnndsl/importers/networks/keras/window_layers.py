"""Says Keras's layers with windows: convolutions, pooling, what surrounds feature maps.

`same` puts an odd cell of padding behind, in both; what the stride leaves over is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.frozen import replace
from cnndsl.importers.networks.keras.activations import activated
from cnndsl.importers.networks.keras.config import Config, Unsaid
from cnndsl.importers.networks.keras.converter import Call, Converter, Flow, says
from cnndsl.importers.networks.keras.initializers import initializer
from cnndsl.importers.networks.keras.penalties import penalties
from cnndsl.importers.weights.keras_graph import DEPTHWISE, POINTWISE

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__: list[str] = []


def _rank(call: Call, converter: Converter, flow: Flow) -> int:
    """The dimensions in a layer's name, which its input has to have."""
    rank = next(int(digit) for digit in call.config.kind if digit.isdigit())
    if converter.rank(flow) != rank:
        raise Unsaid(f"its input has {converter.rank(flow)} spatial dimensions, not {rank}")
    return rank


def _starts(converter: Converter, config: Config, kernel: str, *, bias: bool) -> dict[str, Value]:
    """How kernels and biases begin."""
    found: dict[str, Value] = {}
    if init := initializer(converter, config, f"{kernel}_initializer"):
        found["init"] = init
    begin = initializer(converter, config, "bias_initializer")
    if bias and begin is not None and begin.value != 0:
        found["bias_init"] = begin
    penalties(converter, config, kernel)
    return found


def _surrounded(
    flow: Flow, config: Config, rank: int, size: tuple[int, ...], step: tuple[int, ...]
) -> tuple[Flow, dict[str, Value]]:
    """The input without zeros that are held back, and a layer's padding and rounding."""
    padding = config.text("padding", "valid")
    if padding == "same":
        return flow, {"padding": "same"}
    settings: dict[str, Value] = {"rounding": "floor"}
    edges = [*flow.padding] or [0] * (2 * rank)
    if padding == "causal":
        edges[0] += size[0] - 1
    elif padding != "valid":
        raise Unsaid(f"there is no padding `{padding}`")
    if any(edges):
        settings["padding"] = tuple(edges)
    return replace(flow, padding=()), settings


@says("Conv1D", "Conv2D", "Conv3D")
def _conv(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    config, flow = call.config, flows[0]
    rank = _rank(call, converter, flow)
    bias = config.flag("use_bias", default=True)
    kernel, stride = config.sizes("kernel_size", rank), config.sizes("strides", rank, 1)
    dilation, groups = config.sizes("dilation_rate", rank, 1), config.whole("groups", 1)
    reach = tuple(step * (size - 1) + 1 for step, size in zip(dilation, kernel, strict=True))
    source, around = _surrounded(flow, config, rank, reach, stride)
    settings: dict[str, Value] = {
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "bias": bias,
        **around,
        **_starts(converter, config, "kernel", bias=bias),
    }
    filters, channels = config.whole("filters"), converter.dims(flow.shape)[0]
    if groups == channels > 1 and filters % groups == 0:
        made = converter.add(
            call, "depthwise", [source], {**settings, "multiplier": filters // groups}
        )
    else:
        settings |= {"filters": filters, "groups": groups}
        made = converter.add(call, "conv", [source], settings)
    return activated(converter, call, made, config.get("activation"))


@says("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    config, flow = call.config, flows[0]
    bias = config.flag("use_bias", default=True)
    made = _by_channel(converter, call, flow, bias=bias)
    return activated(converter, call, made, config.get("activation"))


def _by_channel(
    converter: Converter, call: Call, flow: Flow, *, bias: bool, part: str = ""
) -> Flow:
    """A convolution of each channel on its own."""
    config = call.config
    rank = _rank(call, converter, flow)
    kernel, stride = config.sizes("kernel_size", rank), config.sizes("strides", rank, 1)
    dilation = config.sizes("dilation_rate", rank, 1)
    reach = tuple(step * (size - 1) + 1 for step, size in zip(dilation, kernel, strict=True))
    source, around = _surrounded(flow, config, rank, reach, stride)
    config.ignore(
        "filters", "kernel_initializer", "kernel_regularizer", "kernel_constraint", "groups"
    )
    settings: dict[str, Value] = {
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "multiplier": config.whole("depth_multiplier", 1),
        "bias": bias,
        **around,
        **_starts(converter, config, "depthwise", bias=bias),
    }
    return converter.add(call, "depthwise", [source], settings, part=part)


@says("SeparableConv1D", "SeparableConv2D", "SeparableConvolution2D")
def _separable(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    """Each channel on its own, then all at each place."""
    config, flow = call.config, flows[0]
    bias = config.flag("use_bias", default=True)
    rank = _rank(call, converter, flow)
    if call.first:
        raise Unsaid("it is called twice, with the weights of two of ours")
    middle = _by_channel(converter, call, flow, bias=False, part=DEPTHWISE)
    settings: dict[str, Value] = {
        "filters": config.whole("filters"),
        "kernel": (1,) * rank,
        "bias": bias,
        **_starts(converter, config, "pointwise", bias=bias),
    }
    made = converter.add(call, "conv", [middle], settings, part=POINTWISE)
    return activated(converter, call, made, config.get("activation"))


@says("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _transposed(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    config, flow = call.config, flows[0]
    rank = _rank(call, converter, flow)
    bias = config.flag("use_bias", default=True)
    kernel, stride = config.sizes("kernel_size", rank), config.sizes("strides", rank, 1)
    dilation = config.sizes("dilation_rate", rank, 1)
    more = config.get("output_padding")
    padding = config.text("padding", "valid")
    settings: dict[str, Value] = {
        "filters": config.whole("filters"),
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "groups": config.whole("groups", 1),
        "bias": bias,
        **_starts(converter, config, "kernel", bias=bias),
    }
    reach = [step * (size - 1) + 1 for step, size in zip(dilation, kernel, strict=True)]
    # Of (W - 1)S + K cells so many are cropped, the odd one behind; where that is less than
    # nothing, cells are added behind.
    if more is not None:
        extra = config.sizes("output_padding", rank)
        odd = [size - size % 2 if padding == "same" else 0 for size in reach]
        surplus = [size - one for size, one in zip(odd, extra, strict=True)]
    else:
        surplus = [size - step for size, step in zip(reach, stride, strict=True)]
        surplus = surplus if padding == "same" else [min(0, one) for one in surplus]
    before = [max(0, one) // 2 for one in surplus]
    behind = [max(0, one) - front for one, front in zip(surplus, before, strict=True)]
    settings["padding"] = (*before, *behind)
    settings["output_padding"] = tuple(max(0, -one) for one in surplus)
    made = converter.add(call, "upconv", [flow], settings)
    return activated(converter, call, made, config.get("activation"))


# --- pooling ----------------------------------------------------------------------------------


@says("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "MaxPool1D", "MaxPool2D", "MaxPool3D")
def _max_pooling(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return _pooling(converter, call, flows[0], "maxpool")


@says(
    "AveragePooling1D", "AveragePooling2D", "AveragePooling3D",
    "AvgPool1D", "AvgPool2D", "AvgPool3D",
)  # fmt: skip
def _average_pooling(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return _pooling(converter, call, flows[0], "avgpool")


def _pooling(converter: Converter, call: Call, flow: Flow, keyword: str) -> Flow:
    config = call.config
    rank = _rank(call, converter, flow)
    kernel = config.sizes("pool_size", rank, 2)
    stride = config.sizes("strides", rank, kernel)
    padding = config.text("padding", "valid")
    around: dict[str, Value] = {"padding": "same"} if padding == "same" else {"rounding": "floor"}
    return converter.add(call, keyword, [flow], {"kernel": kernel, "stride": stride, **around})


@says(
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
    "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalAvgPool3D",
)  # fmt: skip
def _global_average(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return _global(converter, call, flows[0], "globalavgpool")


@says(
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D",
    "GlobalMaxPool1D", "GlobalMaxPool2D", "GlobalMaxPool3D",
)  # fmt: skip
def _global_maximum(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return _global(converter, call, flows[0], "globalmaxpool")


def _global(converter: Converter, call: Call, flow: Flow, keyword: str) -> Flow:
    _rank(call, converter, flow)
    keep = call.config.flag("keepdims", default=False)
    return converter.add(call, keyword, [flow], {"keep": keep})


@says("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D")
def _adaptive_average(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    rank = _rank(call, converter, flows[0])
    return converter.add(
        call, "adaptiveavgpool", flows, {"size": call.config.sizes("output_size", rank)}
    )


@says("AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D")
def _adaptive_maximum(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    rank = _rank(call, converter, flows[0])
    return converter.add(
        call, "adaptivemaxpool", flows, {"size": call.config.sizes("output_size", rank)}
    )


# --- around feature maps ----------------------------------------------------------------------


@says("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def _zero_padding(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    """Held back: a convolution behind it takes it for its own padding."""
    flow = flows[0]
    rank = _rank(call, converter, flow)
    pairs = call.config.pairs("padding", rank)
    edges = (*(begin for begin, _ in pairs), *(end for _, end in pairs))
    there = flow.padding or (0,) * (2 * rank)
    dims = converter.dims(flow.shape)
    sides = [side + sum(pair) for side, pair in zip(dims[1:], pairs, strict=True)]
    padding = tuple(a + b for a, b in zip(there, edges, strict=True))
    return replace(flow, padding=padding, shape=converter.shape((dims[0], *sides)))


@says("Cropping1D", "Cropping2D", "Cropping3D")
def _cropping(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    flow = flows[0]
    rank = _rank(call, converter, flow)
    pairs = call.config.pairs("cropping", rank)
    sides = converter.dims(flow.shape)[1:]
    size = tuple(side - sum(pair) for side, pair in zip(sides, pairs, strict=True))
    offset = tuple(begin for begin, _ in pairs)
    return converter.add(call, "crop", [flow], {"size": size, "offset": offset})


@says("UpSampling1D", "UpSampling2D", "UpSampling3D")
def _upsampling(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    rank = _rank(call, converter, flows[0])
    mode = call.config.text("interpolation", "nearest")
    if mode not in ("nearest", "bilinear"):
        raise Unsaid(f"`upsample` copies cells or mixes neighbours, not `{mode}`")
    factor = call.config.sizes("size", rank, 2)
    return converter.add(call, "upsample", flows, {"factor": factor, "mode": mode})


@says("Resizing")
def _resizing(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    config = call.config
    mode = config.text("interpolation", "bilinear")
    config.ignore("fill_mode", "fill_value")
    size = (config.whole("height"), config.whole("width"))
    sides = converter.dims(flows[0].shape)[1:]
    exact = all(new % old == 0 for new, old in zip(size, sides, strict=True))
    for name in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"):
        if config.flag(name, default=False):
            raise Unsaid(f"`upsample` stretches to a size, `{name}`")
    if mode not in ("nearest", "bilinear") or not exact:
        raise Unsaid(f"`upsample` makes maps larger by a factor, not {mode} to {size[0]}x{size[1]}")
    return converter.add(call, "upsample", flows, {"size": size, "mode": mode})


@says("CenterCrop")
def _center_crop(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    size = (call.config.whole("height"), call.config.whole("width"))
    sides = converter.dims(flows[0].shape)[1:]
    if any(new > old for new, old in zip(size, sides, strict=True)):
        raise Unsaid("its input is smaller than what it cuts out, and Keras stretches it")
    offset = tuple((old - new) // 2 for new, old in zip(size, sides, strict=True))
    return converter.add(call, "crop", flows, {"size": size, "offset": offset})

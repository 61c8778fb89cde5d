"""Says Keras's layers that connect all, normalise, scale or count tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnndsl.diagnostics.words import count
from cnndsl.frozen import replace
from cnndsl.importers.networks.input_settings import unfit
from cnndsl.importers.networks.keras.activations import activated
from cnndsl.importers.networks.keras.config import Unsaid
from cnndsl.importers.networks.keras.converter import Affine, Call, Converter, Flow, says
from cnndsl.importers.networks.keras.initializers import initializer
from cnndsl.importers.networks.keras.penalties import penalties

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__: list[str] = []


@says("Dense")
def _dense(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    """On feature maps it connects the channels at each place: a convolution of one cell."""
    config, flow = call.config, flows[0]
    bias = config.flag("use_bias", default=True)
    settings: dict[str, Value] = {"bias": bias}
    if init := initializer(converter, config, "kernel_initializer"):
        settings["init"] = init
    begin = initializer(converter, config, "bias_initializer")
    if bias and begin is not None and begin.value != 0:
        settings["bias_init"] = begin
    penalties(converter, config, "kernel")
    units = config.whole("units")
    if len(flow.shape) == 1:
        made = converter.add(call, "dense", [converter.ours(flow)], {"units": units, **settings})
    elif not converter.channels_last:
        raise Unsaid("it connects the last dimension, which is not that of the channels")
    else:
        kernel: dict[str, Value] = {"filters": units, "kernel": (1,) * converter.rank(flow)}
        made = converter.add(call, "conv", [flow], {**kernel, **settings})
    return activated(converter, call, made, config.get("activation"))


@says("Embedding")
def _embedding(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    config, flow = call.config, flows[0]
    config.whole("input_dim")
    config.ignore("input_length", "sparse", "weights", "use_one_hot_matmul")
    settings: dict[str, Value] = {"size": config.whole("output_dim")}
    if config.flag("mask_zero", default=False):
        raise Unsaid("layers behind it would leave out what is token 0: `mask_zero`")
    if init := initializer(converter, config, "embeddings_initializer"):
        settings["init"] = init
    kind = converter.type(flow)
    if kind is None or not kind.is_tokens:
        raise Unsaid("other layers read its tokens as numbers too")
    return converter.add(call, "embedding", [flow], settings)


# --- normalisation ----------------------------------------------------------------------------


def _affine(converter: Converter, call: Call) -> bool:
    """Whether a normalisation has a scale and a shift; a note where it has one of them."""
    config = call.config
    scale, center = config.flag("scale", default=True), config.flag("center", default=True)
    config.ignore(
        "beta_initializer", "gamma_initializer", "beta_regularizer", "gamma_regularizer",
        "beta_constraint", "gamma_constraint", "renorm_momentum",
    )  # fmt: skip
    if scale != center:
        lacking, begin = ("scale", 1) if not scale else ("shift", 0)
        converter.note(
            call.path,
            f"{config.kind} of Keras has no {lacking} there, ours has; it begins at {begin}, where"
            " it changes nothing",
        )
    return scale or center


def _over_channels(converter: Converter, call: Call, flow: Flow) -> bool:
    axes = call.config.axes("axis", -1)
    return len(axes) == 1 and converter.axis(axes[0], len(flow.shape) + 1) == 0


@says("BatchNormalization", "SyncBatchNormalization")
def _batch_normalization(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    config, flow = call.config, flows[0]
    config.ignore("moving_mean_initializer", "moving_variance_initializer", "fused", "renorm")
    if not _over_channels(converter, call, flow):
        raise Unsaid("`batchnorm` normalises each channel: `axis`")
    if not _affine(converter, call):
        converter.note(
            call.path,
            f"{config.kind} of Keras has no scale and shift there, ours has; they begin at 1 and 0,"
            " where they change nothing",
        )
    settings: dict[str, Value] = {
        "eps": config.number("epsilon", 1e-3),
        "momentum": round(1 - config.number("momentum", 0.99), 12),
    }
    return converter.add(call, "batchnorm", [flow], settings)


@says("LayerNormalization")
def _layer_normalization(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    config, flow = call.config, flows[0]
    rms = config.flag("rms_scaling", default=False)
    rank = len(flow.shape) + 1
    axes = sorted(converter.axis(one, rank) for one in config.axes("axis", -1))
    if axes not in ([0], list(range(len(flow.shape)))):
        raise Unsaid("`layernorm` is over the channels at each place, or over all: `axis`")
    settings: dict[str, Value] = {
        "eps": config.number("epsilon", 1e-3),
        "affine": _affine(converter, call),
    }
    if len(flow.shape) > 1 and axes == [0]:
        settings["over"] = "channels"
    if axes != [0] and settings["affine"] and converter.channels_last and len(axes) > 1:
        raise Unsaid("its scales would stand in another order: `axis` is more than the channels")
    return converter.add(call, "rmsnorm" if rms else "layernorm", [flow], settings)


@says("RMSNormalization")
def _rms(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    if not _over_channels(converter, call, flows[0]):
        raise Unsaid("`rmsnorm` is over the channels at each place: `axis`")
    settings: dict[str, Value] = {"eps": call.config.number("epsilon", 1e-6)}
    if len(flows[0].shape) > 1:
        settings["over"] = "channels"
    return converter.add(call, "rmsnorm", flows, settings)


@says("GroupNormalization")
def _group_normalization(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    config, flow = call.config, flows[0]
    if not _over_channels(converter, call, flow):
        raise Unsaid("`groupnorm` is over groups of channels: `axis`")
    groups = config.whole("groups", 32)
    settings: dict[str, Value] = {
        "eps": config.number("epsilon", 1e-3),
        "affine": _affine(converter, call),
    }
    if groups == -1:
        return converter.add(call, "instancenorm", [flow], settings)
    return converter.add(call, "groupnorm", [flow], {"groups": groups, **settings})


@says("UnitNormalization")
def _unit_normalization(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    if not _over_channels(converter, call, flows[0]):
        raise Unsaid("`l2norm` is over the channels at each place: `axis`")
    return converter.add(call, "l2norm", flows, {"eps": 1e-6})


# --- what raw numbers are multiplied by -------------------------------------------------------


@says("Rescaling")
def _rescaling(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    flow = flows[0]
    factors = _numbers(call, "scale", 1.0)
    shifts = _numbers(call, "offset", 0.0)
    _demand_channels(converter, flow, factors, shifts)
    affine = converter.affines.get(flow.name) if flow.name in converter.untouched else None
    if affine is not None and not flow.padding and min(factors) > 0:
        _prepare(converter, flow, affine, factors, shifts)
        return flow
    if any(shifts) or len({*factors}) > 1:
        raise Unsaid("no layer multiplies by numbers that do not learn and adds to them")
    return converter.times(call, flow, factors[0])


@says("Normalization")
def _normalization(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    """(x - mean)/sqrt(variance); where the two were measured, they are among the weights."""
    flow = flows[0]
    call.config.ignore("axis")
    affine = converter.affines.get(flow.name) if flow.name in converter.untouched else None
    means, variances = call.config.get("mean"), call.config.get("variance")
    if affine is None or flow.padding or call.config.flag("invert", default=False):
        raise Unsaid(
            "its mean and variance are not measured here: only an input's `mean` and `std` are"
        )
    if means is None or variances is None:
        converter.note(
            call.path,
            "its mean and variance are among the weights; `mean` and `std` in the braces of `input`"
            " are to hold them",
        )
        return flow
    variances, means = _flat(variances), _flat(means)
    if any(one < 0 for one in variances):
        raise Unsaid("a variance is negative")
    _demand_channels(converter, flow, means, variances)
    deviations = [max(math.sqrt(one), 1e-7) for one in variances]
    width = max(len(means), len(deviations))
    means = means * width if len(means) == 1 else means
    deviations = deviations * width if len(deviations) == 1 else deviations
    pairs = list(zip(means, deviations, strict=True))
    factors, shifts = [1 / dev for _, dev in pairs], [-mean / dev for mean, dev in pairs]
    _prepare(converter, flow, affine, factors, shifts)
    return flow


def _prepare(
    converter: Converter,
    flow: Flow,
    affine: Affine,
    factors: Sequence[float],
    shifts: Sequence[float],
) -> None:
    """Make an input's settings of numbers that it is multiplied and moved by."""
    after = affine.then(factors, shifts)
    kind = converter.network.type_of(flow.name)
    assert kind is not None
    written, why = unfit(after.settings(), kind)
    if written:
        raise Unsaid(f"the input cannot have `{written}`: {why}")
    converter.affines[flow.name] = after


def _demand_channels(converter: Converter, flow: Flow, *numbers: Sequence[float]) -> None:
    """Refuse numbers that are neither one for all channels nor one for each."""
    channels = converter.dims(flow.shape)[0] if flow.shape else 1
    for one in numbers:
        if len(one) not in (1, channels):
            raise Unsaid(f"it has {len(one)} numbers for {count(channels, 'channel')}")


def _numbers(call: Call, name: str, default: float) -> list[float]:
    value = call.config.get(name, default)
    return _flat(value)


def _flat(value: Any) -> list[float]:
    """A number, or numbers in lists of any depth."""
    if isinstance(value, dict):  # {"class_name": "__numpy__", "config": {"value": […]}}
        inner = value.get("config")
        value = inner.get("value", []) if isinstance(inner, dict) else []
    if isinstance(value, list):
        return [number for one in value for number in _flat(one)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [float(value)]
    raise Unsaid(f"`{value!r}` is no number")


# --- joins ------------------------------------------------------------------------------------


def _alike(converter: Converter, flows: list[Flow]) -> tuple[list[str], Flow]:
    """Several values whose numbers stand in one order, and what their result is like."""
    if len({flow.maps for flow in flows}) == 1:
        return [converter.ours(flow) for flow in flows], replace(flows[0], padding=())
    first = replace(flows[0], padding=(), maps=())
    return [converter.exact(flow) for flow in flows], first


def _join(converter: Converter, call: Call, flows: list[Flow], keyword: str) -> Flow:
    if len(flows) < 2:
        raise Unsaid("one of its inputs is a number, not a layer's result")
    if len({flow.shape for flow in flows}) > 1:
        raise Unsaid(f"`{keyword}` stretches nothing, and its inputs have different sizes")
    names, like = _alike(converter, flows)
    made = converter.add(call, keyword, names)
    return replace(like, name=made.name)


@says("Add")
def _add(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return _join(converter, call, flows, "add")


@says("Maximum")
def _maximum(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return _join(converter, call, flows, "maximum")


@says("Minimum")
def _minimum(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return _join(converter, call, flows, "minimum")


@says("Subtract")
def _subtract(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    if len(flows) != 2:
        raise Unsaid("one of its inputs is a number, not a layer's result")
    return _join(converter, call, [flows[0], converter.times(call, flows[1], -1.0)], "add")


@says("LayerScale")
def _layer_scale(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    """The layer of Keras's ConvNeXt: a number for each channel."""
    call.config.ignore("projection_dim")
    start = call.config.number("init_values", 1.0)
    return converter.add(call, "scale", flows, {"bias": False, "start": start})


@says("CustomScaleLayer")
def _scaled_sum(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    """The layer of Keras's Inception-ResNet: the first input, and the second times a number."""
    if len(flows) != 2:
        raise Unsaid("it adds two inputs")
    scaled = converter.times(call, flows[1], call.config.number("scale", 1.0))
    return _join(converter, call, [flows[0], scaled], "add")


@says("Average")
def _average(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return converter.times(call, _join(converter, call, flows, "add"), 1 / max(1, len(flows)))


@says("Multiply")
def _multiply(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    """A gate of 1x1xC is stretched over maps: for `multiply` a vector."""
    if len(flows) < 2:
        raise Unsaid("one of its inputs is a number, not a layer's result")
    if len({flow.shape for flow in flows}) == 1:
        return _join(converter, call, flows, "multiply")
    dims = [converter.dims(flow.shape) for flow in flows]
    widest = max(range(len(flows)), key=lambda at: math.prod(dims[at]))
    fits = all(
        one == dims[widest] or (math.prod(one) == one[0] == dims[widest][0] and len(one) > 1)
        for one in dims
    )
    if not fits:
        shapes = " and ".join("x".join(map(str, flow.shape)) for flow in flows)
        raise Unsaid(
            f"`multiply` stretches a number for each channel over maps, and these are {shapes}"
        )
    names = [
        converter.exact(flow) if one == dims[widest] else converter.flat(flow).name
        for flow, one in zip(flows, dims, strict=True)
    ]
    order = [names[widest], *(name for at, name in enumerate(names) if at != widest)]
    return converter.add(call, "multiply", order)

"""Says Caffe's layers that work number by number or connect all: activations, norms, products."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cnndsl.importers.networks.caffe.converter import Converter, says
from cnndsl.importers.networks.caffe.dataflow import Use
from cnndsl.importers.networks.caffe.fields import Fields
from cnndsl.importers.networks.caffe.fillers import filler

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__: list[str] = []


@says("inner_product_param", "InnerProduct")
def _inner_product(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("transpose")  # How its weights are stored; what it computes is the same.
    bias = fields.flag("bias_term", default=True)
    settings: dict[str, Value] = {"units": fields.whole("num_output"), "bias": bias}
    if init := filler(converter, use, fields, "weight_filler"):
        settings["init"] = init
    if not bias:
        fields.ignore("bias_filler")
    elif (start := filler(converter, use, fields, "bias_filler")) and start.value != 0:
        settings["bias_init"] = start
    if converter.axis(use, fields.whole("axis", 1)) != 0:
        converter.refuse(use, "`axis` is not 1: it would connect parts of its input")
        return
    source = converter.flat(converter.ours(use.inputs[0]))
    converter.add(use, "dense", settings, inputs=[source])


# --- activations ------------------------------------------------------------------------------


@says("relu_param", "ReLU")
def _relu(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("engine")
    slope = fields.number("negative_slope", 0.0)
    if slope:
        converter.add(use, "leakyrelu", {"slope": slope})
    else:
        converter.add(use, "relu")


@says("relu6_param", "ReLU6")
def _relu6(converter: Converter, use: Use, fields: Fields) -> None:
    if fields.number("negative_slope", 0.0) or fields.number("threshold", 6.0) != 6:
        converter.refuse(use, "`relu6` ends at 6 and is 0 below 0")
        return
    converter.add(use, "relu6")


@says("prelu_param", "PReLU")
def _prelu(converter: Converter, use: Use, fields: Fields) -> None:
    settings: dict[str, Value] = {"shared": fields.flag("channel_shared", default=False)}
    start = filler(converter, use, fields, "filler")
    if start is not None and start.name == "constant" and start.value is not None:
        settings["start"] = start.value
    converter.add(use, "prelu", settings)


@says("elu_param", "ELU")
def _elu(converter: Converter, use: Use, fields: Fields) -> None:
    alpha = fields.number("alpha", 1.0)
    converter.add(use, "elu", {"alpha": alpha}) if alpha > 0 else converter.add(use, "relu")


@says("clip_param", "Clip")
def _clip(converter: Converter, use: Use, fields: Fields) -> None:
    least, most = fields.number("min", -math.inf), fields.number("max", math.inf)
    converter.add(use, "clip", {"least": least, "most": most})


@says("swish_param", "Swish")
def _swish(converter: Converter, use: Use, fields: Fields) -> None:
    beta = fields.number("beta", 1.0)
    if beta != 1:
        converter.refuse(use, f"`silu` is x sigmoid(x), not x sigmoid({beta:g}x)")
        return
    converter.add(use, "silu")


@says("sigmoid_param", "Sigmoid")
def _sigmoid(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("engine")
    converter.add(use, "sigmoid")


@says("tanh_param", "TanH")
def _tanh(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("engine")
    converter.add(use, "tanh")


@says("bnll_param", "BNLL")
def _bnll(converter: Converter, use: Use, fields: Fields) -> None:
    """log(1 + exp(x))."""
    converter.add(use, "softplus")


@says("softmax_param", "Softmax")
def _softmax(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("engine")
    if converter.axis(use, fields.whole("axis", 1)) != 0:
        converter.refuse(use, "`softmax` is over the channels, `axis: 1`")
        return
    converter.add(use, "softmax")


@says("dropout_param", "Dropout")
def _dropout(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("scale_train")
    rate = fields.number("dropout_ratio", 0.5)
    converter.add(use, "dropout", {"rate": rate})


# --- normalisation ----------------------------------------------------------------------------


@says("lrn_param", "LRN")
def _lrn(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("engine")
    region = fields.word("norm_region", "ACROSS_CHANNELS", ("ACROSS_CHANNELS", "WITHIN_CHANNEL"))
    settings: dict[str, Value] = {
        "size": fields.whole("local_size", 5),
        "alpha": fields.number("alpha", 1.0),
        "beta": fields.number("beta", 0.75),
        "k": fields.number("k", 1.0),
    }
    if region == "WITHIN_CHANNEL":
        # `LRNLayer::WithinChannelForward` adds 1, whatever `k` says.
        settings |= {"region": "within", "k": 1.0}
    converter.add(use, "lrn", settings)


@says("batch_norm_param", "BatchNorm")
def _batch_norm(converter: Converter, use: Use, fields: Fields) -> None:
    """Batch normalisation; a `Scale` behind it that nothing else reads is part of ours."""
    keeps = fields.number("moving_average_fraction", 0.999)
    settings: dict[str, Value] = {"eps": fields.number("eps", 1e-5)}
    if use.phases == {"TRAIN", "TEST"} and converter.trains:
        settings["momentum"] = round(1 - keeps, 12)
    if fields.flag("use_global_stats", default=False) and converter.trains:
        converter.frozen.append(use.layer.name)
    follower = _scale_behind(converter, use)
    if follower is None:
        converter.note(
            use,
            "Caffe's `BatchNorm` has no scale and shift, `batchnorm` has; they begin at 1 and 0,"
            " where they change nothing",
        )
    converter.add(use, "batchnorm", settings)


def _scale_behind(converter: Converter, use: Use) -> Use | None:
    """The `Scale` that scales and shifts each channel of a `BatchNorm`, and is alone to read it."""
    readers = converter.flow.readers.get(use.outputs[0], ())
    if len(readers) != 1 or readers[0].layer.type != "Scale" or len(readers[0].inputs) != 1:
        return None
    fields = Fields(None, readers[0].layer.span, "")
    message = readers[0].layer.fields.message.last("scale_param")
    if message is not None and not isinstance(message.value, int | float | str):
        fields = readers[0].layer.fields.inner("scale_param")
    axes = fields.whole("axis", 1), fields.whole("num_axes", 1)
    return readers[0] if axes in ((1, 1), (-3, 1)) else None


@says("scale_param", "Scale")
def _scale(converter: Converter, use: Use, fields: Fields) -> None:
    bias = fields.flag("bias_term", default=False)
    start = filler(converter, use, fields, "filler")
    shift = filler(converter, use, fields, "bias_filler")
    axis, axes = fields.whole("axis", 1), fields.whole("num_axes", 1)
    maker = converter.maker(use.inputs[0])
    if maker is not None and maker.layer.type == "BatchNorm" and _scale_behind(converter, maker):
        if not bias:
            converter.note(
                use,
                "`batchnorm` has a shift that this `Scale` has not; it begins at 0, where it"
                " changes nothing",
            )
        converter.alias(use)
        return
    if len(use.inputs) == 2:
        _scaled_by(converter, use, axis, bias=bias)
        return
    if converter.axis(use, axis) != 0 or axes != 1:
        converter.refuse(use, "`scale` has a number for each channel, `axis: 1`")
        return
    settings: dict[str, Value] = {"bias": bias}
    if start is not None and start.value is not None:
        settings["start"] = start.value
    if shift is not None and shift.value:
        converter.refuse(use, f"the biases of `scale` begin at 0, not at {shift.value:g}")
        return
    converter.add(use, "scale", settings)


def _scaled_by(converter: Converter, use: Use, axis: int, *, bias: bool) -> None:
    """One blob times another one that is stretched over it: a gate for each channel."""
    kind, gate = (converter.type_of(one) for one in use.inputs)
    ours = [converter.ours(one) for one in use.inputs]
    if bias:
        converter.refuse(use, "`multiply` adds no bias")
        return
    if kind is not None and gate is not None and kind != gate:
        if gate.elements != kind.channels or axis not in (0, 1):
            converter.refuse(
                use, f"`multiply` does not stretch {gate} over {kind} along `axis: {axis}`"
            )
            return
        ours[1] = converter.flat(ours[1])
    converter.add(use, "multiply", inputs=ours)


@says("bias_param", "Bias")
def _bias(converter: Converter, use: Use, fields: Fields) -> None:
    axis, axes = converter.axis(use, fields.whole("axis", 1)), fields.whole("num_axes", 1)
    start = filler(converter, use, fields, "filler")
    if len(use.inputs) == 2:
        converter.refuse(
            use, "it adds one blob, stretched, to another one; `add` stretches nothing"
        )
        return
    kind = converter.type_of(use.inputs[0])
    whole = axes == -1 or (kind is not None and axes == len(kind.dims))
    if axis != 0 or not (axes == 1 or whole):
        converter.refuse(use, "`bias` has a number for each channel, or for each unit")
        return
    settings: dict[str, Value] = {}
    if whole and axes != 1:
        settings["over"] = "all"
    if start is not None and start.value != 0:
        settings["init"] = start
    converter.add(use, "bias", settings)


@says("mvn_param", "MVN")
def _mvn(converter: Converter, use: Use, fields: Fields) -> None:
    eps = fields.number("eps", 1e-9)
    across = fields.flag("across_channels", default=False)
    if not fields.flag("normalize_variance", default=True):
        converter.refuse(use, "no layer subtracts a mean without dividing by a deviation")
        return
    # Caffe adds eps to the deviation, and ours to the variance.
    settings: dict[str, Value] = {"affine": False, "eps": max(eps * eps, 1e-18)}
    converter.add(use, "layernorm" if across else "instancenorm", settings)


@says("norm_param", "Normalize", "Normalization")
def _normalize(converter: Converter, use: Use, fields: Fields) -> None:
    """The layer of SSD's fork: channels divided by their length, then scaled."""
    spatial = fields.flag("across_spatial", default=True)
    shared = fields.flag("channel_shared", default=True)
    start = filler(converter, use, fields, "scale_filler")
    eps = fields.number("eps", 1e-10)
    kind = converter.type_of(use.inputs[0])
    if spatial and (kind is None or kind.spatial):
        converter.refuse(use, "`l2norm` divides by the length of the channels at each place")
        return
    if shared:
        converter.refuse(use, "`l2norm` has a scale for each channel, not one for all")
        return
    scale = 1.0 if start is None or start.value is None else start.value
    converter.add(use, "l2norm", {"scale": scale, "eps": math.sqrt(eps)})


# --- arithmetic -------------------------------------------------------------------------------


@says("eltwise_param", "Eltwise")
def _eltwise(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("stable_prod_grad")
    operation = fields.word("operation", "SUM", ("PROD", "SUM", "MAX"))
    factors = fields.numbers("coeff")
    keyword = {"PROD": "multiply", "SUM": "add", "MAX": "maximum"}[operation]
    if len(use.inputs) < 2:
        converter.alias(use)
        return
    streams = [converter.ours(one) for one in use.inputs]
    if operation == "SUM" and any(one != 1 for one in factors):
        if len(factors) != len(streams):
            converter.refuse(use, f"{len(factors)} coefficients for {len(streams)} blobs")
            return
        streams = [
            stream if factor == 1 else _times(converter, use, stream, factor)
            for stream, factor in zip(streams, factors, strict=True)
        ]
    converter.add(use, keyword, inputs=streams)


def _times(converter: Converter, use: Use, stream: str, factor: float) -> str:
    """A stream times a number: a kernel of one cell over each channel."""
    kind = converter.network.type_of(stream)
    rank = len(kind.spatial) if kind is not None else 2
    kernel: Value = factor
    for _ in range(rank):
        kernel = (kernel,)
    return converter.add(use, "filter", {"kernels": kernel}, inputs=[stream], last=False)


@says("axpy_param", "Axpy")
def _axpy(converter: Converter, use: Use, fields: Fields) -> None:
    """The layer of SENet's fork: a x + y, with a number a for each channel."""
    gate, x, y = (converter.ours(one) for one in use.inputs)
    scaled = converter.add(use, "multiply", inputs=[x, converter.flat(gate)], last=False)
    converter.add(use, "add", inputs=[scaled, y])


@says("power_param", "Power")
def _power(converter: Converter, use: Use, fields: Fields) -> None:
    power = fields.number("power", 1.0)
    scale, shift = fields.number("scale", 1.0), fields.number("shift", 0.0)
    source = converter.ours(use.inputs[0])
    if shift or power not in (1, 2):
        what = f"({shift:g} + {scale:g}x)^{power:g}"
        converter.refuse(use, f"no layer computes {what}")
    elif power == 1 and scale == 1:
        converter.alias(use)
    elif power == 1:
        converter.set(use.outputs[0], _times(converter, use, source, scale))
    else:
        scaled = source if scale == 1 else _times(converter, use, source, scale)
        converter.add(use, "multiply", inputs=[scaled, scaled])


@says("absval_param", "AbsVal")
def _absolute(converter: Converter, use: Use, fields: Fields) -> None:
    """max(x, -x)."""
    source = converter.ours(use.inputs[0])
    converter.add(use, "maximum", inputs=[source, _times(converter, use, source, -1.0)])


@says("embed_param", "Embed")
def _embed(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("num_output", "input_dim", "bias_term", "weight_filler", "bias_filler")
    converter.refuse(use, "Caffe's tokens are a blob of numbers; `embedding` reads `input tokens`")

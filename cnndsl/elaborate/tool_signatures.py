"""How other tools order and name the arguments of their layers, and what they leave out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from cnndsl.frozen import frozen

__all__ = ["INITIALISERS", "KERAS", "OURS", "TORCH", "Tool"]


@frozen
class Tool:
    """How a tool calls its layers: their arguments in order, by our keyword and names.

    ``-`` is an argument that means nothing here: the input's channels, whether to work in place.
    """

    orders: Mapping[str, str]
    defaults: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Its defaults where they are not ours."""


TORCH = Tool(
    {
        "conv": "- filters kernel stride padding dilation groups bias",
        "upconv": "- filters kernel stride padding output_padding groups bias dilation",
        "maxpool": "kernel stride padding dilation - ceil_mode",
        "avgpool": "kernel stride padding ceil_mode count_padding",
        "globalavgpool": "output_size",
        "globalmaxpool": "output_size",
        "adaptiveavgpool": "size",
        "adaptivemaxpool": "size",
        "dense": "- units bias",
        "dropout": "rate -",
        "batchnorm": "- eps momentum",
        "leakyrelu": "slope -",
        "elu": "alpha -",
        **dict.fromkeys(("selu", "silu", "mish", "relu6", "hardsigmoid", "hardswish"), "-"),
        **dict.fromkeys(("spatialdropout", "alphadropout"), "rate -"),
        "droppath": "rate",
        "logsoftmax": "-",
        "lrn": "size alpha beta k",
        "flatten": "start_dim -",
        "softmax": "-",
        "relu": "-",
    },
    {"avgpool": {"count_padding": "yes"}, "prelu": {"shared": "yes"}},
)
KERAS = Tool(
    {
        "conv": "filters kernel stride padding - dilation groups activation bias",
        "depthwise": "kernel stride padding multiplier - dilation activation bias",
        "upconv": "filters kernel stride padding",
        "maxpool": "kernel stride padding",
        "avgpool": "kernel stride padding",
        "dense": "units activation bias",
        "dropout": "rate",
        "leakyrelu": "slope",
        "elu": "alpha",
        "spatialdropout": "rate",
        "alphadropout": "rate",
        "softmax": "-",
    },
    {
        "batchnorm": {"eps": "1e-3", "momentum": "0.01"},
        "leakyrelu": {"slope": "0.3"},
        "maxpool": {"kernel": "2"},
        "avgpool": {"kernel": "2"},
    },
)

_NAMES = {
    "kernel": "kernel_size pool_size ksize filter_size kernel_shape",
    "filters": "out_channels num_filters nb_filter",
    "stride": "strides subsample",
    "padding": "pad border_mode",
    "output_padding": "output_pad",
    "dilation": "dilation_rate",
    "bias": "use_bias",
    "units": "out_features output_dim",
    "rate": "p",
    "eps": "epsilon",
    "slope": "negative_slope alpha",
    "count_padding": "count_include_pad",
    "multiplier": "depth_multiplier",
    "init": "kernel_initializer",
    "bias_init": "bias_initializer",
    "-": "in_channels in_features num_features inplace name input_shape input_dim device dtype dim"
    " axis batch_input_shape data_format end_dim start_axis trainable keepdims",
}
OURS = {name: ours for ours, names in _NAMES.items() for name in names.split()}
"""The names of arguments in other tools, and ours."""

INITIALISERS = {
    "he_normal": "he",
    "glorot_uniform": "glorot",
    "xavier_uniform": "glorot",
    "lecun_normal": "lecun",
    "zeros": "constant(0)",
    "ones": "constant(1)",
}

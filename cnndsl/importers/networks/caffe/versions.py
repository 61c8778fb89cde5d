"""Turns the layers of a net, of any of Caffe's three generations, into records of one form.

The generations, as ``upgrade_proto.cpp`` of Caffe tells them apart: `layer { type: "Convolution" }`
since 2014; `layers { type: CONVOLUTION }` (V1); `layers { layer { type: "conv" } bottom: … }` (V0),
whose parameters stand in the layer itself.
"""

from __future__ import annotations

from cnndsl.diagnostics.source import Span
from cnndsl.frozen import frozen
from cnndsl.importers.networks.caffe.fields import Fields, fault, meant
from cnndsl.importers.networks.caffe.prototext import Field, Message

__all__ = ["CaffeLayer", "Weight", "layers_of"]


@frozen
class Weight:
    """What is said of one of a layer's weights: kernels are the first, biases the second."""

    name: str = ""
    rate: float = 1.0
    """What its learning rate is multiplied by."""
    decay: float = 1.0
    """What its weight decay is multiplied by."""


@frozen
class CaffeLayer:
    """One layer of a net as it stands in the file.

    ``bottoms`` and ``tops`` are the blobs that it reads and writes, ``fields`` the message with
    its parameters.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    weights: tuple[Weight, ...]
    loss_weights: tuple[float, ...]
    fields: Fields
    span: Span

    @property
    def line(self) -> int:
        """The line on which it begins."""
        return self.span.first.line

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"line {self.line}, layer `{self.name}`" if self.name else f"line {self.line}"

    @property
    def what(self) -> str:
        """What it is, for people."""
        return f"a layer of type `{self.type}`"


def layers_of(net: Fields) -> list[CaffeLayer]:
    """All layers of a net, in the order of the text.

    Raises:
        CompileError: CNN681, where one has no type, or fields of the wrong kind.
    """
    found = [_current(fields) for fields in net.inners("layer")]
    if not found:
        found = [_old(fields) for fields in net.inners("layers")]
    elif others := net.fields("layers"):
        raise fault(others[0].span, "`layers` beside `layer`: a file has one or the other")
    return found


def _current(fields: Fields) -> CaffeLayer:
    weights = []
    for spec in fields.inners("param"):
        spec.ignore("share_mode")
        rate, decay = spec.number("lr_mult", 1.0), spec.number("decay_mult", 1.0)
        weights.append(Weight(spec.text("name"), rate, decay))
    if not (kind := fields.text("type")):
        raise fields.lacks("type")
    return _layer(fields, kind, tuple(weights))


def _old(fields: Fields) -> CaffeLayer:
    if fields.has("layer"):
        return _oldest(fields)
    if not fields.has("type"):
        raise fields.lacks("type")
    word = fields.word("type", "")
    kind = _V1_TYPES.get(word)
    if kind is None:
        kind = word  # Forks had types of their own: they are refused by this name.
    names, rates = fields.texts("param"), fields.numbers("blobs_lr")
    return _layer(fields, kind, _weights(names, rates, fields.numbers("weight_decay")))


def _weights(names: list[str], rates: list[float], decays: list[float]) -> tuple[Weight, ...]:
    count = max(len(names), len(rates), len(decays))
    pad = [1.0] * count
    return tuple(
        Weight(*one)
        for one in zip([*names, *[""] * count], [*rates, *pad], [*decays, *pad], strict=False)
    )[:count]


def _layer(fields: Fields, kind: str, weights: tuple[Weight, ...]) -> CaffeLayer:
    name = fields.text("name")
    fields.what = f"layer {name}" if name else "layer"
    fields.ignore("blob_share_mode", "propagate_down", "blobs", "include", "exclude", "phase")
    return CaffeLayer(
        name,
        kind,
        tuple(fields.texts("bottom")),
        tuple(fields.texts("top")),
        weights,
        tuple(fields.numbers("loss_weight")),
        fields,
        fields.place,
    )


_V1_TYPES = {
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "ELTWISE": "Eltwise",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "SLICE": "Slice",
    "TANH": "TanH",
    "WINDOW_DATA": "WindowData",
    "THRESHOLD": "Threshold",
    # Of the fork of 3-D networks (C3D).
    "CONVOLUTION3D": "Convolution3D",
    "POOLING3D": "Pooling3D",
    "VIDEO_DATA": "VideoData",
}

# --- the first generation ---------------------------------------------------------------------

_V0_TYPES = {
    "accuracy": ("Accuracy", ""),
    "bnll": ("BNLL", ""),
    "concat": ("Concat", "concat_param"),
    "conv": ("Convolution", "convolution_param"),
    "data": ("Data", "data_param"),
    "dropout": ("Dropout", "dropout_param"),
    "euclidean_loss": ("EuclideanLoss", ""),
    "flatten": ("Flatten", ""),
    "hdf5_data": ("HDF5Data", "hdf5_data_param"),
    "hdf5_output": ("HDF5Output", "hdf5_output_param"),
    "im2col": ("Im2col", "convolution_param"),
    "images": ("ImageData", "image_data_param"),
    "infogain_loss": ("InfogainLoss", ""),
    "innerproduct": ("InnerProduct", "inner_product_param"),
    "lrn": ("LRN", "lrn_param"),
    "multinomial_logistic_loss": ("MultinomialLogisticLoss", ""),
    "padding": ("Padding", "padding_param"),
    "pool": ("Pooling", "pooling_param"),
    "relu": ("ReLU", ""),
    "sigmoid": ("Sigmoid", ""),
    "softmax": ("Softmax", ""),
    "softmax_loss": ("SoftmaxWithLoss", ""),
    "split": ("Split", ""),
    "tanh": ("TanH", ""),
    "window_data": ("WindowData", "window_data_param"),
}

_V0_NAMES = {"biasterm": "bias_term", "kernelsize": "kernel_size", "batchsize": "batch_size"}
_V0_TRANSFORM = {
    "scale": "scale",
    "meanfile": "mean_file",
    "cropsize": "crop_size",
    "mirror": "mirror",
}


def _oldest(outer: Fields) -> CaffeLayer:
    """A layer of V0: `type`, `name` and all parameters stand in `layer`, blobs beside it."""
    inner = outer.inner("layer")
    if not (word := inner.text("type")):
        raise inner.lacks("type")
    if word not in _V0_TYPES:
        raise fault(inner.place, f"there is no layer type `{word}`", meant(word, _V0_TYPES))
    kind, message = _V0_TYPES[word]
    parameters: list[Field] = []
    transform: list[Field] = []
    for field in inner.message.fields:
        if field.name in _V0_TRANSFORM and "data" in message:
            transform.append(Field(_V0_TRANSFORM[field.name], field.value, field.span))
        elif field.name not in ("name", "type", "blobs", "blobs_lr", "weight_decay"):
            name = _V0_NAMES.get(field.name, field.name)
            parameters.append(Field(name, field.value, field.span))
    made = [
        Field(name, Message(tuple(fields)), inner.place)
        for name, fields in ((message, parameters), ("transform_param", transform))
        if name and fields
    ]
    blobs = [field for field in outer.message.fields if field.name in ("bottom", "top")]
    names = [field for field in inner.message.fields if field.name == "name"]
    fields = Fields(Message((*names, *blobs, *made)), outer.place, "layer")
    inner.ignore(*(field.name for field in inner.message.fields))
    outer.ignore("bottom", "top", "include", "exclude")
    outer.adopt(fields)
    rates, decays = inner.numbers("blobs_lr"), inner.numbers("weight_decay")
    return _layer(fields, kind, _weights([], rates, decays))

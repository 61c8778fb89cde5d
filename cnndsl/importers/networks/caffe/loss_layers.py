"""Says Caffe's losses as the recipe's, and what it does with labels."""

from __future__ import annotations

from cnndsl.importers.networks.caffe.converter import Converter, Head, says
from cnndsl.importers.networks.caffe.dataflow import Use
from cnndsl.importers.networks.caffe.fields import Fields

__all__ = ["MEASURES"]

MEASURES = frozenset(
    {"Accuracy", "ArgMax", "DetectionEvaluate", "HDF5Output", "Silence", "ImageOutput"}
)
"""Types that measure or write what others compute, and that nothing is computed from."""


def _loss(converter: Converter, use: Use, kind: str, output: str, factor: float = 1.0) -> None:
    """Note a loss; ``output`` is the value that it makes small, ``factor`` what ours is times."""
    weight = use.layer.loss_weights[0] if use.layer.loss_weights else 1.0
    loss = use.layer.fields.inner("loss_param")
    if loss.has("ignore_label"):
        label = loss.whole("ignore_label")
        converter.refuse(
            use, f"no loss here leaves out samples of one label, {label}", "`ignore_label`"
        )
    loss.ignore("normalization", "normalize")
    if len(use.inputs) > 2:
        converter.refuse(use, "losses here have no weight for each sample", "its third blob")
    for out in use.outputs:
        converter.set(out, f"refused:{out}")
    if weight and "TRAIN" in use.phases:
        converter.heads.append(Head(use, output, kind, weight * factor))


def _scores(converter: Converter, use: Use, activation: str, caffe: str) -> str:
    """The value of the activation over a loss's scores: one that the net has, or one added."""
    scores = use.inputs[0]
    for reader in converter.flow.readers.get(scores, ()):
        if reader.layer.type == caffe:
            return reader.outputs[0]
    name = f"{scores}:{activation}"
    if not converter.knows(name):
        (value,) = converter.network.add(
            activation,
            [converter.ours(scores)],
            outputs=[f"{use.layer.name}:{activation}"],
            label=use.layer.name,
            place=use.layer.place,
            what=use.layer.what,
        )
        converter.set(name, value)
    return name


@says("softmax_param", "SoftmaxWithLoss")
def _softmax_loss(converter: Converter, use: Use, fields: Fields) -> None:
    fields.ignore("engine")
    if converter.axis(use, fields.whole("axis", 1)) != 0:
        converter.refuse(use, "`softmax` is over the channels, `axis: 1`")
        return
    _loss(converter, use, "crossentropy", _scores(converter, use, "softmax", "Softmax"))


@says("", "SigmoidCrossEntropyLoss")
def _sigmoid_loss(converter: Converter, use: Use, fields: Fields) -> None:
    """The sum over the outputs, where ours is their mean."""
    kind = converter.type_of(use.inputs[0])
    count = kind.elements if kind is not None else 1
    output = _scores(converter, use, "sigmoid", "Sigmoid")
    _loss(converter, use, "binarycrossentropy", output, count)


@says("", "MultinomialLogisticLoss")
def _logistic_loss(converter: Converter, use: Use, fields: Fields) -> None:
    maker = converter.maker(use.inputs[0])
    if maker is None or maker.layer.type != "Softmax":
        converter.refuse(use, "`crossentropy` takes the scores that a `softmax` is given")
        return
    _loss(converter, use, "crossentropy", use.inputs[0])


@says("", "EuclideanLoss")
def _euclidean_loss(converter: Converter, use: Use, fields: Fields) -> None:
    """Half the sum of squares, where ours is the mean of squares."""
    kind = converter.type_of(use.inputs[0])
    if converter.labels.isdisjoint(use.inputs):
        converter.refuse(use, "losses here compare an output with labels, not two outputs")
        return
    output = next(one for one in use.inputs if one not in converter.labels)
    _loss(converter, use, "mse", output, (kind.elements if kind is not None else 1) / 2)


@says("smooth_l1_loss_param", "SmoothL1Loss")
def _smooth_loss(converter: Converter, use: Use, fields: Fields) -> None:
    sigma = fields.number("sigma", 1.0)
    if sigma != 1 or len(use.inputs) > 2:
        converter.refuse(use, "`huber` is Fast R-CNN's smooth L1 of sigma 1, without weights")
        return
    kind = converter.type_of(use.inputs[0])
    _loss(converter, use, "huber", use.inputs[0], kind.elements if kind is not None else 1)


@says("hinge_loss_param", "HingeLoss")
def _hinge_loss(converter: Converter, use: Use, fields: Fields) -> None:
    norm = fields.word("norm", "L1", ("", "L1", "L2"))
    converter.refuse(
        use,
        f"it adds up each class's own hinge ({norm}), one against the rest; `hinge` compares each"
        " class with the right one",
    )

"""Training steps against PyTorch: the same weights and batches give the same losses and weights.

A tolerance is a part of the largest number expected: of the losses 1e-4, of each weight 1e-3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy
import pytest
from apart import APART
from oracle import Array, relative_error
from torch_training import LAYERS, TorchTrainer
from training_steps import StepTrainer, masks_of

from cnndsl import pipeline
from cnndsl.elaborate.modules import find_spec
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.layers import keywords
from cnndsl.layers.regularization import Dropout, Noise
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.step import build_step

STEPS = 20
LOSSES = 1e-4
WEIGHTS = 1e-3
SEEDS = (1, 2, 3)

NETWORKS = {
    "vgg": """\
input 3x16x16
for width in [8, 16] {
  repeat 2 { conv width@3 padding 1 -> relu }
  maxpool 2 stride 2
}
flatten -> dense 24 -> relu -> dropout 0.5 -> dense 5 -> softmax
""",
    "resnet": """\
input 3x17x17
import "std/residual"
rounding floor
stem: conv 8@7 stride 2 padding 3 bias no -> batchnorm -> relu -> maxpool 3 stride 2 padding 1
basics(8, 2)
basics(12, 2, stride = 2)
globalavgpool -> dense 5 -> softmax
""",
    "bottlenecks": """\
input 3x9x9
import "std/residual"
stem: conv 8@3 padding 1 bias no -> batchnorm -> relu
bottlenecks(4, 2)
bottlenecks(6, 2, stride = 2)
globalavgpool -> dense 5 -> softmax
""",
    "densenet": """\
input 3x12x12
import "std/densenet"
stem: conv 8@3 padding 1 bias no
denseblock(3, 4)
transition(10)
denseblock(3, 4)
batchnorm -> relu -> globalavgpool -> dense 5 -> softmax
""",
    "inception": """\
input 3x13x13
import "std/inception"
rounding ceil
stem: conv 8@3 padding 1 -> relu -> lrn size 5 alpha 1e-2 beta 0.75 -> maxpool 3 stride 2
inception(4, 3, 6, 2, 3, 3)
maxpool 3 stride 2
inception(4, 3, 6, 2, 3, 3)
globalavgpool -> dense 5 -> softmax
""",
    "others": """\
input 4x11x10
a: conv 8@3 padding same dilation 2 groups 2 -> leakyrelu 0.1
b: depthwise 3 multiplier 2 stride 2 padding [1, 0, 2, 1] rounding floor -> scaledtanh
multiply(identity, globalmaxpool -> dense 16 -> sigmoid)
maximum(avgpool 3 stride 1 padding 1, avgpool 3 stride 1 padding 1 count_padding yes -> tanh)
sumpool 2 stride 2 rounding ceil -> avgpool 3 stride 2 padding 1 rounding ceil count_padding yes
add(conv 12@1, conv 12@3x1 padding [1, 0, 1, 0]) -> noise 0.2 -> tanh
maxpool 2 stride 1 dilation 1
s, t = split 2
concat(t -> tanh, s)
u, v, w = split [3, 5, 4]
concat(w, u -> sigmoid, v)
flatten -> dense 5 bias no -> batchnorm -> softmax
""",
    "siamese": """\
input left 2x12x12
input right 2x9x10
block tower(width) {
  conv width@3 padding 1 bias no -> batchnorm -> relu -> maxpool 2 rounding floor
  c: conv width@3 padding 1 -> relu
  conv width@3 padding 1 share c -> tanh
  globalavgpool
}
l = left -> a: tower(4)
r = right -> b: tower(4) share a
e = l -> d: dense 6
f = r -> dense 6 share d
g = f -> h: dense 6
add(maximum(e, f), multiply(e, f), g -> dense 6 share h)
concat(identity, l) -> dense 5 -> softmax
""",
}
NETWORKS["shapes"] = """\
input 4x11x10
a: conv 8@3 padding 1 groups 2 -> channelshuffle 2 -> layernorm over channels -> relu
pad [1, 0, 0, 2] mode reflect -> pad 1 mode edge -> pad channels [1, 3] value 0.5
b: conv 8@3 stride 2 rounding floor -> groupnorm 4 -> lrn 3 alpha 0.1 region within   => 8x6x6
depthtospace 2 -> slice 2..9 axis width -> instancenorm                               => 2x12x8
spacetodepth 2 -> upsample 2x1 -> crop 9x3 offset [1, 0] -> l2norm scale 3            => 8x9x3
upsample size 7x5 mode bilinear -> rmsnorm over channels                              => 8x7x5
c: conv 6@3 -> tanh -> upsample 2 mode bilinear align_corners yes -> layernorm        => 6x10x6
upsample size 13x7 -> transpose [0, 2, 1] -> slice 1..4 -> reshape 14x26
transpose -> rmsnorm -> globalavgpool -> groupnorm 2 -> dense 5 -> softmax
"""
NETWORKS["encoder-decoder"] = """\
input 1x13x12
conv 6@3 stride 2 padding 1 bias no rounding floor -> batchnorm -> relu       => 6x7x6
conv 8@3 stride 2 padding same -> relu                                        => 8x4x3
upconv 6@3 stride 2 padding [1, 0, 1, 0] -> leakyrelu 0.1                     => 6x7x7
upconv 4@3x2 stride 2x1 padding 1x0 groups 2 bias no -> batchnorm -> relu     => 4x13x8
upconv 2@3 stride 1x2 padding 1 output_padding 0x1 dilation 1x2               => 2x13x18
upconv 3@3 stride 2 padding same                                              => 3x26x36
"""
NETWORKS["fcn"] = """\
input 3x16x16
conv 6@3 padding 1 -> relu -> fine: maxpool 2                                 => 6x8x8
conv 8@3 padding 1 -> relu -> maxpool 2                                       => 8x4x4
upconv 5@4 stride 2 padding 1                                                 => 5x8x8
add(identity, fine -> conv 5@1)                                               => 5x8x8
upconv 5@4 stride 2 padding same groups 5                                     => 5x16x16
softmax
"""
NETWORKS["pools"] = """\
input 3x17x14
conv 6@3 -> subsample 2 rounding floor -> scaledtanh                          => 6x7x6
a = conv 4@3 padding 1 -> lppool 2 stride 1 p 3                               => 4x6x5
b = conv 4@3 padding 1 -> minpool 2 stride 1                                  => 4x6x5
add(a, b) -> conv 6@3 padding 1
c = adaptiveavgpool 4x3                                                       => 6x4x3
d = adaptivemaxpool 4x3                                                       => 6x4x3
multiply(globalavgpool keep yes, c) -> e: maxtime                             => 6x3
concat(e -> flatten, d -> globallppool) -> dense 5 -> softmax
"""
NETWORKS["activations"] = """\
input 2x9x8
conv 8@3 padding 1 -> elu 0.5 -> conv 8@1 -> selu -> prelu start 0.1 -> spatialdropout 0
a = conv 4@3 -> gelu -> scale start 0.8 -> silu                               => 4x7x6
b = conv 4@3 -> gelu form tanh -> mish -> alphadropout 0                      => 4x7x6
minimum(a, b) -> conv 8@3 -> maxout 2 -> softplus                             => 4x5x4
conv 8@1 -> softsign -> hardtanh -> scale bias no -> clip -0.9 0.8
add(conv 8@3 padding 1 -> hardswish -> droppath 0, conv 8@1 -> hardsigmoid) -> relu6
flatten -> dropconnect 12 rate 0 -> tanh -> dense 5 -> logsoftmax -> softmax
"""
NETWORKS["lenet5"] = ""
NETWORKS["alexnet"] = ""

OPTIMIZERS = {
    "sgd": "sgd lr 0.01",
    "momentum": "sgd lr 0.002 momentum 0.9",
    "nesterov": "sgd lr 0.002 momentum 0.9 nesterov yes",
    "adam": "adam lr 0.001 eps 1e-4",
    "adamw": "adamw lr 0.001 eps 1e-4",
    "rmsprop": "rmsprop lr 0.0002 eps 1e-3",
    "rmsprop-momentum": "rmsprop lr 0.0005 alpha 0.9 eps 1e-3 momentum 0.9",
}
"""The optimizers, at rates at which the networks learn and no rounding error grows: beyond them,
PyTorch in float32 is not what it is in float64 either. So is a division by almost nothing.
"""


def shipped(name: str) -> str:
    """A shipped spec, without its claims and its recipe, and AlexNet in small."""
    text = find_spec(name).read_text(encoding="utf-8").partition("train {")[0]
    text = re.sub(r"=> \S+|^(expect|classes|param) .*$", "", text, flags=re.MULTILINE)
    for large, small in (("227x227", "67x67"), ("4096", "48"), ("dense classes", "dense 5")):
        text = text.replace(large, small)
    return text


def typed(network: str, recipe: str = "") -> TypedNetwork:
    """A network of the table with a recipe of its own."""
    text = NETWORKS[network] or shipped(network)
    return pipeline.typed(pipeline.check_text(f"{text}\ntrain {{\n{recipe}\n}}\n"))


def batches(
    network: TypedNetwork, recipe: Recipe, count: int, seed: int = 1
) -> Iterator[tuple[Any, Array]]:
    """Random pictures, with labels of the kind that the recipe's loss takes."""
    generator = numpy.random.default_rng(seed)
    main = network.types[next(iter(network.network.outputs.values()))]
    for _ in range(count):
        inputs = {
            node.name: generator.standard_normal((recipe.batch, *node.type.dims), numpy.float32)
            for node in network.network.inputs
        }
        shape = (recipe.batch, *main.dims)
        match recipe.loss.keyword:
            case "mse" | "mae" | "huber":
                labels: Array = generator.standard_normal(shape, numpy.float32)
            case "binarycrossentropy":
                labels = (generator.random(shape) < 0.5).astype(numpy.float32)
            case _:
                labels = generator.integers(main.channels, size=(shape[0], *shape[2:]))
        yield inputs, labels


def trainers(
    network: TypedNetwork, *, double: bool = False, other: TypedNetwork | None = None
) -> tuple[StepTrainer, TorchTrainer, Mapping[str, str]]:
    """Both sides with the same weights; and which of our values are drawn at random, by layer.

    With ``other``, PyTorch trains that instead.
    """
    recipe = network.network.recipe or Recipe()
    step = build_step(network, recipe)
    random = [
        node.name
        for node in network.network.nodes
        if isinstance(node, LayerNode) and isinstance(node.layer, Dropout | Noise)
    ]
    masks = masks_of(step, random)
    weights = initialise(network, 0, recipe.init)
    ours = StepTrainer(step, weights, watched=[*masks.values()], double=double)
    other = other or network
    return ours, TorchTrainer(other, other.network.recipe or Recipe(), weights), masks


def compare(network: TypedNetwork, other: TypedNetwork | None = None) -> None:
    """Train with both, and hold the losses of all steps and the last weights to each other.

    Any of three sets of batches will do. In some, a number is so near to a kink (of a relu, or
    where two cells are the largest) that rounding decides the side, and with it a gradient.
    """
    for seed in SEEDS:
        try:
            compare_on(network, other or network, seed)
        except AssertionError:
            if seed == SEEDS[-1]:
                raise
        else:
            return


def compare_on(network: TypedNetwork, other: TypedNetwork, seed: int) -> None:
    """The same on one set of batches."""
    recipe = network.network.recipe or Recipe()
    ours, theirs, masks = trainers(network, other=other)
    before = {name: array.copy() for name, array in theirs.weights().items()}
    optimizer: Any = recipe.optimizer
    for at, (inputs, labels) in enumerate(batches(network, recipe, STEPS, seed)):
        lr = optimizer.lr * (1 - at / (2 * STEPS))
        loss, shown = ours.step(inputs, labels, lr)
        theirs.masks = {layer: ours.seen[value] for layer, value in masks.items()}
        expected, right = theirs.step(inputs, labels, lr)
        assert loss == pytest.approx(expected, rel=LOSSES), f"the loss of step {at}"
        assert shown == pytest.approx(right, rel=LOSSES), f"the measure of step {at}"
    for name, array in theirs.weights().items():
        assert relative_error(ours.values[name], array) < WEIGHTS, name
        assert (name in theirs.learning) <= (not numpy.array_equal(before[name], array)), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize(
    "network",
    [pytest.param(one, marks=[pytest.mark.slow] * (one == "alexnet")) for one in NETWORKS],
)
def test_twenty_steps_are_those_of_pytorch(network: str, optimizer: str) -> None:
    compare(typed(network, f"batch 6\noptimizer {optimizer}\nweight_decay 0.1"))


RECIPES = {
    "label smoothing": "loss crossentropy smoothing 0.1",
    "hinge": "loss hinge margin 0.5",
    "squares": "loss mse",
    "absolute errors": "loss mae",
    "squares and lines": "loss huber delta 0.5\noptimizer adadelta lr 0.1 eps 1e-3",
    "held norms": "max_norm dense1 0.5\nmax_norm stem 0.4\noptimizer adagrad lr 0.005 eps 1e-3",
    "logistic": "loss binarycrossentropy",
    "clipping that acts": "clip 0.1\noptimizer sgd lr 0.1 momentum 0.9",
    "clipping that does not": "clip 1000",
    "decay of all": "weight_decay 0.05 all yes\noptimizer adam",
    "decay apart": "weight_decay 0.05\noptimizer adamw lr 0.01",
    "decay and clipping": "weight_decay 0.05\nclip 0.1\noptimizer rmsprop lr 0.001 momentum 0.5",
    "rates": "lr_factor stem 0.1\nlr_factor dense1 3\noptimizer adam",
    "frozen stem": "freeze stem batchnorm1\noptimizer sgd lr 0.05 momentum 0.9",
    "frozen block": "freeze basics1 basics2\noptimizer sgd lr 0.02 momentum 0.9 nesterov yes",
}
"""What a recipe can say besides the optimizer."""


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_twenty_steps_of_a_recipe_are_those_of_pytorch(recipe: str) -> None:
    compare(typed("resnet", f"batch 6\n{recipe}"))


OTHERS = {
    "momentum": ("optimizer sgd lr 0.01 momentum 0.9", "optimizer sgd lr 0.01 momentum 0.89"),
    "decay": ("weight_decay 0.1", "weight_decay 0.11"),
    "decay of biases": ("weight_decay 0.1", "weight_decay 0.1 all yes"),
    "decay apart": ("weight_decay 0.1\noptimizer adamw", "weight_decay 0.1\noptimizer adam"),
    "eps": ("optimizer adam eps 1e-4", "optimizer adam eps 2e-4"),
    "clipping": ("clip 0.1", "clip 0.101"),
    "rate": ("lr_factor dense1 1.01", ""),
    "norm": ("max_norm dense1 0.5", "max_norm dense1 0.51"),
}


@pytest.mark.parametrize("recipes", OTHERS.values(), ids=OTHERS)
def test_the_comparison_tells_recipes_apart(recipes: tuple[str, str]) -> None:
    ours, theirs = (typed("densenet", f"batch 6\n{recipe}") for recipe in recipes)
    with pytest.raises(AssertionError):
        compare(ours, theirs)


def test_every_layer_is_compared() -> None:
    compared = {
        node.layer.keyword
        for network in NETWORKS
        for node in typed(network).network.nodes
        if isinstance(node, LayerNode)
    }
    assert compared == set(LAYERS) == {*keywords()} - {*APART}


# --- gradients --------------------------------------------------------------------------------

REVEALING = "optimizer sgd lr 0.01 momentum 0.9"
"""The first velocity is the gradient."""


def gradients(network: TypedNetwork, *, double: bool) -> Iterator[tuple[str, Array, Array]]:
    """The gradient of each weight for one batch, ours and PyTorch's."""
    recipe = network.network.recipe or Recipe()
    ours, theirs, masks = trainers(network, double=double)
    inputs, labels = next(batches(network, recipe, 1))
    loss, _ = ours.step(inputs, labels, 0.1)
    theirs.masks = {layer: ours.seen[value] for layer, value in masks.items()}
    expected, _ = theirs.backward(inputs, labels)
    assert loss == pytest.approx(expected, rel=1e-6 if double else 1e-5)
    for name, array in theirs.gradients().items():
        yield name, ours.values[f"{name}.velocity"], array


@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_are_those_of_pytorch(network: str) -> None:
    for name, found, expected in gradients(typed(network, f"batch 4\n{REVEALING}"), double=False):
        assert relative_error(found, expected) < 1e-4, name


# Its MaxPool and ConvTranspose do not know what the other networks need: unlike margins, groups.
@pytest.mark.parametrize("network", ["lenet5", "vgg", "resnet", "bottlenecks", "densenet"])
def test_gradients_in_float64_are_those_of_pytorch(network: str) -> None:
    for name, found, expected in gradients(typed(network, f"batch 2\n{REVEALING}"), double=True):
        assert relative_error(found, expected) < 1e-6, name  # constants are float32 still

"""The gradients of the shipped blocks, `specs/std/`, are PyTorch's: one batch, every weight.

Each is small and has what its family is made of; `test_training_equality.py` has the plain ones.
"""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from oracle import relative_error
from torch_training import TorchTrainer
from training_steps import StepTrainer

from cnndsl import pipeline
from cnndsl.graph.initializers import initialise
from cnndsl.training.step import build_step

BLOCKS = {
    "original placement": """\
input 3x9x9
import "std/residual"
bottlenecks(4, 2, stride = 2, early = yes)
globalavgpool -> dense 5 -> softmax
""",
    "resnext": """\
input 3x9x9
import "std/residual"
bottlenecks(4, 2, stride = 2, inner = 8, groups = 4)
globalavgpool -> dense 5 -> softmax
""",
    "squeeze and excitation": """\
input 3x9x9
import "std/residual"
bottlenecks(4, 2, stride = 2, squeeze = 4)
globalavgpool -> dense 5 -> softmax
""",
    "wide": """\
input 3x9x9
import "std/preactivation"
conv 4@3 padding 1 bias no -> wides(8, 2, stride = 2)
batchnorm -> relu -> globalavgpool -> dense 5 -> softmax
""",
    "octave": """\
input 3x8x8
import "std/octave"
h, l = octparting(input, 8, 0.5)
h, l = octbottleneck(h, l, 8, 0.5)
h, l = octprojected(h, l, 8, 2, 0.5)
octjoining(h, l, 8) -> globalavgpool -> dense 5 -> softmax
""",
    "octave of pre-activation": """\
input 3x8x8
import "std/octave_preactivation"
h, l = preoctparting(input, 8, 0.25)
h, l = preoctbottleneck(h, l, 8, 0.25)
h, l = preoctprojected(h, l, 8, 2, 0.25)
preoctjoining(h, l, 8) -> prebottleneck(8) -> globalavgpool -> dense 5 -> softmax
""",
    "shortcuts without weights": """\
input 3x8x8
import "std/residual"
conv 4@3 padding 1 -> paddeds(4, 1) -> paddeds(8, 2, more = 4)
globalavgpool -> dense 5 -> softmax
""",
    "inception with normalisation": """\
input 3x12x12
import "std/inception"
inception_bn(4, 3, 6, 2, 3, 3) -> maxpool 2 -> inception_bn(4, 3, 6, 2, 3, 3)
globalavgpool -> dense 5 -> softmax
""",
    "inceptionv3, 5x5": """\
input 3x9x9
import "std/inceptionv3"
inception_a(4) -> reduction_a() -> globalavgpool -> dense 5 -> softmax
""",
    "inceptionv3, 7x7": """\
input 3x9x9
import "std/inceptionv3"
inception_b(8) -> reduction_b() -> globalavgpool -> dense 5 -> softmax
""",
    "inceptionv3, 3x3 apart": """\
input 3x5x5
import "std/inceptionv3"
inception_c() -> globalavgpool -> dense 5 -> softmax
""",
}


@pytest.mark.parametrize("block", BLOCKS)
def test_gradients_of_a_shipped_block_are_those_of_pytorch(block: str) -> None:
    recipe = "train {\nbatch 4\noptimizer sgd lr 0.01 momentum 0.9\n}\n"
    network = pipeline.typed(pipeline.check_text(BLOCKS[block] + recipe))
    found = network.network.recipe
    assert found is not None
    weights = initialise(network, 0, found.init)
    ours = StepTrainer(build_step(network, found), weights)
    theirs = TorchTrainer(network, found, weights)
    generator = numpy.random.default_rng(2)
    [source] = network.network.inputs
    x = {source.name: generator.standard_normal((4, *source.type.dims), numpy.float32)}
    labels: Any = generator.integers(5, size=4)
    loss, _ = ours.step(x, labels, 0.1)
    expected, _ = theirs.backward(x, labels)
    assert loss == pytest.approx(expected, rel=1e-5)
    for name, gradient in theirs.gradients().items():
        velocity = ours.values[f"{name}.velocity"]  # the first one is the gradient
        assert relative_error(velocity, gradient) < 1e-4, name

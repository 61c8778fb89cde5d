"""A network of each family of shipped specs, with fewer maps where they are large, learns a batch.

All losses of a network have to fall, those of its further outputs too.
"""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from cnndsl import pipeline, resources
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.recipe.optimizers.adam import Adam
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.step import build_step
from cnndsl.typecheck.heads import head_positions

Array = NDArray[Any]

BATCH, STEPS, RATE = 4, 60, 0.003
FASTER = {"tdnn": 0.1}
"""Rates of networks whose sigmoids let little through."""

SMALLER: MappingProxyType[str, tuple[int, dict[str, str]]] = MappingProxyType(
    {
        # LeNet, AlexNet, VGG.
        "lenet1989": (1, {}),
        "lenet5-1998": (1, {}),
        "alexnet-owt": (16, {"3x224x224": "3x67x67"}),
        "vgg11": (64, {"3x224x224": "3x32x32", "(64, 1)": "(8, 1)", "(128, 1)": "(12, 1)",
                       "(256, 2)": "(16, 1)", "(512, 2)": "(16, 1)"}),
        # Inception, with both classifiers on the way.
        "googlenet": (8, {"3x224x224": "3x94x94"}),
        "xception": (4, {"3x299x299": "3x43x43", "(728)": "(24)", "(128,": "(16,", "(256)": "(24)",
                         "(1024)": "(24)", "(1536)": "(32)", "(2048)": "(32)",
                         "repeat 8": "repeat 1"}),
        # ResNet, DenseNet, OctConv.
        "resnet20": (1, {"3x32x32": "3x16x16", "(16, 3)": "(16, 1)", "(32, 3": "(32, 1",
                         "(64, 3": "(64, 1"}),
        "se-resnet50": (4, {"3x224x224": "3x32x32", "(64, 3": "(8, 1", "(128, 4": "(8, 1",
                            "(256, 6": "(8, 1", "(512, 3": "(8, 1", "squeeze = 16": "squeeze = 4"}),
        "densenet-bc-100-12": (1, {"3x32x32": "3x16x16", "growth = 12": "growth = 4",
                                   "(16, growth)": "(2, growth)", "(108)": "(16)",
                                   "(150)": "(16)"}),
        "octresnet26": (4, {"3x224x224": "3x64x64", "64, alpha": "8, alpha", "[128, 256]": "[8]",
                            "(high, low, 512)": "(high, low, 8)", "neck(512)": "neck(8)"}),
        # Small and all-convolutional.
        "allcnn": (8, {}),
        "cifar10-full": (1, {}),
        "maxout-mnist": (4, {}),
        "local-13pct": (8, {}),
        "squeezenet": (4, {"3x224x224": "3x48x48"}),
        "shufflenetv2": (1, {"3x224x224": "3x32x32", "(116)": "(16)", "(232)": "(24)",
                             "(464)": "(32)", "repeat 7": "repeat 1", "repeat 3": "repeat 1",
                             "conv 1024": "conv 32"}),
        "convnext-tiny": (1, {"3x224x224": "3x32x32", "conv 96": "conv 8", "(96": "(8",
                              "(192": "(12", "(384, 9": "(16, 1", "(384": "(16", "(768": "(24"}),
        # One dimension.
        "tdnn": (1, {}),
        "spoken-digits": (8, {"1x8000": "1x2000"}),
        "activity-week": (1, {}),
        # Three.
        "ji3d": (1, {}),
        "atomnet": (32, {}),
        "two-stream": (32, {"224x224": "96x96"}),
        # Games.
        "dqn": (4, {}),
        "go-clark": (4, {"19x19": "9x9"}),
        "go-policy-value": (1, {"width = 256": "width = 8", "blocks = 19": "blocks = 1"}),
        # Detection; a segmentation is in `test_small_networks.py`.
        "fastrcnn-vgg16": (32, {"3x224x224": "3x64x64", "(64, 2)": "(8, 1)", "(128, 2)": "(8, 1)",
                                "(256, 3)": "(16, 1)", "(512, 3)": "(16, 1)"}),
        # Faces, history.
        "siamese": (1, {}),
        "neocognitron": (1, {}),
    }
)  # fmt: skip
"""By what the numbers of maps and units are divided, and what else is written differently."""

KEPT = 32
"""Numbers of maps and units up to this are left as they are."""


def smaller(name: str) -> str:
    """A shipped spec without its claims and its chance, and with fewer maps."""
    text = (resources.specs() / f"{name}.cnn").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^expect .*\n|[ \t]*=> [^#\n]*", "", text)
    share, changes = SMALLER[name]
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    text = re.sub(r"(dropout|droppath) [^\s)]+(?: \+ i\)/17)?", r"\1 0", text)

    def thinner(found: re.Match[str]) -> str:
        return re.sub(r"\d+", lambda one: str(max(2, int(one[0]) // share)), found[0])

    def fewer(found: re.Match[str]) -> str:
        count = int(found[2])
        return found[1] + str(count if count < KEPT else max(4, count // share))

    text = re.sub(r"((?:conv|dense|localconv) )(\d+)", fewer, text)
    return re.sub(r"\binception\([\d, ]+\)", thinner, text)


def losses_of(typed: TypedNetwork, recipe: Recipe, rate: float) -> list[float]:
    """What a network's losses are while it sees one batch again and again."""
    random = numpy.random.default_rng(1)
    step = build_step(typed, recipe)
    inputs: dict[str, Array] = {
        node.name: random.standard_normal((BATCH, *node.type.dims)).astype(numpy.float32)
        for node in typed.network.inputs
    }
    if "regions" in inputs:
        inputs["regions"] = numpy.tile(numpy.array([4, 4, 50, 50], numpy.float32), (BATCH, 1))
    labels: dict[str, Array] = {
        output: random.integers(0, 2, spec.dims).astype(spec.dtype)
        for output, spec in step.signature.labels.items()
    }
    weights = initialise(typed, 3, recipe.init, head_positions(typed.network, recipe))
    trained = TrainStep(step, weights, device="cpu", threads=1)
    return [trained.run(inputs, labels, rate, at, 0).loss for at in range(STEPS)]


@pytest.mark.parametrize("name", SMALLER)
def test_it_learns_a_batch_by_heart(name: str) -> None:
    typed = pipeline.typed(pipeline.check_text(smaller(name)))
    said = typed.network.recipe or Recipe()
    recipe = Recipe(
        optimizer=Adam(), loss=said.loss, heads=said.heads, batch=BATCH, init=Init("he")
    )
    losses = losses_of(typed, recipe, FASTER.get(name, RATE))
    assert losses[-1] < losses[0] / 4


@pytest.mark.parametrize("name", ["lenet5", "lenet-caffe", "neocognitron", "siamese", "dqn"])
def test_the_recipe_of_a_spec_lets_it_learn(name: str) -> None:
    """Beyond the best answer that is the same for all, with which dead units are content."""
    typed = pipeline.typed(pipeline.check(name))
    recipe = replace(typed.network.recipe or Recipe(), batch=BATCH)
    assert losses_of(typed, recipe, recipe.optimizer.lr)[-1] < 0.2

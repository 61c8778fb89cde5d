"""Small networks, and those for volumes, texts, games and segmentation, against PyTorch.

Whole ones at reduced sizes give the same answers from the same weights. Short ones, made of the
same blocks, have the same gradients, and learn a batch by heart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy
import pytest
from oracle import TOLERANCE, Array, compiled, draw, relative_error
from small_modules import (
    Kim,
    UNet,
    c3d,
    convnext,
    dqn,
    efficientnet,
    mobilenetv2,
    mobilenetv3,
    shufflenetv2,
)
from training_steps import StepTrainer

import cnndsl
from cnndsl import pipeline, resources
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.training.step import build_step

torch: Any = pytest.importorskip("torch")

V2 = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
      (6, 320, 1, 1)]  # fmt: skip
V3 = [(3, 16, 16, 8, 0, 2), (3, 72, 24, 0, 0, 2), (3, 88, 24, 0, 0, 1), (5, 96, 40, 24, 1, 2),
      (5, 240, 40, 64, 1, 1), (5, 240, 40, 64, 1, 1), (5, 120, 48, 32, 1, 1),
      (5, 144, 48, 40, 1, 1), (5, 288, 96, 72, 1, 2), (5, 576, 96, 144, 1, 1),
      (5, 576, 96, 144, 1, 1)]  # fmt: skip
V3_LARGE = [(3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 24, 0, 2),
            (5, 120, 40, 32, 0, 1), (5, 120, 40, 32, 0, 1), (3, 240, 80, 0, 1, 2),
            (3, 200, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1),
            (3, 480, 112, 120, 1, 1), (3, 672, 112, 168, 1, 1), (5, 672, 160, 168, 1, 2),
            (5, 960, 160, 240, 1, 1), (5, 960, 160, 240, 1, 1)]  # fmt: skip
B0 = [(1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2), (6, 5, 112, 3, 1),
      (6, 5, 192, 4, 2), (6, 3, 320, 1, 1)]  # fmt: skip

WHOLE: MappingProxyType[str, tuple[str, str, Callable[[], Any]]] = MappingProxyType(
    {
        "mobilenetv2": ("3x224x224", "3x32x32", lambda: mobilenetv2(32, V2, 1280, 1000)),
        "mobilenetv3": ("3x224x224", "3x32x32", lambda: mobilenetv3(16, V3_LARGE, 960, 1280, 1000)),
        "mobilenetv3-small": ("3x224x224", "3x32x32", lambda: mobilenetv3(16, V3, 576, 1024, 1000)),
        "efficientnetb0": ("3x224x224", "3x32x32", lambda: efficientnet(32, B0, 1280, 1000)),
        "shufflenetv2": (
            "3x224x224", "3x32x32",
            lambda: shufflenetv2(24, [(116, 4), (232, 8), (464, 4)], 1024, 1000),
        ),
        "convnext-tiny": (
            "3x224x224", "3x32x32", lambda: convnext([(96, 3), (192, 3), (384, 9), (768, 3)], 1000)
        ),
        "c3d-small": (
            "3x16x112x112", "3x16x32x32", lambda: c3d((64, 128, 256, 256, 256), 2048, 256, 101)
        ),
        "textcnn": ("18766", "500", lambda: Kim(500, 300, 100, 2)),
        "dqn": ("4x84x84", "4x84x84", lambda: dqn(4)),
        "unet": ("1x572x572", "1x204x204", lambda: UNet((64, 128, 256, 512, 1024), 0, 2)),
    }
)  # fmt: skip
"""Each shipped network: its size, one that takes less time, and the same in PyTorch."""

HEAD = "globalavgpool -> dense 3 -> softmax\n"

SHORT: MappingProxyType[str, tuple[str, Callable[[], Any]]] = MappingProxyType(
    {
        "mobilenetv2": (
            'import "std/inverted"\ninput 3x16x16\nrounding floor\n'
            "conv 8@3 stride 2 padding 1 bias no -> batchnorm -> relu6\n"
            "inverteds(6, 1, expansion = 1)\ninverteds(8, 2, stride = 2)\n"
            f"conv 16@1 bias no -> batchnorm -> relu6\n{HEAD}",
            lambda: mobilenetv2(8, [(1, 6, 1, 1), (6, 8, 2, 2)], 16, 3),
        ),
        "mobilenetv3": (
            'import "std/mobilenetv3"\ninput 3x16x16\nrounding floor\n'
            "conv 8@3 stride 2 padding 1 bias no -> batchnorm eps 0.001 -> hardswish\n"
            "bneck(3, 8, 8, squeeze = 4)\n"
            "bneck(5, 12, 6, swish = yes, stride = 2)\n"
            "conv 16@1 bias no -> batchnorm eps 0.001 -> hardswish\n"
            "globalavgpool -> dense 8 -> hardswish -> dense 3 -> softmax\n",
            lambda: mobilenetv3(8, [(3, 8, 8, 4, 0, 1), (5, 12, 6, 0, 1, 2)], 16, 8, 3),
        ),
        "efficientnetb0": (
            'import "std/mbconv"\ninput 3x16x16\nrounding floor\n'
            "conv 8@3 stride 2 padding 1 bias no -> batchnorm -> silu\n"
            "mbconvs(6, 1, 3, 1, expansion = 1)\nmbconvs(8, 2, 5, 0, stride = 2)\n"
            f"conv 16@1 bias no -> batchnorm -> silu\n{HEAD}",
            # The shortcut of the second row's last block is never dropped: it is the first of all.
            lambda: efficientnet(8, [(1, 3, 6, 1, 1), (6, 5, 8, 2, 2)], 16, 3),
        ),
        "textcnn": (
            "input tokens 12 vocabulary 30\n"
            "embedding 8 layout image padding_id 0\n"
            "concat(for k in [3, 4, 5] { conv 6@[k, 8] -> relu -> maxtime })\n"
            "dense 3 -> softmax\n",
            lambda: Kim(30, 8, 6, 3),
        ),
        "c3d": (
            "input 3x16x32x32\nconv 8@3 padding 1 -> relu -> maxpool [1, 2, 2]\n"
            "for width in [8, 8, 8] { conv width@3 padding 1 -> relu -> maxpool 2 }\n"
            "conv 8@3 padding 1 -> relu -> maxpool 2 rounding ceil\n"
            "flatten -> dense 16 -> relu -> dense 16 -> relu -> dense 3 -> softmax\n",
            lambda: c3d((8, 8, 8, 8, 8), 16, 8, 3),
        ),
    }
)
"""Networks of a few blocks, with three classes."""


def text_of(name: str, before: str, after: str) -> str:
    """A shipped spec for another size of input, without its claims and its softmax."""
    text = (resources.specs() / f"{name}.cnn").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^expect .*\n|[ \t]*=> [^#\n]*", "", text)
    assert text.count(before) == 1
    return text.replace(before, after).replace(" -> softmax", "")


def samples(network: Any, count: int) -> tuple[str, Array]:
    """The name of its only input, and random samples for it."""
    random = numpy.random.default_rng(2)
    ((name, dims),) = network.inputs.items()
    if "tokens" in network.text:
        return name, random.integers(0, 30, (count, *dims))
    return name, random.standard_normal((count, *dims), numpy.float32)


def handed_over(module: Any, arrays: dict[str, Array]) -> dict[str, str]:
    """Give a module our weights, in their order; its names by ours."""
    state = {name: one for name, one in module.state_dict().items() if "num_batches" not in name}
    names = dict(zip(arrays, state, strict=True))
    module.load_state_dict(
        {theirs: torch.from_numpy(arrays[ours]) for ours, theirs in names.items()}, strict=False
    )
    return names


@pytest.mark.parametrize("name", WHOLE)
def test_a_shipped_network_computes_what_pytorch_does(name: str, tmp_path: Path) -> None:
    before, after, module = WHOLE[name]
    network = cnndsl.parse(text_of(name, before, after))
    arrays = draw(network.weights)
    theirs = module().eval()
    handed_over(theirs, arrays)
    _, x = samples(network, 2)
    with torch.inference_mode():
        given = torch.from_numpy(x)
        expected = theirs.double()(given.double() if given.is_floating_point() else given)
    found = compiled(network, arrays, tmp_path).run(x)
    assert relative_error(found, numpy.asarray(expected)) < TOLERANCE


def in_training(name: str, settings: str) -> tuple[Any, StepTrainer, dict[str, Array], Array]:
    """A short network: itself, what trains it, its weights, and samples."""
    body, _ = SHORT[name]
    network = cnndsl.parse(f"network short\n{body}train {{\n  batch 6\n  {settings}\n}}\n")
    typed = pipeline.typed(pipeline.check_text(network.text))
    weights = dict(initialise(typed, 0, Init("he")))
    return network, StepTrainer(build_step(typed), weights), weights, samples(network, 6)[1]


LABELS = numpy.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("name", SHORT)
def test_the_gradients_of_its_blocks_are_those_of_pytorch(name: str) -> None:
    """The first velocity is the gradient."""
    network, ours, weights, x = in_training(name, "optimizer sgd lr 0.01 momentum 0.9")
    theirs = SHORT[name][1]()
    names = handed_over(theirs, weights)
    given = torch.from_numpy(x)
    scores = theirs.double().train()(given.double() if given.is_floating_point() else given)
    expected = torch.nn.functional.cross_entropy(scores, torch.from_numpy(LABELS))
    expected.backward()
    loss, _ = ours.step({next(iter(network.inputs)): x}, LABELS, 0.01)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    gradients = {name: one.grad for name, one in theirs.named_parameters()}
    learning = [one for one in names if f"{one}.velocity" in ours.values]
    assert len(learning) == len(gradients)
    for one in learning:
        found, wanted = ours.values[f"{one}.velocity"], numpy.asarray(gradients[names[one]])
        # Where normalisation takes away what a weight does, both are small but for rounding.
        scale = max(float(numpy.abs(wanted).max()), 1e-2)
        assert numpy.abs(found - wanted).max() < 1e-4 * scale, one


@pytest.mark.parametrize("name", SHORT)
def test_it_learns_a_batch_by_heart(name: str) -> None:
    network, ours, _, x = in_training(name, "optimizer adam")
    given = {next(iter(network.inputs)): x}
    first, _ = ours.step(given, LABELS, 0.01)
    for _ in range(60):
        last, right = ours.step(given, LABELS, 0.01)
    assert last < first / 10
    assert right == len(LABELS)

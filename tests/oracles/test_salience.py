"""Salience maps are those that PyTorch's autograd gives for the same weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
import pytest

import cnndsl
from cnndsl.autodiff.salience import Salience
from cnndsl.data.sources import Array
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.pipeline import compile as compiled
from cnndsl.runtime.session import Session

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

SPEC = """
network little
input 3x18x18
classes "ant", "bee", "cow"
C1: conv 6@3 padding 1
batchnorm -> relu -> maxpool 2
C2: conv 8@3 stride 2 -> tanh
C3: conv 5@2 -> sigmoid
flatten -> dense 3 {last}
"""


def spec(last: str) -> cnndsl.Network:
    return cnndsl.parse(SPEC.format(last=last))


def weights(network: cnndsl.Network) -> dict[str, Array]:
    drawn = dict(initialise(network.typed, 3, Init("normal", 0.4)))
    random = numpy.random.default_rng(4)
    for name, array in drawn.items():
        if name.endswith((".var", ".scale")):
            drawn[name] = random.uniform(0.5, 2, array.shape).astype(numpy.float32)
    return drawn


def in_torch(arrays: dict[str, Array], x: Any) -> tuple[Any, dict[str, Any]]:
    """The logits, and the maps of the convolutions."""
    w = {name: torch.tensor(array) for name, array in arrays.items()}
    maps = {"C1": F.conv2d(x, w["C1.weight"], w["C1.bias"], padding=1)}
    norm = [w[f"batchnorm1.{name}"] for name in ("mean", "var", "scale", "bias")]
    hidden = F.max_pool2d(F.relu(F.batch_norm(maps["C1"], *norm)), 2)
    maps["C2"] = F.conv2d(hidden, w["C2.weight"], w["C2.bias"], stride=2)
    maps["C3"] = F.conv2d(torch.tanh(maps["C2"]), w["C3.weight"], w["C3.bias"])
    maps["sigmoid"] = torch.sigmoid(maps["C3"])
    flat = maps["sigmoid"].flatten(1)
    return flat @ w["dense1.weight"].T + w["dense1.bias"], maps


def expected(arrays: dict[str, Array], picture: Array, target: int, layer: str) -> Array:
    x = torch.tensor(picture, requires_grad=True)
    logits, maps = in_torch(arrays, x)
    if not layer:
        [slope] = torch.autograd.grad(logits[0, target], x)
        found: Array = slope.abs().amax(1).numpy()
        return found
    [slope] = torch.autograd.grad(logits[0, target], maps[layer])
    summed = F.relu((maps[layer] * slope.mean((2, 3), keepdim=True)).sum(1, keepdim=True))
    large = F.interpolate(summed, picture.shape[2:], mode="bilinear", align_corners=False)
    stretched: Array = large[:, 0].detach().numpy()
    return stretched


def ours(
    network: cnndsl.Network, arrays: dict[str, Array], picture: Array, wanted: Salience
) -> Array:
    model = replace(compiled(network.typed, salience=wanted), weights=arrays)
    return Session(model.for_runtime(), "cpu").run({"input": picture})["salience"]


@pytest.mark.parametrize("last", ["-> softmax", ""])
@pytest.mark.parametrize("layer", ["", "C1", "C2", "C3"])
def test_maps_are_those_of_autograd(last: str, layer: str) -> None:
    network = spec(last)
    arrays = weights(network)
    picture = numpy.random.default_rng(1).normal(size=(1, 3, 18, 18)).astype(numpy.float32)
    for target, name in enumerate(("ant", "bee", "cow")):
        wanted = Salience(name, "gradcam" if layer else "gradient", layer)
        found = ours(network, arrays, picture, wanted)
        reference = expected(arrays, picture, target, layer)
        largest = abs(reference).max()
        assert largest > 0
        numpy.testing.assert_allclose(found / largest, reference / largest, atol=1e-4)


def test_the_last_convolution_and_the_answer_are_the_defaults() -> None:
    network = spec("-> softmax")
    arrays = weights(network)
    picture = numpy.random.default_rng(2).normal(size=(1, 3, 18, 18)).astype(numpy.float32)
    answer = int(in_torch(arrays, torch.tensor(picture))[0].argmax())
    found = ours(network, arrays, picture, Salience(method="gradcam"))
    reference = expected(arrays, picture, answer, "sigmoid")
    assert abs(reference).max() > 0
    numpy.testing.assert_allclose(found, reference, atol=1e-4 * abs(reference).max())


def test_samples_of_a_batch_do_not_see_each_other() -> None:
    network = spec("-> softmax")
    arrays = weights(network)
    pictures = numpy.random.default_rng(3).normal(size=(3, 3, 18, 18)).astype(numpy.float32)
    model = replace(compiled(network.typed, salience=Salience(1), batch=3), weights=arrays)
    found = Session(model.for_runtime(), "cpu").run({"input": pictures})["salience"]
    reference = [expected(arrays, one[None], 1, "")[0] for one in pictures]
    numpy.testing.assert_allclose(found, reference, atol=1e-4 * numpy.abs(reference).max())


def test_the_score_is_the_logit_also_where_the_softmax_is_sure() -> None:
    """Of a probability of 1 in float32 there is no slope, of its logit there is."""
    network = spec("-> softmax")
    arrays = weights(network)
    arrays["dense1.bias"] = numpy.array([200, 0, 0], numpy.float32)
    picture = numpy.random.default_rng(1).normal(size=(1, 3, 18, 18)).astype(numpy.float32)
    assert ours(network, arrays, picture, Salience("ant")).max() > 1e-3

"""LeCun's networks of 1989 and 1998 as published, against PyTorch written from the papers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from oracle import TOLERANCE, Array, compiled, draw, relative_error

import cnndsl
from cnndsl.pipeline import check, typed

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

C3 = "012 123 234 345 045 015 0123 1234 2345 0345 0145 0125 0134 1245 0235 012345"
"""Table I of 1998: the maps of S2 that each map of C3 sees."""


def squashed(x: Any) -> Any:
    return 1.7159 * torch.tanh(2 / 3 * x)


def dense_kernels(weight: Any, table: Sequence[Sequence[int]], channels: int) -> Any:
    """Kernels in the rows of a table as those of a whole convolution, zeros among them."""
    whole = torch.zeros(len(table), channels, *weight.shape[1:], dtype=weight.dtype)
    places = [(filter, channel) for filter, row in enumerate(table) for channel in row]
    for kernel, (filter, channel) in zip(weight, places, strict=True):
        whole[filter, channel] = kernel
    return whole


def lenet5_1998(w: dict[str, Any], x: Any) -> Any:
    def subsampled(x: Any, name: str) -> Any:
        sums = 4 * F.avg_pool2d(x, 2)
        return squashed(sums * w[f"{name}.scale"][:, None, None] + w[f"{name}.bias"][:, None, None])

    x = subsampled(squashed(F.conv2d(x, w["C1.weight"], w["C1.bias"])), "S2")
    kernels = dense_kernels(w["C3.weight"], [[int(one) for one in row] for row in C3.split()], 6)
    x = subsampled(squashed(F.conv2d(x, kernels, w["C3.bias"])), "S4")
    x = squashed(F.conv2d(x, w["C5.weight"], w["C5.bias"])).flatten(1)
    x = squashed(F.linear(x, w["F6.weight"], w["F6.bias"]))
    distances = ((x[:, None] - codes()) ** 2).sum(2)
    return torch.softmax(-distances, 1)


def codes() -> Any:
    """The pictures of the digits, as the spec draws them."""
    [layer] = [
        node.layer
        for node in typed(check("lenet5-1998")).network.nodes
        if node.name == "OUTPUT" and hasattr(node, "layer")
    ]
    return torch.tensor(layer.codes, dtype=torch.float64)  # type: ignore[union-attr]


def lenet1989(w: dict[str, Any], x: Any) -> Any:
    def bordered(x: Any) -> Any:
        return F.pad(x, (2, 1, 2, 1), value=-1.0)

    x = squashed(F.conv2d(bordered(x), w["H1.weight"], stride=2) + w["bias1.bias"])
    table = [sorted((first + at) % 12 for at in range(8)) for first in range(12)]
    kernels = dense_kernels(w["H2.weight"], table, 12)
    x = squashed(F.conv2d(bordered(x), kernels, stride=2) + w["bias2.bias"]).flatten(1)
    x = squashed(F.linear(x, w["H3.weight"], w["H3.bias"]))
    return squashed(F.linear(x, w["OUTPUT.weight"], w["OUTPUT.bias"]))


@pytest.mark.parametrize("build", [lenet5_1998, lenet1989], ids=["lenet5-1998", "lenet1989"])
def test_an_early_lenet_computes_what_pytorch_does(build: Any, tmp_path: Path) -> None:
    network = cnndsl.load(build.__name__.replace("_", "-"))
    arrays = draw(network.weights, scales=(0.1, 0.3))
    [dims] = network.inputs.values()
    x = numpy.random.default_rng(1).standard_normal((3, *dims), numpy.float32)
    weights = {name: torch.from_numpy(array).double() for name, array in arrays.items()}
    expected: Array = numpy.asarray(build(weights, torch.from_numpy(x).double()))
    found = compiled(network, arrays, tmp_path).run(x)
    assert relative_error(found, expected) < TOLERANCE


def test_the_pictures_of_the_digits_are_unlike() -> None:
    """Each has 7x12 pixels, and no two agree but for a few."""
    pictures = codes()
    assert pictures.shape == (10, 84)
    assert set(pictures.unique().tolist()) == {-1.0, 1.0}
    unlike = (pictures[:, None] != pictures[None]).sum(2)
    assert int(unlike[~torch.eye(10, dtype=torch.bool)].min()) >= 5

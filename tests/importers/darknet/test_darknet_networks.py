"""Networks of Darknet's are what Darknet makes of them: by counts, and by what it computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy
import pytest
from imported_runs import counts, outputs_of

from cnndsl.importers.networks.darknet.reader import read_darknet
from cnndsl.importers.networks.graph import ImportedNetwork, ImportedNode

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize(
    ("file", "params", "macs"),
    [
        ("alexnet", 62_378_344, 1_135_256_096),
        ("cifar", 7_681_674, 812_198_912),
        ("darknet19", 20_842_376, 3_645_374_464),
        ("darknet53", 41_609_928, 9_285_115_904),
        ("densenet201", 17_173_160, 5_424_021_504),
        ("resnet18", 11_515_688, 2_344_079_360),
        ("resnet50", 22_780_456, 4_870_586_368),
        ("tiny", 1_042_104, 491_524_096),
        ("vgg-16", 138_357_544, 15_470_264_320),
    ],
)
def test_counts_are_those_of_darknet(file: str, params: int, macs: int) -> None:
    """The parameters as Darknet's weights files hold them, the multiplications as it counts them.

    Twice the multiplications are the FLOPs of convolutions that Darknet shows for its layers.
    """
    network = read_darknet(DATA / f"{file}.cfg")
    assert network.refused == ()
    assert counts(network) == (params, macs)


def stored(network: ImportedNetwork, numbers: numpy.ndarray) -> dict[int, dict[str, numpy.ndarray]]:
    """The numbers of a weights file, behind its header, for each node: in ``parser.c``'s order."""
    at = 0

    def take(*shape: int) -> numpy.ndarray:
        nonlocal at
        count = int(numpy.prod(shape))
        at += count
        return numbers[at - count : at].reshape(shape)

    found: dict[int, dict[str, numpy.ndarray]] = {}
    for place, node in enumerate(network.nodes):
        types = [network.types[one] for one in node.inputs]
        shapes = {one.name: one.shape for one in node.layer.weights(*types)}
        if not shapes or node.keyword == "batchnorm":
            continue
        norm = place + 1 if "bias" not in shapes else 0
        channels = shapes["weight"][0]
        bias = take(*shapes.get("bias", (channels,)))
        kernel = take(*shapes["weight"]) if node.keyword == "dense" else None
        if norm:
            rest = {role: take(channels) for role in ("scale", "mean", "var")}
            found[norm] = {"bias": bias, **rest}
        found[place] = {
            "bias": bias,
            "weight": take(*shapes["weight"]) if kernel is None else kernel,
        }
    assert at == len(numbers)
    return found


@pytest.mark.parametrize("name", ["kinds", "blocks"])
def test_outputs_are_those_of_darknet(name: str, tmp_path: Path) -> None:
    network = read_darknet(DATA / f"{name}.cfg")
    assert network.refused == ()
    with numpy.load(DATA / f"{name}.npz") as file:
        arrays = dict(file)
    weights = stored(network, arrays["weights"])
    places = {id(node): at for at, node in enumerate(network.nodes)}

    def numbers(
        node: ImportedNode, shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, numpy.ndarray]:
        return weights[places[id(node)]]

    [answers] = outputs_of(network, numbers, tmp_path, arrays["input"][None])
    numpy.testing.assert_allclose(answers[0], arrays["output"], rtol=1e-4, atol=1e-6)

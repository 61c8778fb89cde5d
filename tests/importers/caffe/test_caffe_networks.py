"""Networks of Caffe's are what Caffe makes of them: by counts, and by what real Caffe computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy
import pytest
from imported_runs import counts, outputs_of

from cnndsl.importers.networks.caffe.reader import read_caffe
from cnndsl.importers.networks.graph import ImportedNode

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize(
    ("file", "params", "macs"),
    [
        ("bvlc_alexnet/deploy", 60_965_224, 724_406_816),
        ("bvlc_alexnet/train_val", 60_965_224, 724_406_816),
        ("bvlc_googlenet/deploy", 6_998_552, 1_582_671_872),
        ("bvlc_googlenet/train_val", 13_378_280, 1_591_044_096),
    ],
)
def test_counts_are_the_published_ones(file: str, params: int, macs: int) -> None:
    network = read_caffe(DATA / f"{file}.prototxt")
    assert network.refused == ()
    assert counts(network) == (params, macs)


@pytest.mark.parametrize("name", ["kinds", "old", "oldest"])
def test_outputs_are_those_of_caffe(name: str, tmp_path: Path) -> None:
    network = read_caffe(DATA / f"{name}.prototxt")
    assert network.refused == ()
    with numpy.load(DATA / f"{name}.npz") as file:
        arrays = dict(file)
    weights = {
        key.removeprefix("weights/").replace("|", "/"): value
        for key, value in arrays.items()
        if key.startswith("weights/")
    }

    def numbers(
        node: ImportedNode, shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, numpy.ndarray]:
        own = [weights[f"{node.label}/{at}"] for at in range(3) if f"{node.label}/{at}" in weights]
        if node.keyword == "batchnorm":
            mean, variance, factor = own
            behind = {"bn2": "scale2"}.get(node.label, "")
            scale = weights.get(f"{behind}/0", numpy.ones_like(mean))
            bias = weights.get(f"{behind}/1", numpy.zeros_like(mean))
            return {"mean": mean / factor, "var": variance / factor, "scale": scale, "bias": bias}
        return dict(zip(shapes, own, strict=True))

    [answers] = outputs_of(network, numbers, tmp_path, arrays["input"])
    numpy.testing.assert_allclose(answers, arrays["output/prob"], rtol=1e-4, atol=1e-6)

"""A network of pictures and regions, with a class and a box for each: trained, run, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

import cnndsl
from cnndsl.runtime.model import Model

SPEC = """\
input picture 1x24x24
input regions 4
stem = picture -> conv 6@3 padding 1 -> relu -> maxpool 2
features = stem -> conv 8@3 padding 1 -> relu
POOL(features, regions, size = 4x4, scale = 1/2)      => 8x4x4
flatten -> trunk: dense 24 -> relu
box: dense 4
trunk -> dense 3 -> softmax
output box
train {
  batch 16
  epochs 8
  optimizer adam lr 0.01
  loss crossentropy
  loss box mse
}
"""


def scenes(count: int, seed: int) -> dict[str, Any]:
    """Two patches a picture, of which the region tells one; and how far it lies from its patch."""
    random = numpy.random.default_rng(seed)
    picture = random.normal(0, 0.1, (count, 1, 24, 24)).astype(numpy.float32)
    regions, box = (numpy.zeros((count, 4), numpy.float32) for _ in range(2))
    y = random.integers(3, size=count)
    for at in range(count):
        kinds = (y[at], random.integers(3))
        for turn, kind in enumerate(kinds):
            side, left = int(random.integers(8, 11)), 12 * ((turn + at) % 2) + 1
            top = int(random.integers(1, 13))
            rows, columns = (3 if kind == 1 else 1), (3 if kind == 2 else 1)
            picture[at, 0, top : top + side : rows, left : left + side : columns] += 1
            if turn == 0:
                off = random.integers(-2, 3, 4)
                regions[at] = numpy.array([left, top, left + side - 1, top + side - 1]) + off
                box[at] = -off / 4
    return {"picture": picture, "regions": regions, "y": y, "box": box}


@pytest.mark.parametrize("keyword", ["roipool", "roialign"])
def test_a_head_of_classes_and_boxes_learns_from_a_file_of_pictures_and_regions(
    keyword: str, tmp_path: Path
) -> None:
    numpy.savez(tmp_path / "data.npz", **scenes(400, 1))
    numpy.savez(tmp_path / "test.npz", **scenes(120, 2))
    spec = SPEC.replace("POOL", keyword)
    network = cnndsl.parse(spec)
    network.train(tmp_path / "data.npz", out=tmp_path / "run", device="cpu", threads=1, seed=3)
    weights = tmp_path / "run" / "model.onnx"
    found = network.evaluate(tmp_path / "test.npz", weights, device="cpu")
    assert found.accuracy is not None
    assert found.accuracy > 0.9
    model = Model(weights, device="cpu")
    given = scenes(5, 4)
    answer = model.run(picture=given["picture"], regions=given["regions"])
    same = model.run(given["picture"], given["regions"])
    assert answer.shape == (5, 3)
    numpy.testing.assert_array_equal(answer, same)
    other = model.run(picture=given["picture"], regions=given["regions"] * 0)
    assert abs(answer - other).max() > 0.01

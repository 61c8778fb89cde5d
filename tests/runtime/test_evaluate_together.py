"""The mean of several views and models is measured as one model is, and so are its parts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

import cnndsl
from cnndsl.data.sources import Array
from cnndsl.data.views import Crops
from cnndsl.diagnostics.model import UserError

RANDOM = numpy.random.default_rng(9)
HEAD = """\
network tiny
input 1x8x8 {{
  scale 1/255
  fit crop from 10
}}
{body}
train {{ loss {loss} }}
"""
CLASSES = "flatten -> dense 3 -> softmax"
PICTURES = RANDOM.integers(0, 256, (17, 10, 10), numpy.uint8)


def network(body: str = CLASSES, loss: str = "crossentropy") -> cnndsl.Network:
    return cnndsl.parse(HEAD.format(body=body, loss=loss))


def saved(
    folder: Path, name: str, seed: int, body: str = CLASSES, loss: str = "crossentropy"
) -> str:
    path = folder / f"{name}.onnx"
    network(body, loss).compile(seed=seed, device="cpu").save(path)
    return str(path)


def crops(count: Crops) -> list[Array]:
    pictures = PICTURES.astype(numpy.float32)[:, None] / 255
    corners = [(1, 1), (0, 0), (0, 2), (2, 0), (2, 2)][: 1 if count == 1 else 5]
    views = [pictures[..., top : top + 8, left : left + 8] for top, left in corners]
    return [*views, *(one[..., ::-1] for one in views)] if count == 10 else views


def answers(path: str, views: list[Array]) -> list[Array]:
    model = cnndsl.Model(path, device="cpu")
    return [model.run(numpy.ascontiguousarray(one)) for one in views]


def losses(p: Array, y: Array) -> float:
    return float(-numpy.log(p[numpy.arange(len(y)), y]).mean())


def test_classes_are_measured_by_the_mean_of_their_probabilities(tmp_path: Path) -> None:
    y = RANDOM.integers(0, 3, 17)
    a, b = saved(tmp_path, "a", 1), saved(tmp_path, "b", 2)
    found = cnndsl.evaluate([a, b], (PICTURES, y), crops=10, batch=5, device="cpu")
    of_each = {path: answers(path, crops(10)) for path in (a, b)}
    expected = numpy.mean([*of_each[a], *of_each[b]], axis=0)
    assert found.loss == pytest.approx(losses(expected, y), rel=1e-5)
    assert found.top1 == (expected.argmax(1) == y).mean()
    known = {(part.models, part.views): part.evaluation for part in found.parts}
    each = [((one,), count) for one in (a, b) for count in (1, 5, 10)]
    assert list(known) == [*each, ((a, b), 1), ((a, b), 5)]
    once = {path: answers(path, crops(1))[0] for path in (a, b)}
    for models, one in {(a,): once[a], (b,): once[b], (a, b): (once[a] + once[b]) / 2}.items():
        assert known[models, 1].loss == pytest.approx(losses(one, y), rel=1e-5)
        assert known[models, 1].top1 == (one.argmax(1) == y).mean()
    alone = numpy.mean(of_each[a], axis=0)
    assert known[(a,), 10].loss == pytest.approx(losses(alone, y), rel=1e-5)
    upright = numpy.mean([*of_each[a][:5], *of_each[b][:5]], axis=0)
    assert known[(a, b), 5].loss == pytest.approx(losses(upright, y), rel=1e-5)


def test_one_view_of_one_model_is_what_measuring_it_alone_gives(tmp_path: Path) -> None:
    y = RANDOM.integers(0, 3, 17)
    path = saved(tmp_path, "a", 1)
    plain = network().evaluate((PICTURES, y), path, device="cpu")
    for options in ({"flip": True}, {"crops": 5}):
        found = network().evaluate((PICTURES, y), path, device="cpu", **options)
        [part] = found.parts
        assert (part.models, part.views) == ((path,), 1)
        assert part.evaluation.loss == pytest.approx(plain.loss, rel=1e-9)
    assert plain.parts == ()


def test_what_one_model_kept_aside_another_one_may_have_learnt(tmp_path: Path) -> None:
    y = RANDOM.integers(0, 3, 17)
    paths = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        paths.append(tmp_path / f"{name}.onnx")
        body = f"flatten -> dense 3 -> softmax\ntrain {{ seed {seed} }}\n"
        cnndsl.parse(f"input 1x8x8\n{body}").compile(seed=len(paths), device="cpu").save(paths[-1])
    a, b, c = paths
    x = RANDOM.normal(size=(17, 1, 8, 8)).astype(numpy.float32)
    found = cnndsl.evaluate([a, b], (x, y), valid=0.3, device="cpu")
    assert 0 < found.count < 17
    with pytest.raises(UserError) as caught:
        cnndsl.evaluate([a, b, c], (x, y), valid=0.3, device="cpu")
    assert caught.value.code == "CNN716"
    assert "(seed 2)" in caught.value.message
    assert cnndsl.evaluate([a, c], (x, y), device="cpu").count == 17


def test_a_picture_and_its_mirror_image(tmp_path: Path) -> None:
    y = RANDOM.integers(0, 3, 17)
    path = saved(tmp_path, "a", 1)
    found = network().evaluate((PICTURES, y), path, flip=True, device="cpu")
    views = crops(1)
    expected = numpy.mean(answers(path, [views[0], views[0][..., ::-1]]), axis=0)
    assert found.loss == pytest.approx(losses(expected, y), rel=1e-5)


def test_labels_are_measured_by_the_mean_of_their_probabilities(tmp_path: Path) -> None:
    body, loss = "flatten -> dense 2 -> sigmoid", "binarycrossentropy"
    y = RANDOM.integers(0, 2, (17, 2)).astype(numpy.float32)
    paths = [saved(tmp_path, name, seed, body, loss) for seed, name in enumerate("ab")]
    found = cnndsl.evaluate(paths, (PICTURES, y), device="cpu")
    p = numpy.mean([answers(path, crops(1))[0] for path in paths], axis=0).astype(float)
    expected = -(y * numpy.log(p) + (1 - y) * numpy.log(1 - p)).mean()
    assert found.loss == pytest.approx(expected, rel=1e-5)
    assert found.accuracy == ((p > 0.5) == (y > 0.5)).mean()


def test_values_are_measured_by_their_mean(tmp_path: Path) -> None:
    body, loss = "flatten -> dense 2", "mse"
    y = RANDOM.normal(size=(17, 2)).astype(numpy.float32)
    path = saved(tmp_path, "a", 1, body, loss)
    found = network(body, loss).evaluate((PICTURES, y), path, crops=5, device="cpu")
    expected = numpy.mean(answers(path, crops(5)), axis=0)
    assert found.mae == pytest.approx(abs(expected - y).mean(), rel=1e-5)
    assert found.parts[0].evaluation.mae is not None


def test_maps_of_mirrored_pictures_are_mirrored_back(tmp_path: Path) -> None:
    body = "conv 3@1 -> softmax"
    y = RANDOM.integers(0, 3, (17, 8, 8))
    path = saved(tmp_path, "a", 1, body)
    plain = network(body).evaluate((PICTURES, y), path, device="cpu")
    twice = network(body).evaluate((PICTURES, y), path, flip=True, device="cpu")
    assert twice.loss == pytest.approx(plain.loss, rel=1e-6)
    assert twice.mean_iou == pytest.approx(plain.mean_iou)


def test_a_probability_that_vanishes_in_float32_has_a_loss(tmp_path: Path) -> None:
    """Of logits 200 apart, the smaller one's probability is zero, its logarithm -200."""
    weights = numpy.zeros((2, 64), numpy.float32), numpy.array([200, 0], numpy.float32)
    arrays = {"dense1.weight": weights[0], "dense1.bias": weights[1]}
    save_file(arrays, tmp_path / "w.safetensors")
    sure = network("flatten -> dense 2 -> softmax")
    y = numpy.ones(17, int)
    found = sure.evaluate((PICTURES, y), tmp_path / "w.safetensors", flip=True, device="cpu")
    assert math.isclose(found.loss, 200, rel_tol=1e-6)


def test_models_with_other_classes_are_named(tmp_path: Path) -> None:
    paths = [saved(tmp_path, "a", 1), saved(tmp_path, "b", 1, CLASSES.replace("3", "4"))]
    with pytest.raises(UserError, match=r"b.onnx` gives `4` where `.*a.onnx` gives `3`") as caught:
        cnndsl.evaluate(paths, (PICTURES, numpy.zeros(17, int)), device="cpu")
    assert caught.value.code == "CNN710"
    with pytest.raises(ValueError, match="at least one model"):
        cnndsl.evaluate([], (PICTURES, numpy.zeros(17, int)))

"""What made an answer: a network that looks at one place only has its salience there."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image

import cnndsl
from cnndsl.autodiff.salience import Salience
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.pipeline import compile as compiled
from cnndsl.runtime.explainer import METHODS, Method
from cnndsl.runtime.model import Model
from cnndsl.runtime.session import Session

RANDOM = numpy.random.default_rng(11)
SPEC = """
network patch
input {kind} {{
  scale 1/255
  mean 0.2
}}
classes "no", "yes"
C1: conv 2@3 padding 1 bias no
relu -> flatten -> dense 2 -> softmax
"""
SIDE = 16
PATCH = (slice(4, 8), slice(8, 12))


def looking_at_a_patch(folder: Path, kind: str = f"1x{SIDE}x{SIDE}", *, raw: bool = False) -> Model:
    """`yes` is what is bright in one patch of 4x4 pixels, and nothing else counts."""
    network = cnndsl.parse(SPEC.format(kind=kind))
    channels, height, width = network.inputs["input"]
    kernel = numpy.zeros((2, channels, 3, 3), numpy.float32)
    kernel[0, :, 1, 1] = 1
    dense = numpy.zeros((2, 2, height, width), numpy.float32)
    dense[1, 0][PATCH] = 0.5
    path = folder / "weights.npz"
    arrays = {
        "C1.weight": kernel,
        "dense1.weight": dense.reshape(2, -1),
        "dense1.bias": numpy.zeros(2, numpy.float32),
    }
    numpy.savez(path, **arrays)  # type: ignore[arg-type]
    return network.compile(path, device="cpu", raw=raw)


def picture(folder: Path, mode: str = "L", size: tuple[int, int] = (SIDE, SIDE)) -> Path:
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    path = folder / "a.png"
    Image.fromarray(RANDOM.integers(150, 256, shape, numpy.uint8)).save(path)
    return path


def inside(salience: Array) -> float:
    """The share of the salience that lies in the patch."""
    positive = numpy.clip(salience, 0, None)
    return float(positive[PATCH].sum() / positive.sum())


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_what_looks_at_one_patch_has_its_salience_there(
    tmp_path: Path, method: Method, raw: bool
) -> None:
    model = looking_at_a_patch(tmp_path, raw=raw)
    [found] = cnndsl.explain(model, picture(tmp_path), method=method, target="yes")
    assert found.salience.shape == (SIDE, SIDE)
    assert (found.index, found.class_name, found.method) == (1, "yes", method)
    # Slopes are exact; squares reach over the patch by half their side; Grad-CAM weighs whole maps.
    least = {"gradient": 0.999, "smoothgrad": 0.999, "occlusion": 0.75, "gradcam": 0.02}
    assert inside(found.salience) > least[method]


def test_gradcam_of_maps_that_are_themselves_bright_in_the_patch(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pixels = numpy.full((SIDE, SIDE), 51, numpy.uint8)  # 0.2, which becomes 0
    pixels[PATCH] = 255
    Image.fromarray(pixels).save(path)
    [found] = cnndsl.explain(looking_at_a_patch(tmp_path), path, target=1)
    assert inside(found.salience) > 0.999


def test_occlusion_is_the_drop_of_the_answer_under_a_gray_square(tmp_path: Path) -> None:
    model = looking_at_a_patch(tmp_path)
    path = picture(tmp_path)
    pixels = numpy.asarray(Image.open(path))
    [found] = cnndsl.explain(model, path, method="occlusion", batch=7)
    squares = {(top, left): pixels.copy() for top in range(15) for left in range(15)}
    drops, seen = numpy.zeros((16, 16)), numpy.zeros((16, 16))
    before = model.run(pixels[None])[found.index]
    for (top, left), covered in squares.items():  # 16/8 = 2, by steps of 1
        covered[top : top + 2, left : left + 2] = 128
        drops[top : top + 2, left : left + 2] += before - model.run(covered[None])[found.index]
        seen[top : top + 2, left : left + 2] += 1
    numpy.testing.assert_allclose(found.salience, drops / seen, atol=1e-6)


def test_smoothgrad_is_the_same_every_time_and_of_a_line_the_slope(tmp_path: Path) -> None:
    """The score of `yes` is a straight line of pixels above the mean: noise changes nothing."""
    model, path = looking_at_a_patch(tmp_path), picture(tmp_path)
    first, again = (next(cnndsl.explain(model, path, method="smoothgrad")) for _ in range(2))
    assert (first.salience == again.salience).all()
    [plain] = cnndsl.explain(model, path, method="gradient", target=first.index)
    numpy.testing.assert_allclose(first.salience, plain.salience, atol=0.05)


def test_the_picture_is_as_the_network_saw_it(tmp_path: Path) -> None:
    path = picture(tmp_path, "RGB", (2 * SIDE, SIDE))
    for raw in (False, True):
        model = looking_at_a_patch(tmp_path, f"3x{SIDE}x{SIDE}", raw=raw)
        [found] = cnndsl.explain(model, path, method="gradient")
        stretched = Image.open(path).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        numpy.testing.assert_array_equal(found.picture, numpy.asarray(stretched))


def test_a_file_of_a_model_is_explained_as_the_model(tmp_path: Path) -> None:
    model, path = looking_at_a_patch(tmp_path), picture(tmp_path)
    model.save(tmp_path / "patch.onnx")
    [one] = cnndsl.explain(model, path)
    [other] = cnndsl.explain(tmp_path / "patch.onnx", path, device="cpu")
    numpy.testing.assert_array_equal(one.salience, other.salience)
    assert repr(one) == f"<Explanation of {path}: gradcam 16x16 of {one.class_name}>"


def test_a_compiled_model_can_give_its_salience_itself(tmp_path: Path) -> None:
    looking_at_a_patch(tmp_path)
    network = cnndsl.parse(SPEC.format(kind=f"1x{SIDE}x{SIDE}"))
    model = network.compile(tmp_path / "weights.npz", salience=Salience("yes"), device="cpu")
    [found] = model.predict(picture(tmp_path))
    assert inside(found.outputs["salience"][None][0]) > 0.999
    assert list(found.outputs) == ["output", "salience"]


@pytest.mark.parametrize(
    ("body", "layer"),
    [
        ("C1: conv 2@3 -> batchnorm -> relu -> C2: conv 3@3 -> batchnorm -> tanh", "tanh1"),
        ("C1: conv 2@3 -> tanh -> subsample 2", "tanh1"),
        ("C1: filter [[1, 0, -1]] -> relu -> maxpool 2", "relu1"),
        ("C1: conv 2@3 -> reshape [2, 36] -> conv 3@3 -> relu", "C1"),
        ("C1: conv 2@3\nadd(C1, C1 -> relu)", "C1"),
    ],
)
def test_gradcam_takes_the_last_maps_of_a_convolution(body: str, layer: str) -> None:
    network = cnndsl.parse(f"input 1x8x8\n{body}\nflatten -> dense 2 -> softmax\n")
    x = RANDOM.normal(size=(1, 8, 8)).astype(numpy.float32)
    found = []
    for name in ("", layer):
        artifact = compiled(network.typed, seed=5, salience=Salience(1, "gradcam", name))
        found.append(Session(artifact.for_runtime(), "cpu").run({"input": x[None]})["salience"])
    assert found[0].max() > 0
    numpy.testing.assert_array_equal(found[0], found[1])


def test_the_score_of_maps_stands_before_their_softmax() -> None:
    network = cnndsl.parse("input 1x8x8\nconv 2@3 -> relu -> C: conv 2@1 -> softmax\n")
    artifact = compiled(network.typed, seed=5, salience=Salience(1, "gradcam"))
    x = RANDOM.normal(size=(1, 1, 8, 8)).astype(numpy.float32)
    assert Session(artifact.for_runtime(), "cpu").run({"input": x})["salience"].max() > 0


def refused(spec: str, folder: Path, **options: object) -> UserError:
    model = cnndsl.parse(spec).compile(device="cpu")
    with pytest.raises(UserError) as caught:
        next(cnndsl.explain(model, picture(folder), **options))  # type: ignore[arg-type]
    return caught.value


CONV = "input 1x8x8\nC1: conv 2@3\nflatten\nF: dense 3 -> softmax\n"


@pytest.mark.parametrize(
    ("spec", "options", "code", "message", "help"),
    [
        ("input 8\ndense 2\n", {"method": "occlusion"}, "CNN711", "takes `8`", "pictures"),
        ("input 8\ndense 2\n", {}, "CNN711", "takes vectors (`8`)", "pictures"),
        (
            "input a 1x4x4\ninput b 1x4x4\nconcat(a, b) -> flatten -> dense 2\n",
            {},
            "CNN711",
            "has 2 inputs (`a`, `b`): salience is of a single picture",
            "one input",
        ),
        (CONV, {"target": "cat"}, "CNN713", "no class is called `cat`", "index from 0 to 2"),
        (CONV, {"target": 3}, "CNN713", "no class 3: the output has 3 numbers", "0 to 2"),
        (CONV, {"layer": "C2"}, "CNN704", "no layer is called `C2`", "did you mean `C1`?"),
        (CONV, {"layer": "F"}, "CNN714", "`F` gives `3`, which are no feature maps", "`--layer`"),
        ("input 1x8x8\nflatten -> dense 2\n", {}, "CNN714", "has no convolution", "gradient"),
        (CONV + "output C1\n", {"layer": "C1x"}, "CNN704", "`C1x`", "`C1`"),
    ],
)
def test_what_cannot_be_explained_is_said(
    tmp_path: Path, spec: str, options: dict[str, object], code: str, message: str, help: str
) -> None:
    error = refused(spec, tmp_path, **options)
    assert error.code == code
    assert message in error.message
    assert help in error.help


def test_a_layer_beside_the_answer_has_no_part_in_it(tmp_path: Path) -> None:
    spec = "input x 1x8x8\nC2: conv 2@3\nx -> flatten -> dense 2\noutput C2\n"
    assert "the answer does not depend on `C2`" in refused(spec, tmp_path, layer="C2").message


def test_an_output_called_salience_is_in_the_way(tmp_path: Path) -> None:
    error = refused(CONV.replace("C1:", "salience:") + "output salience\n", tmp_path)
    assert (error.code, "`salience` is an input or output" in error.message) == ("CNN007", True)


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    model, path = looking_at_a_patch(tmp_path), picture(tmp_path)
    for options, message in (
        ({"method": "magic"}, "`method` must be one of gradient, smoothgrad"),
        ({"batch": 0}, "`batch` must be 1 or more, not 0"),
        ({"method": "gradient", "layer": "C1"}, "`layer` is for `gradcam`"),
    ):
        with pytest.raises(ValueError, match=message):
            next(cnndsl.explain(model, path, **options))

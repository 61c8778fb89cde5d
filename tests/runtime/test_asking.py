"""A network that is asked several times, and several networks together, answer by their mean."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image

import cnndsl
from cnndsl.data.resize import fit_picture
from cnndsl.data.sources import Array, ModelInput
from cnndsl.data.views import Crops, Views
from cnndsl.diagnostics.model import UserError
from cnndsl.recipe.preparation import Preparation
from cnndsl.runtime.model import Model
from cnndsl.types import TensorType

RANDOM = numpy.random.default_rng(5)
BODY = 'classes "cat", "dog"\nconv 4@3 -> relu -> flatten -> dense 2 -> softmax\n'
CROP = "{ scale 1/255; fit crop from 12 }"


def model(
    settings: str = CROP, body: str = BODY, kind: str = "3x8x8", seed: int = 1, **options: object
) -> Model:
    lines = settings.replace("; ", "\n").replace("{ ", "{\n").replace(" }", "\n}")
    network = cnndsl.parse(f"network tiny\ninput {kind} {lines}\n{body}")
    return network.compile(seed=seed, device="cpu", **options)  # type: ignore[arg-type]


def picture(folder: Path, height: int = 12, width: int = 20) -> Path:
    path = folder / "a.png"
    Image.fromarray(RANDOM.integers(0, 256, (height, width, 3), numpy.uint8)).save(path)
    return path


def whole(path: Path, side: int, fit: str = "crop") -> Array:
    """The picture that crops are cut out of, as the network takes it."""
    how = Preparation(fit=fit, fit_from=side if fit == "crop" else None)  # type: ignore[arg-type]
    fitted = fit_picture(numpy.asarray(Image.open(path)), (side, side), how, path)
    return fitted.transpose(2, 0, 1).astype(numpy.float32) / 255


def crops(picture: Array, size: int = 8) -> list[Array]:
    last = picture.shape[-1] - size
    places = [(last // 2, last // 2), (0, 0), (0, last), (last, 0), (last, last)]
    return [picture[:, top : top + size, left : left + size] for top, left in places]


def mirrored(pictures: list[Array]) -> list[Array]:
    return [one[..., ::-1] for one in pictures]


@pytest.mark.parametrize("raw", [False, True])
def test_crops_are_the_middle_and_the_corners_and_ten_are_mirrored_too(
    tmp_path: Path, raw: bool
) -> None:
    path = picture(tmp_path)
    views = crops(whole(path, 12))
    plain, asked = model(), model(raw=raw)
    cases: list[tuple[Crops, list[Array]]] = [(5, views), (10, views + mirrored(views))]
    for count, expected in cases:
        [found] = asked.predict(path, crops=count)
        mean = plain.run(numpy.stack(expected)).mean(axis=0)
        numpy.testing.assert_allclose(found.main, mean, rtol=1e-5)
    [flipped] = asked.predict(path, crops=5, flip=True)
    numpy.testing.assert_allclose(flipped.main, mean, rtol=1e-6)


def test_the_middle_crop_is_what_a_single_view_sees(tmp_path: Path) -> None:
    path = picture(tmp_path)
    [plain] = model().predict(path)
    numpy.testing.assert_allclose(plain.main, model().run(crops(whole(path, 12))[0]), rtol=1e-5)


def test_without_a_size_in_the_spec_a_picture_is_a_seventh_larger(tmp_path: Path) -> None:
    path = picture(tmp_path, 9, 9)
    asked = model("{ scale 1/255 }", kind="3x14x14")
    expected = asked.run(numpy.stack(crops(whole(path, 16, "resize"), 14))).mean(axis=0)
    [found] = asked.predict(path, crops=5)
    numpy.testing.assert_allclose(found.main, expected, rtol=1e-5)
    [larger] = Views(5).larger([ModelInput("x", TensorType((3, 224, 224)))])
    assert larger.type.dims == (3, 256, 256)


def test_a_picture_and_its_mirror_image(tmp_path: Path) -> None:
    path = picture(tmp_path)
    view = crops(whole(path, 12))[0]
    [found] = model().predict(path, flip=True)
    numpy.testing.assert_allclose(
        found.main, model().run(numpy.stack([view, view[..., ::-1]])).mean(axis=0), rtol=1e-5
    )


@pytest.mark.parametrize("last", ["", " -> flatten"])
def test_maps_of_mirrored_pictures_are_mirrored_back(tmp_path: Path, last: str) -> None:
    """A convolution of 1x1 sees each place by itself: mirrored back, the mean is what it gives."""
    asked = model(body=f"conv 2@1{last}\n")
    path = picture(tmp_path)
    [once], [twice] = asked.predict(path), asked.predict(path, flip=True)
    numpy.testing.assert_allclose(twice.main, once.main, rtol=1e-5)


def test_volumes_are_mirrored_from_left_to_right(tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", RANDOM.normal(size=(2, 3, 4, 5)).astype(numpy.float32))
    asked = model("", "conv 2@1\n", "2x3x4x5")
    [once] = asked.predict(tmp_path / "x.npy")
    [twice] = asked.predict(tmp_path / "x.npy", flip=True)
    numpy.testing.assert_allclose(twice.main, once.main, rtol=1e-5)


def test_batches_of_any_size_and_a_fixed_one_give_the_same(tmp_path: Path) -> None:
    pixels = RANDOM.random((5, 3, 12, 12)).astype(numpy.float32)
    numpy.save(tmp_path / "x.npy", pixels)
    expected = [model().run(numpy.stack(crops(one))).mean(axis=0) for one in pixels]
    for asked, batch in ((model(), 2), (model(), 32), (model(batch=3), 32)):
        found = [one.main for one in asked.predict(tmp_path / "x.npy", crops=5, batch=batch)]
        numpy.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "settings", "crops", "message", "help"),
    [
        ("16", "", 5, "crops are cut out of pictures, but the input `input` takes `16`", "--crops"),
        ("2x16", "", 1, "`2x16`, which the input `input` takes, has no left and right", "--flip"),
        ("8x9x9", "", 5, "crops are cut out of pictures, but the input `input` takes", "1 or 3"),
        ("1x9x9", "{ fit exact }", 5, "takes pictures of its own size only", "crop from 11`"),
        ("1x9x9", "{ fit crop from 9 }", 5, "all crops would be the same", "`fit crop from 11`"),
    ],
)
def test_what_cannot_be_seen_several_ways_is_refused(
    tmp_path: Path, kind: str, settings: str, crops: int, message: str, help: str
) -> None:
    numpy.save(tmp_path / "x.npy", numpy.zeros([int(one) for one in kind.split("x")]))
    asked = model(settings, "flatten -> dense 2\n" if "x" in kind else "dense 2\n", kind)
    with pytest.raises(UserError) as caught:
        next(asked.predict(tmp_path / "x.npy", crops=crops, flip=True))  # type: ignore[arg-type]
    assert caught.value.code == "CNN708"
    assert message in caught.value.message
    assert help in caught.value.help


@pytest.mark.parametrize("last", ["", " -> flatten"])
def test_crops_of_maps_have_no_mean(tmp_path: Path, last: str) -> None:
    with pytest.raises(UserError, match="its places are not the same in every crop") as caught:
        next(model(body=f"conv 2@1{last}\n").predict(picture(tmp_path), crops=5))
    assert caught.value.code == "CNN709"


def test_arrays_of_the_input_s_size_are_too_small_for_crops(tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", numpy.zeros((3, 8, 8), numpy.float32))
    with pytest.raises(UserError, match="takes `3x12x12`") as caught:
        next(model().predict(tmp_path / "x.npy", crops=5))
    assert caught.value.notes == (
        "crops are cut out of larger pictures: `12x12` for `input`, not `8x8`",
    )


def test_feature_maps_are_those_of_one_view(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="feature maps are those of one view"):
        next(model().predict(picture(tmp_path), layers=["conv1"], flip=True))
    with pytest.raises(ValueError, match="`crops` must be 1, 5 or 10, not 3"):
        next(model().predict(picture(tmp_path), crops=3))  # type: ignore[arg-type]


# --- ensembles ------------------------------------------------------------------------------------


def test_models_of_different_sizes_answer_by_their_mean(tmp_path: Path) -> None:
    path = picture(tmp_path)
    models = [model(), model("{ scale 1/255 }", kind="1x10x10", seed=2)]
    models[1].save(tmp_path / "other.onnx")
    together = cnndsl.Ensemble([models[0], tmp_path / "other.onnx"], device="cpu")
    counts: tuple[Crops, ...] = (1, 10)
    for count in counts:
        alone = [next(one.predict(path, crops=count)) for one in models]
        [found] = together.predict(path, crops=count)
        mean = numpy.mean([one.main for one in alone], axis=0)
        numpy.testing.assert_allclose(found.main, mean, rtol=1e-5)
        assert (found.classes, found.meaning) == (alone[0].classes, alone[0].meaning)


def test_arrays_are_answered_by_the_mean() -> None:
    models = [model(), model(seed=2)]
    batch = RANDOM.random((4, 3, 8, 8)).astype(numpy.float32)
    expected = (models[0].run(batch) + models[1].run(batch)) / 2
    numpy.testing.assert_allclose(cnndsl.Ensemble(models).run(batch), expected, rtol=1e-6)


def test_further_outputs_have_a_mean_where_all_have_them(tmp_path: Path) -> None:
    body = "A: conv 2@1\nflatten -> dense 2\noutput A\n"
    models = [model(body=body), model(body=body, seed=2), model(body="flatten -> dense 2\n")]
    path = picture(tmp_path)
    alone = [next(one.predict(path)) for one in models]
    [both] = cnndsl.Ensemble(models[:2]).predict(path)
    mean = (alone[0].outputs["A"] + alone[1].outputs["A"]) / 2
    numpy.testing.assert_allclose(both.outputs["A"], mean, rtol=1e-5)
    [main] = cnndsl.Ensemble(models).predict(path)
    assert list(main.outputs) == ["output"]


def test_a_broken_picture_is_left_out_once(tmp_path: Path) -> None:
    picture(tmp_path)
    (tmp_path / "b.png").write_text("no picture")
    left_out: list[UserError] = []
    models = [model(), model("{ scale 1/255 }")]
    found = list(cnndsl.Ensemble(models).predict(tmp_path, on_broken=left_out.append))
    assert ([one.source.name for one in found], len(left_out)) == (["a.png"], 1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"body": BODY.replace('"dog"', '"cow"')}, "calls class 1 `cow`, and `a` calls it `dog`"),
        ({"body": "flatten -> dense 2 -> softmax\n"}, "has no names of classes, and `a` has 2"),
        ({"body": BODY.replace(" -> softmax", "")}, "gives a score where `a` gives a probability"),
        ({"kind": "2x8x8", "settings": ""}, "takes `float32` arrays of 3 dimensions, and `a`"),
    ],
)
def test_models_that_differ_are_named(tmp_path: Path, other: dict[str, str], message: str) -> None:
    models = [model(), model(**other)]  # type: ignore[arg-type]
    with pytest.raises(UserError) as caught:
        next(cnndsl.Ensemble(models, names=["a", "b"]).predict(picture(tmp_path)))
    assert caught.value.code == "CNN710"
    assert caught.value.message.startswith("`b` ")
    assert message in caught.value.message


def test_outputs_of_other_sizes_have_no_mean(tmp_path: Path) -> None:
    models = [model(body=f"flatten -> dense {size}\n") for size in (2, 3)]
    together = cnndsl.Ensemble(models)
    with pytest.raises(UserError, match=r"`tiny \(2\)` gives `3` where `tiny \(1\)` gives `2`"):
        next(together.predict(picture(tmp_path)))
    with pytest.raises(ValueError, match="at least one model"):
        cnndsl.Ensemble([])

from collections.abc import Callable
from pathlib import Path

import numpy
import onnx
import pytest
from PIL import Image

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.checksum import CHECKSUM_KEY
from cnndsl.graph.manifest import FORMAT_KEY
from cnndsl.recipe.preparation import Preparation
from cnndsl.runtime.model import Model
from cnndsl.typecheck.answers import Answers

MakeModel = Callable[..., Artifact]


def softmax_of(mean: float) -> list[float]:
    scores = numpy.exp([-mean, mean])
    return list(scores / scores.sum())


def picture(path: Path, value: int, size: tuple[int, int] = (4, 4)) -> Path:
    Image.new("L", size, value).save(path)
    return path


class TestRun:
    def test_a_single_sample_gets_no_batch_dimension(self, make_model: MakeModel) -> None:
        output = Model(make_model()).run(numpy.full((1, 4, 4), 0.5, numpy.float32))
        assert output.shape == (2,)
        numpy.testing.assert_allclose(output, softmax_of(0.5), rtol=1e-5)

    def test_a_batch_keeps_its_dimension_even_of_one(self, make_model: MakeModel) -> None:
        assert Model(make_model()).run(numpy.zeros((1, 1, 4, 4), numpy.float32)).shape == (1, 2)

    def test_the_only_channel_may_be_left_out(self, make_model: MakeModel) -> None:
        model = Model(make_model())
        assert model.run(numpy.zeros((4, 4))).shape == (2,)
        assert model.run(numpy.zeros((5, 4, 4))).shape == (5, 2)

    def test_whole_numbers_are_prepared_and_floats_are_not(self, make_model: MakeModel) -> None:
        model = Model(make_model())
        raw = model.run(numpy.full((1, 4, 4), 255, numpy.uint8))
        floats = model.run(numpy.full((1, 4, 4), 1.0))
        numpy.testing.assert_allclose(raw, floats, rtol=1e-6)

    def test_a_wrong_shape_says_what_is_taken(self, make_model: MakeModel) -> None:
        with pytest.raises(UserError, match=r"`4x4x1` array.*takes `1x4x4` or `Nx1x4x4`") as caught:
            Model(make_model()).run(numpy.zeros((4, 4, 1)))
        assert caught.value.code == "CNN703"
        assert caught.value.help == "put the channels first: `array.transpose(2, 0, 1)`"

    def test_a_path_is_pointed_to_what_reads_files(
        self, make_model: MakeModel, tmp_path: Path
    ) -> None:
        model, path = Model(make_model()), picture(tmp_path / "a.png", 100)
        for given in (path, str(path)):
            with pytest.raises(UserError, match="is a path") as caught:
                model.run(given)  # type: ignore[arg-type]
            assert caught.value.code == "CNN703"
            assert "`model.predict([path])`" in caught.value.help
        one, listed, text = (list(model.predict(them)) for them in (path, [path], str(path)))
        assert one[0].name == listed[0].name == text[0].name
        assert len(one) == len(listed) == len(text) == 1

    def test_masked_numbers_are_not_taken(self, make_model: MakeModel) -> None:
        x = numpy.ma.masked_array(numpy.zeros((1, 4, 4)), mask=False)
        assert Model(make_model()).run(x).shape == (2,)
        x[0, 0, 0] = numpy.ma.masked
        with pytest.raises(UserError, match="masked") as caught:
            Model(make_model()).run(x)
        assert caught.value.code == "CNN703"
        assert Model(make_model()).run(x.filled(0)).shape == (2,)

    def test_no_samples_are_an_error(self, make_model: MakeModel) -> None:
        with pytest.raises(UserError, match="holds no samples"):
            Model(make_model()).run(numpy.zeros((0, 1, 4, 4)))

    @pytest.mark.parametrize("count", [1, 3, 4, 9])
    def test_a_fixed_batch_takes_any_number_of_samples(
        self, make_model: MakeModel, count: int
    ) -> None:
        samples = numpy.arange(count).repeat(16).reshape(count, 1, 4, 4) / 10
        output = Model(make_model(batch=4)).run(samples)
        expected = [softmax_of(number / 10) for number in range(count)]
        numpy.testing.assert_allclose(output, expected, rtol=1e-5)

    def test_several_inputs_go_by_order_or_name(self, two_inputs: Artifact) -> None:
        model = Model(two_inputs)
        one, two = numpy.ones(3), numpy.full(3, 2.0)
        assert model.run(one, two).tolist() == [3, 3, 3]
        assert model.run(right=one, left=two).tolist() == [3, 3, 3]
        with pytest.raises(UserError, match="has 2 inputs"):
            model.run(one)
        with pytest.raises(UserError, match="different numbers of samples"):
            model.run(numpy.ones((2, 3)), numpy.ones((4, 3)))
        with pytest.raises(UserError, match="no input is called `rigth`") as caught:
            model.run(left=one, rigth=two)
        assert caught.value.help == "did you mean `right`?"


class TestPredict:
    def test_pictures_in_folders_come_in_natural_order(
        self, make_model: MakeModel, tmp_path: Path
    ) -> None:
        for number in (10, 9, 1):
            picture(tmp_path / f"{number}.png", number)
        predictions = list(Model(make_model()).predict([tmp_path], batch=2))
        assert [Path(one.name).stem for one in predictions] == ["1", "9", "10"]
        for one in predictions:
            value = int(Path(one.name).stem) / 255
            numpy.testing.assert_allclose(one.main, softmax_of(value), rtol=1e-5)

    def test_answers_carry_class_names_and_are_sorted(
        self, make_model: MakeModel, tmp_path: Path
    ) -> None:
        (prediction,) = Model(make_model()).predict([picture(tmp_path / "a.png", 255)])
        assert [answer.name for answer in prediction.top(5)] == ["light", "dark"]
        assert prediction.meaning == Answers("probability", ranked=True)
        assert prediction.top(1)[0].score == pytest.approx(softmax_of(1)[1])

    def test_scores_without_softmax_are_not_called_probabilities(
        self, make_model: MakeModel, tmp_path: Path
    ) -> None:
        model = Model(make_model(softmax=False, classes=()))
        (prediction,) = model.predict([picture(tmp_path / "a.png", 255)])
        assert prediction.meaning.kind == "score"
        (best,) = prediction.top(1)
        assert best.name == "1"
        assert best.score == pytest.approx(1)

    def test_values_stay_in_order_and_are_no_ranking(
        self, make_model: MakeModel, tmp_path: Path
    ) -> None:
        model = Model(make_model(answers=Answers("value")))
        (prediction,) = model.predict([picture(tmp_path / "a.png", 255)])
        assert prediction.top(2) == ()
        assert [(one.index, one.name) for one in prediction.in_order()] == [
            (0, "dark"),
            (1, "light"),
        ]

    @pytest.mark.parametrize(("classes", "ranked"), [((), False), (("dark", "light"), True)])
    def test_a_model_of_an_older_version_claims_no_probabilities(
        self, make_model: MakeModel, tmp_path: Path, classes: tuple[str, ...], ranked: bool
    ) -> None:
        artifact = make_model(classes=classes)
        proto = artifact.to_proto()
        new = ("cnndsl.answers", CHECKSUM_KEY, FORMAT_KEY)
        kept = [one for one in proto.metadata_props if one.key not in new]
        del proto.metadata_props[:]
        proto.metadata_props.extend(kept)
        onnx.save(proto, tmp_path / "old.onnx")
        model = Model(tmp_path / "old.onnx")
        (prediction,) = model.predict([picture(tmp_path / "a.png", 255)])
        assert model.meaning == prediction.meaning == Answers("score", ranked=ranked)

    @pytest.mark.parametrize("odd", [numpy.nan, numpy.inf, -numpy.inf, 1e300])
    def test_numbers_that_are_not_finite_are_refused(
        self, make_model: MakeModel, tmp_path: Path, odd: float
    ) -> None:
        samples = numpy.zeros((3, 1, 4, 4))
        samples[1, 0, 2, 3] = odd
        model = Model(make_model())
        with pytest.raises(UserError, match="the array` holds numbers that are not") as caught:
            model.run(samples)
        assert caught.value.code == "CNN703"
        numpy.save(tmp_path / "x.npy", samples)
        with pytest.raises(UserError, match=r"x\.npy\[1\]` holds numbers that are not") as caught:
            list(model.predict([tmp_path / "x.npy"]))
        assert caught.value.code == "CNN702"

    def test_layers_give_their_feature_maps(self, make_model: MakeModel, tmp_path: Path) -> None:
        model = Model(make_model())
        path = picture(tmp_path / "a.png", 255)
        (prediction,) = model.predict([path], layers=["C1", "answer", "pool"])
        assert list(prediction.outputs) == ["output"]
        numpy.testing.assert_allclose(prediction.layers["C1"], [-1, 1], rtol=1e-6)
        assert (prediction.layers["answer"] == prediction.main).all()
        assert prediction.layers["pool"].shape == (1,)
        (again,) = model.predict([path])
        assert list(again.outputs) == ["output"]
        assert not again.layers
        (fewer,) = model.predict([path], layers=["C1"])
        assert list(fewer.layers) == ["C1"]

    @pytest.mark.parametrize(
        ("layer", "help"),
        [("c1", "did you mean `C1`?"), ("zzz", "name one of the network's layers")],
    )
    def test_an_unknown_layer_is_an_error(
        self, make_model: MakeModel, layer: str, help: str
    ) -> None:
        with pytest.raises(UserError, match=f"no layer is called `{layer}`") as caught:
            next(Model(make_model()).predict(["nowhere"], layers=[layer]))
        assert (caught.value.code, caught.value.help) == ("CNN704", help)
        assert "pool/mean" not in " ".join(caught.value.notes)

    def test_classes_that_do_not_fit_the_output_are_an_error(
        self, make_model: MakeModel, tmp_path: Path
    ) -> None:
        model = Model(make_model(classes=("a", "b", "c")))
        with pytest.raises(UserError, match="names 3 classes, but its output has 2") as caught:
            next(model.predict([picture(tmp_path / "a.png", 0)]))
        assert caught.value.code == "CNN707"

    def test_several_inputs_come_from_an_npz(self, two_inputs: Artifact, tmp_path: Path) -> None:
        numpy.savez(tmp_path / "x.npz", left=numpy.ones((2, 3)), right=numpy.full((2, 3), 4.0))
        predictions = list(Model(two_inputs).predict([tmp_path / "x.npz"]))
        assert [one.main.tolist() for one in predictions] == [[5, 5, 5]] * 2
        numpy.savez(tmp_path / "x.npz", left=numpy.ones((2, 3)))
        with pytest.raises(UserError, match="no array called `right`"):
            next(Model(two_inputs).predict([tmp_path / "x.npz"]))
        with pytest.raises(UserError, match="gives one input, but the network has 2"):
            next(Model(two_inputs).predict([picture(tmp_path / "a.png", 0)]))

    def test_a_preparation_of_the_manifest_is_applied(
        self, make_model: MakeModel, tmp_path: Path
    ) -> None:
        model = Model(make_model(preparation=Preparation(mean=(100.0,), std=(5.0,))))
        (prediction,) = model.predict([picture(tmp_path / "a.png", 110)])
        numpy.testing.assert_allclose(prediction.main, softmax_of(2), rtol=1e-5)


class TestFiles:
    def test_a_saved_model_answers_alike(self, make_model: MakeModel, tmp_path: Path) -> None:
        model = Model(make_model())
        model.save(tmp_path / "m.onnx")
        again = Model(tmp_path / "m.onnx")
        again.save(tmp_path / "n.onnx")
        assert (tmp_path / "m.onnx").read_bytes() == (tmp_path / "n.onnx").read_bytes()
        sample = numpy.full((1, 4, 4), 0.3, numpy.float32)
        assert (model.run(sample) == again.run(sample)).all()
        assert again.classes == ("dark", "light")
        path = picture(tmp_path / "a.png", 255)
        (prediction,) = again.predict([path], layers=["C1"])
        numpy.testing.assert_allclose(prediction.layers["C1"], [-1, 1], rtol=1e-6)

    def test_a_foreign_model_is_refused(self, make_model: MakeModel, tmp_path: Path) -> None:
        proto = make_model().to_proto()
        del proto.metadata_props[:]
        onnx.save(proto, tmp_path / "foreign.onnx")
        with pytest.raises(UserError) as caught:
            Model(tmp_path / "foreign.onnx")
        assert caught.value.code == "CNN604"

    def test_a_model_that_onnx_runtime_cannot_load_is_refused(
        self, make_model: MakeModel, tmp_path: Path
    ) -> None:
        proto = make_model().to_proto()
        proto.graph.node[1].op_type = "NoSuchOperator"
        onnx.save(proto, tmp_path / "odd.onnx")
        with pytest.raises(UserError, match="NoSuchOperator") as caught:
            Model(tmp_path / "odd.onnx", verify=False).run(numpy.zeros((1, 4, 4)))
        assert caught.value.code == "CNN604"
        assert "ONNXRuntimeError" not in caught.value.message

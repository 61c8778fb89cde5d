"""Models that Keras itself makes: imported, given Keras's weights, they answer as Keras does."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
import pytest
from click.testing import CliRunner

import cnndsl
from cnndsl.cli import main

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("torch", reason="PyTorch is not installed")
keras = pytest.importorskip("keras", reason="Keras is not installed")
pytest.importorskip("h5py", reason="h5py is not installed")


def with_random_weights(model: Any) -> Any:
    """No number stays what Keras begins it with: pairs that are mistaken would show."""
    chance = numpy.random.default_rng(7)
    for one in model.weights:
        shape = one.shape
        if one.path.endswith(("moving_variance", "gamma", "scale")):
            one.assign(chance.uniform(0.5, 1.5, shape).astype(numpy.float32))
        elif not one.path.endswith(("kernel", "count", "/mean", "/variance")):
            one.assign(chance.normal(0, 0.1, shape).astype(numpy.float32))
    return model


def answers(model: Any, folder: Path, batch: numpy.ndarray) -> tuple[Any, Any, str]:
    """Keras's answers and ours, channels last, and what `cnndsl weights` printed."""
    file, spec = folder / "model.keras", folder / "model.cnn"
    weights = folder / "model.safetensors"
    model.save(file)
    imported = cnndsl.import_network(file)
    assert imported.refused == ()
    imported.save(spec)
    names = folder / "model.map"
    words = ["weights", str(spec), str(file), "-o", str(weights)]
    words += ["--map", str(names)] if names.exists() else []
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.output
    cnndsl.load(spec).compile(weights).save(folder / "model.onnx")
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", providers=["CPUExecutionProvider"]
    )
    [one] = session.get_inputs()
    [given] = session.run(None, {one.name: numpy.moveaxis(batch, -1, 1).copy()})
    given = numpy.asarray(given)
    if given.ndim > 2:
        given = numpy.moveaxis(given, 1, -1)
    return model.predict(batch, verbose=0), given, shown.output


def pictures(*shape: int) -> numpy.ndarray:
    return numpy.random.default_rng(1).normal(size=(2, *shape)).astype(numpy.float32)


def test_a_separable_convolution_has_the_weights_of_both_its_parts(tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.SeparableConv2D(8, 3, name="entry"),
            layers.SeparableConv2D(8, 3, padding="same", use_bias=False, name="middle"),
        ]
    )
    right, given, _ = answers(with_random_weights(model), tmp_path, pictures(12, 12, 3))
    numpy.testing.assert_allclose(given, right, rtol=1e-4, atol=1e-5)


def test_a_frozen_separable_convolution_has_both_its_parts_frozen(tmp_path: Path) -> None:
    part = keras.layers.SeparableConv2D(8, 3, name="entry", trainable=False)
    model = keras.Sequential([keras.Input((12, 12, 3)), part, keras.layers.Conv2D(2, 1)])
    model.compile("sgd", "mse")
    model.save(tmp_path / "model.keras")
    imported = cnndsl.import_network(tmp_path / "model.keras")
    recipe = imported.network.network.recipe
    assert recipe is not None
    assert len(recipe.freeze) == 2


def test_layers_of_models_in_a_model_are_paired_by_their_names(tmp_path: Path) -> None:
    layers = keras.layers
    stems = [
        keras.Sequential([layers.Conv2D(6, 3, name="conv"), layers.BatchNormalization(name="bn")],
                         name=name)
        for name in ("stem", "trunk")
    ]  # fmt: skip
    model = keras.Sequential([keras.Input((10, 10, 3)), *stems])
    right, given, _ = answers(with_random_weights(model), tmp_path, pictures(10, 10, 3))
    numpy.testing.assert_allclose(given, right, rtol=1e-4, atol=1e-5)


def test_branches_that_keras_orders_otherwise_are_proved(tmp_path: Path) -> None:
    layers = keras.layers
    entry = keras.Input((10, 10, 3))
    left, right_arm = layers.Conv2D(4, 3, name="a")(entry), layers.Conv2D(4, 3, name="b")(entry)
    pair = keras.Sequential([layers.Conv2D(4, 3, name="conv")], name="pair")
    left, right_arm = pair(layers.ReLU()(left)), layers.Conv2D(4, 3, name="d")(right_arm)
    model = keras.Model(entry, layers.Concatenate()([right_arm, left]))
    right, given, shown = answers(with_random_weights(model), tmp_path, pictures(10, 10, 3))
    numpy.testing.assert_allclose(given, right, rtol=1e-4, atol=1e-5)
    assert "proved: both answer alike" in shown


def test_scales_of_channels_are_brought(tmp_path: Path) -> None:
    convnext: Any = import_module("keras.src.applications.convnext")
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2D(4, 1),
            convnext.LayerScale(1e-6, 4, name="gamma1"),
            layers.RMSNormalization(name="rms"),
        ]
    )
    right, given, _ = answers(with_random_weights(model), tmp_path, pictures(6, 6, 3))
    numpy.testing.assert_allclose(given, right, rtol=1e-4, atol=1e-5)


def test_what_a_normalization_measured_is_left_out_and_shown(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((6, 6, 3)), keras.layers.Normalization(), keras.layers.Conv2D(4, 1)]
    )
    _, _, shown = answers(model, tmp_path, pictures(6, 6, 3))
    assert "the mean of `normalization" in shown
    assert "the variance of `normalization" in shown


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("MobileNetV2", (32, 32, 3), {"alpha": 0.35}),
        ("Xception", (71, 71, 3), {}),
    ],
)
def test_applications_of_keras_answer_as_keras_does(
    name: str, shape: tuple[int, int, int], options: dict[str, Any], tmp_path: Path
) -> None:
    build = getattr(keras.applications, name)
    model = with_random_weights(build(weights=None, input_shape=shape, classes=10, **options))
    right, given, _ = answers(model, tmp_path, pictures(*shape))
    trained = sum(int(numpy.prod(one.shape)) for one in model.trainable_weights)
    assert cnndsl.load(tmp_path / "model.cnn").summary().params == trained
    numpy.testing.assert_allclose(given, right, rtol=1e-3, atol=1e-6)

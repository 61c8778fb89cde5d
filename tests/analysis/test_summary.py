"""The summary as data: what each layer costs, and the totals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

import pytest

from cnndsl.analysis.summary import phrase, summarize
from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.layers.activation import Relu
from cnndsl.layers.base import Layer
from cnndsl.layers.conv import Conv
from cnndsl.layers.dense import Dense, Flatten
from cnndsl.layers.join import Add
from cnndsl.layers.normalization import BatchNorm
from cnndsl.layers.pool import MaxPool
from cnndsl.layers.regularization import Dropout
from cnndsl.layers.window import Rounding
from cnndsl.recipe.optimizers.adam import Adam
from cnndsl.recipe.recipe import Recipe

Build: TypeAlias = Callable[..., TypedNetwork]


def small(build: Build, recipe: Recipe | None = None) -> TypedNetwork:
    return build(
        ("C1", Conv(filters=4, kernel=(3, 3), bias=False)),
        ("bn", BatchNorm()),
        ("relu1", Relu()),
        ("flatten1", Flatten()),
        ("out", Dense(units=3)),
        inputs=(2, 8, 8),
        recipe=recipe,
    )


def test_the_json_is_exactly_this(build: Build) -> None:
    saved = 4 * (128 + 144 + 144)  # the convolution's input, batchnorm's, and relu's output
    weights, learnt = 4 * (72 + 16 + 435), 4 * (72 + 8 + 435)
    assert json.loads(json.dumps(summarize(small(build)).to_json())) == {
        "name": "net",
        "input": "2x8x8",
        "output": "3",
        "layers": [
            {
                "name": "C1",
                "layer": "conv",
                "output": "4x6x6",
                "params": 72,
                "macs": 2592,
                "activation_bytes": 576,
                "receptive_field": "3x3",
            },
            {
                "name": "bn",
                "layer": "batchnorm",
                "output": "4x6x6",
                "params": 8,
                "macs": 0,
                "activation_bytes": 576,
                "receptive_field": "3x3",
            },
            {
                "name": "relu1",
                "layer": "relu",
                "output": "4x6x6",
                "params": 0,
                "macs": 0,
                "activation_bytes": 576,
                "receptive_field": "3x3",
            },
            {
                "name": "flatten1",
                "layer": "flatten",
                "output": "144",
                "params": 0,
                "macs": 0,
                "activation_bytes": 576,
                "receptive_field": "3x3",
            },
            {
                "name": "out",
                "layer": "dense",
                "output": "3",
                "params": 435,
                "macs": 432,
                "activation_bytes": 12,
                "receptive_field": "8x8",
            },
        ],
        "params": 515,
        "buffers": 8,
        "trainable_params": 515,
        "inference_params": 515,
        "macs": 3024,
        "inference_macs": 3024,
        "depth": 2,
        "weight_bytes": weights,
        "peak_activation_bytes": 1152,
        "training_bytes": weights + learnt + 32 * saved,
    }


def test_the_recipe_gives_batch_and_optimizer_of_the_training_step(build: Build) -> None:
    recipe = Recipe(batch=4, optimizer=Adam(), freeze=("C1", "bn"))
    counted = summarize(small(build, recipe))
    assert (counted.optimizer, counted.training_batch, counted.batch) == ("adam", 4, 1)
    assert (counted.params, counted.trainable_params) == (515, 435)
    assert counted.training.optimizer == 2 * 4 * 435
    assert counted.training.activations == 4 * 4 * 144


def test_a_given_batch_counts_for_inference_and_training(build: Build) -> None:
    one, many = (summarize(small(build, Recipe(batch=64)), batch) for batch in (1, 10))
    assert many.peak_activation_bytes == 10 * one.peak_activation_bytes
    assert many.training.activations == 10 * one.training.activations
    assert [layer.activation_bytes for layer in many.layers] == [
        10 * layer.activation_bytes for layer in one.layers
    ]
    assert many.macs == one.macs


def test_the_totals_are_the_sums_of_the_layers(build: Build) -> None:
    counted = summarize(small(build))
    for name in ("params", "buffers", "macs"):
        assert getattr(counted, name) == sum(getattr(layer, name) for layer in counted.layers)


def test_a_network_on_vectors_has_no_receptive_field(build: Build) -> None:
    data = summarize(build(("d", Dense(units=2)), inputs=(5,))).to_json()
    layers = data["layers"]
    assert isinstance(layers, list)
    assert layers[0]["receptive_field"] is None


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv(filters=6, kernel=(5, 5)), "conv 6@5x5"),
        (
            Conv(filters=64, kernel=(3,), stride=(2,), padding=(1,), bias=False),
            "conv 64@3 stride 2 padding 1 bias no",
        ),
        (Conv(filters=8, kernel=(3,), padding="same"), "conv 8@3 padding same"),
        (Conv(filters=8, kernel=(3,), padding=(1, 0, 2, 0)), "conv 8@3 padding [1, 0, 2, 0]"),
        (MaxPool(kernel=(3, 2), stride=(2,)), "maxpool 3x2 stride 2"),
        (Dropout(rate=0.25), "dropout 0.25"),
        (Dropout(), "dropout"),
        (Dense(units=10), "dense 10"),
        (Add(), "add"),
    ],
)
def test_a_layer_is_written_with_the_values_that_it_has(layer: Layer, text: str) -> None:
    written = [name for name in text.split() if name in type(layer).model_fields]
    positional = [name for name in layer.positional if name in layer.model_fields_set]
    span = Span(Source("test.cnn", ""), 0, 0)
    places = dict.fromkeys([*positional, *written], span)
    assert phrase(LayerNode("name", layer, (0,), span, places)) == text


def test_only_what_was_written_and_is_no_default_is_shown() -> None:
    """The rounding of a whole file is no part of each of its layers."""
    span = Span(Source("test.cnn", ""), 0, 0)
    layer = Conv(filters=8, kernel=(2,), stride=(2,), dilation=(1,), rounding=Rounding.CEIL)
    places = dict.fromkeys(("filters", "kernel", "dilation", "stride"), span)
    assert phrase(LayerNode("c", layer, (0,), span, places)) == "conv 8@2 stride 2"

"""Networks of Keras's are what Keras makes of them: by counts, and by what it computed itself."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
from imported_runs import checked, counts, outputs_of

import cnndsl
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import UserError
from cnndsl.importers.networks.graph import ImportedNetwork, ImportedNode
from cnndsl.importers.networks.keras.reader import read_keras

DATA = Path(__file__).parent / "data"


def numbers_of(network: ImportedNetwork, weights: Mapping[str, numpy.ndarray]) -> Any:
    """Keras's weights, `LAYER/NAME`, in our layout."""

    def behind_maps(node: ImportedNode) -> tuple[int, ...]:
        """The sizes of the feature maps whose numbers a dense layer reads, flattened."""
        source = network.producers.get(node.inputs[0])
        while source is not None and source.keyword == "dropout":
            source = network.producers.get(source.inputs[0])
        flat = source is not None and source.keyword == "flatten"
        return network.types[source.inputs[0]].dims if flat and source is not None else ()

    def numbers(
        node: ImportedNode, shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, numpy.ndarray]:
        layer = node.place.split("`")[1].rpartition("/")[2]
        own = {
            name.rpartition("/")[2]: value
            for name, value in weights.items()
            if name.startswith(f"{layer}/")
        }
        if node.keyword in ("batchnorm", "layernorm"):
            roles = {"scale": "gamma", "bias": "beta", "mean": "moving_mean",
                     "var": "moving_variance"}  # fmt: skip
            return {role: own[roles[role]] for role in shapes}
        if node.keyword == "prelu":
            return {role: own["alpha"].reshape(shape) for role, shape in shapes.items()}
        name = {"depthwise": "depthwise_kernel", "conv": "pointwise_kernel"}.get(node.keyword, "")
        kernel = own.get(name, own.get("kernel"))
        assert kernel is not None
        if node.keyword == "dense":
            dims = behind_maps(node)
            rows = kernel.reshape(*dims[1:], dims[0], -1) if dims else kernel
            rows = numpy.moveaxis(rows, -2, 0).reshape(kernel.shape)
            found = {"weight": rows.T}
        elif node.keyword in ("depthwise", "upconv"):
            order = (-2, -1) if node.keyword == "depthwise" else (-1, -2)
            found = {"weight": numpy.moveaxis(kernel, order, (0, 1)).reshape(shapes["weight"])}
        else:
            found = {"weight": numpy.moveaxis(kernel, (-1, -2), (0, 1))}
        return found | ({"bias": own["bias"]} if "bias" in shapes else {})

    return numbers


@pytest.mark.parametrize("name", ["small", "branches"])
def test_outputs_are_those_of_keras(name: str, tmp_path: Path) -> None:
    network = read_keras(DATA / f"{name}.json")
    assert network.refused == ()
    with numpy.load(DATA / f"{name}.npz") as file:
        arrays = dict(file)
    weights = {
        key.removeprefix("weights/"): value
        for key, value in arrays.items()
        if key.startswith("weights/")
    }
    [one] = network.inputs
    scale = one.settings.get("scale", (1.0,))[0]
    batch = numpy.moveaxis(arrays["input"], -1, 1) * numpy.float32(scale)  # type: ignore[arg-type]
    answers = outputs_of(network, numbers_of(network, weights), tmp_path, batch)
    wanted = [value for key, value in sorted(arrays.items()) if key.startswith("output/")]
    assert len(answers) == len(wanted)
    for given, right in zip(answers, wanted, strict=True):
        right = numpy.moveaxis(right, -1, 1) if right.ndim > 2 else right
        numpy.testing.assert_allclose(given, right, rtol=1e-4, atol=1e-5)


def test_an_archive_is_read_as_its_configuration_is(tmp_path: Path) -> None:
    archive = tmp_path / "small.keras"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(DATA / "small.json", "config.json")
        file.writestr("metadata.json", '{"keras_version": "3.15.1"}')
    network = read_keras(archive)
    assert network.source == "small.keras (Keras 3.15.1)"
    assert counts(network) == counts(read_keras(DATA / "small.json"))


def test_what_a_model_was_compiled_with_is_its_recipe() -> None:
    recipe = read_keras(DATA / "small.json").recipe
    assert recipe is not None
    shown = recipe.to_json()
    assert shown["loss"] == {"name": "crossentropy", "smoothing": 0.0}
    assert shown["optimizer"] == {
        "name": "adam", "lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-07
    }  # fmt: skip
    # Keras adds l2 times the squares, `weight_decay` half its number times them.
    assert shown["weight_decay"] == {"value": 0.02, "all": False}
    assert shown["init"] == {"name": "glorot", "value": None}


def test_files_of_keras_2_are_read() -> None:
    network = read_keras(DATA / "old.json")
    assert network.refused == ()
    text = checked(network)[0].text
    assert "leakyrelu 0.2" in text
    assert "batchnorm eps 0.001" in text
    assert network.recipe is not None
    assert network.recipe.freeze == ("bn",)
    assert counts(network) == (130, 6920)


# --- what cannot be said ----------------------------------------------------------------------


def model(*layers: tuple[str, dict[str, Any]], shape: tuple[int | None, ...]) -> dict[str, Any]:
    """A sequential model as JSON."""
    entries = [{"class_name": "InputLayer", "config": {"batch_shape": [None, *shape]}}]
    for at, (kind, config) in enumerate(layers):
        entries.append({"class_name": kind, "config": {"name": f"l{at}", **config}})
    return {"class_name": "Sequential", "config": {"name": "m", "layers": entries}}


def read(tmp_path: Path, found: object) -> ImportedNetwork:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    return read_keras(path)


CONV = ("Conv2D", {"filters": 4, "kernel_size": [3, 3]})


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (("LSTM", {"units": 3}), "it carries a state from one step to the next"),
        (("TimeDistributed", {}), "it calls a layer for each step; a convolution of a dimension"
                                  " more may do"),
        (("Lambda", {}), "it runs a program's own code"),
        (("MyLayer", {}), "no layer here does what it does"),
        (("Activation", {"activation": "cube"}), "no layer computes the activation `cube`"),
        (("Activation", {"activation": "hard_sigmoid"}),
         "`hard_sigmoid` of Keras 2 is x/5 + 1/2, and `hardsigmoid` x/6 + 1/2"),
        (("UpSampling2D", {"interpolation": "lanczos3"}),
         "`upsample` copies cells or mixes neighbours, not `lanczos3`"),
        (("Rescaling", {"scale": 2.0, "offset": 1.0}),
         "no layer multiplies by numbers that do not learn and adds to them"),
        (("BatchNormalization", {"axis": [1]}), "`batchnorm` normalises each channel: `axis`"),
        (("Conv1D", {"filters": 1, "kernel_size": [3]}),
         "its input has 2 spatial dimensions, not 1"),
    ],
)  # fmt: skip
def test_what_no_layer_says_is_listed_with_its_place(
    layer: tuple[str, dict[str, Any]], why: str, tmp_path: Path
) -> None:
    network = read(tmp_path, model(CONV, layer, ("ReLU", {}), shape=(8, 8, 3)))
    [refused] = network.refused
    assert refused.place == f"layer `l1` ({layer[0]})"
    assert refused.why == why
    assert network.behind == 1
    assert [node.keyword for node in network.nodes] == ["conv"]


def test_what_was_not_read_of_a_layer_is_told(tmp_path: Path) -> None:
    network = read(tmp_path, model(("ReLU", {"wobble": 3, "off": None}), shape=(8, 8, 3)))
    assert "layer `l0`: `wobble` of ReLU is not read" in network.notes


@pytest.mark.parametrize(
    ("found", "code", "message"),
    [
        ([], "CNN683", "model.json is JSON, but no model of Keras: it has no `class_name`"),
        ({"class_name": "MyModel", "config": {}}, "CNN683",
         "model.json holds a `MyModel`, not a `Sequential` or functional model"),
        ({"class_name": "Sequential", "config": {"layers": []}}, "CNN683",
         "a `Sequential` model without layers"),
        (model(CONV, shape=(None, None, 3)), "CNN682",
         "the file does not say how large the input `InputLayer` is, only `?x?x3`"),
        (model(("Conv2D", {"filters": "4"}), shape=(8, 8, 3)), "CNN681",
         "`kernel_size` of layer `l0` (Conv2D) is 2 whole numbers, not None"),
        ({"class_name": "Sequential", "keras_version": "1.2.2", "config": []}, "CNN683",
         "model.json was written by Keras 1.2.2, whose layers had other names"),
    ],
)  # fmt: skip
def test_what_is_no_network_is_refused(
    found: object, code: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, found)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_what_is_no_json_is_refused_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text('{"class_name": "Sequential",\n "config": }', encoding="utf-8")
    with pytest.raises(CompileError) as caught:
        read_keras(path)
    [found] = caught.value.diagnostics
    assert (found.code, found.message) == ("CNN680", "no JSON: expecting value")
    assert found.span.first.line == 2


def test_a_rate_that_is_no_short_number_is_the_same_when_it_was_read(tmp_path: Path) -> None:
    layers = [("Dropout", {"rate": 0.2 * at / 21}) for at in range(1, 21)]
    (tmp_path / "m.json").write_text(json.dumps(model(*layers, shape=(4,))), encoding="utf-8")
    imported = cnndsl.import_network(tmp_path / "m.json")
    assert "dropout 0.08571429" in imported.text

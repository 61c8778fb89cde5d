"""Keras's files, as Keras writes them and, where it is not installed, as h5py does."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from foreign_weights import drawn

from cnndsl.diagnostics.model import UserError

h5py: Any = pytest.importorskip("h5py")

from cnndsl.importers.weights.keras_file import open_keras  # noqa: E402


def numbered(path: Path, layers: dict[str, list[Any]], names: dict[str, str] | None = None) -> Path:
    """Keras 3's `.weights.h5`, from layers' groups with their variables."""
    with h5py.File(path, "w") as file:
        for group, arrays in layers.items():
            made = file.create_group(f"layers/{group}/vars")
            made.attrs["name"] = (names or {}).get(group, group)
            for at, array in enumerate(arrays):
                made[str(at)] = array
        state = file.create_group("optimizer/vars")
        state["0"] = numpy.int64(7)
    return path


def test_variables_are_what_the_class_says(tmp_path: Path) -> None:
    norm = [drawn(4, seed=one) for one in range(4)]
    path = numbered(
        tmp_path / "a.weights.h5",
        {
            "conv2d": [drawn(3, 3, 1, 4), drawn(4)],
            "conv2d_1": [drawn(3, 3, 4, 4)],
            "conv2d_10": [drawn(3, 3, 4, 4, seed=1)],
            "batch_normalization": norm,
            "depthwise_conv2d": [drawn(3, 3, 4, 1)],
            "separable_conv2d": [drawn(3, 3, 4, 1), drawn(1, 1, 4, 6), drawn(6)],
            "conv2d_transpose": [drawn(2, 2, 8, 6)],
            "dense": [drawn(24, 10), drawn(10)],
            "p_re_lu": [drawn(4)],
        },
        {"conv2d_1": "my_own"},
    )
    with open_keras(str(path)) as source:
        layers = {one.name: one for one in source.layers}
        assert [one for one in layers if "conv2d" in one or one == "my_own"] == [
            *("conv2d", "my_own", "conv2d_10", "conv2d_transpose", "depthwise_conv2d"),
            *("separable_conv2d.depthwise", "separable_conv2d.pointwise"),
        ]
        assert layers["conv2d"].tensors[0].axes == "HWIO"
        assert layers["depthwise_conv2d"].tensors[0].axes == "HWIM"
        assert layers["conv2d_transpose"].tensors[0].axes == "HWOI"
        assert layers["dense"].tensors[0].axes == "IO"
        roles = [str(one.role) for one in layers["batch_normalization"].tensors]
        assert roles == ["scale", "bias", "mean", "var"]
        assert [str(one.role) for one in layers["p_re_lu"].tensors] == ["slope"]
        assert not source.ordered
        assert [one.name for one in source.left_out] == ["optimizer/vars/0"]


def test_the_configuration_of_a_keras_file_says_the_order_and_what_lacks(tmp_path: Path) -> None:
    inner = numbered(
        tmp_path / "inner.h5",
        {
            "conv2d": [drawn(3, 3, 1, 4)],
            "batch_normalization": [drawn(4, seed=n) for n in range(3)],
        },
        {"conv2d": "zz", "batch_normalization": "aa"},
    )
    config = {
        "class_name": "Functional",
        "config": {
            "name": "net",
            "layers": [
                {"class_name": "Conv2D", "config": {"name": "zz", "use_bias": False}},
                {"class_name": "BatchNormalization", "config": {"name": "aa", "scale": False}},
            ],
        },
    }
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.write(inner, "model.weights.h5")
    with open_keras(str(path)) as source:
        assert source.ordered
        assert [one.name for one in source.layers] == ["zz", "aa"]
        roles = [str(one.role) for one in source.layers[1].tensors]
        assert roles == ["bias", "mean", "var"]


def test_keras_own_files_give_what_keras_has(tmp_path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras: Any = pytest.importorskip("keras")
    layers = keras.layers
    entry = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="first", use_bias=False)(entry)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = keras.Sequential([layers.Conv2D(5, 1), layers.PReLU(shared_axes=[1, 2])], name="inside")(x)
    x = layers.Dense(7, name="last")(layers.Flatten()(x))
    model = keras.Model(entry, x)
    for one in model.weights:
        one.assign(drawn(*one.shape, seed=len(one.path)))
    expected = {one.path: one.numpy() for one in model.weights}
    model.compile(optimizer="adam", loss="mse")
    for name in ("a.weights.h5", "a.keras", "a.h5"):
        path = tmp_path / name
        if name == "a.weights.h5":
            model.save_weights(path)
        else:
            model.save(path)
        with open_keras(str(path)) as source:
            found = [one.read() for one in source.tensors.values()]
            shapes = sorted(one.shape for one in expected.values())
            assert sorted(one.shape for one in found) == shapes
            first = next(one for one in source.layers if one.name == "first")
            numpy.testing.assert_array_equal(first.tensors[0].read(), expected["first/kernel"])
            kinds = {str(tensor.role) for layer in source.layers for tensor in layer.tensors}
            # Of three variables of a normalisation nothing says whether one is gamma or beta.
            unsaid = {"other"} if name == "a.weights.h5" else {"mean", "var"}
            assert kinds == {"weight", "bias", "slope", *unsaid}
            if source.ordered:
                assert source.layers[-1].name == "last"
                assert source.layers[0].name == "first"


def read_all(path: Path) -> None:
    with open_keras(str(path)) as source:
        for one in source.tensors.values():
            one.read()


def refused(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        read_all(path)
    return caught.value


def test_links_into_other_files_are_not_followed(tmp_path: Path) -> None:
    numbered(tmp_path / "other.h5", {"dense": [drawn(2, 2)]})
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink("other.h5", "/layers")
    assert "is a link to somewhere else" in str(refused(path))
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/dense/vars")
        group.create_dataset("0", (4,), "f4", external=[(str(tmp_path / "other.h5"), 0, 16)])
    assert "is no array of this file" in str(refused(path))


def test_files_that_are_cut_short_are_refused(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "a.weights.h5", {"dense": [drawn(40, 20), drawn(20)]}).read_bytes()
    path = tmp_path / "cut.weights.h5"
    for end in (0, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert refused(path).code == "CNN650"
    path = tmp_path / "cut.keras"
    path.write_bytes(b"PK\x03\x04" + bytes(50))
    assert refused(path).code == "CNN650"


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNDSL_LIMITS", "unpacked=1000000")
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(2_000_000))
    assert "unpack to more than 1,000,000 bytes" in str(refused(path))


def test_without_h5py_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = numbered(tmp_path / "a.weights.h5", {"dense": [drawn(2, 2)]})
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    error = refused(path)
    assert (error.code, error.help) == ("CNN656", '`pip install "cnndsl[keras]"`')

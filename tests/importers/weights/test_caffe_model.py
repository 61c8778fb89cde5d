"""Caffe's models, of all the forms that its files have had."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from foreign_weights import caffe_model, drawn

from cnndsl.diagnostics.model import UserError
from cnndsl.importers.weights.caffe_model import open_caffe

LAYERS = [
    ("conv1", "Convolution", [drawn(6, 1, 5, 5), drawn(6)]),
    ("relu1", "ReLU", []),
    ("ip1", "InnerProduct", [drawn(10, 24), drawn(10)]),
]


@pytest.mark.parametrize("form", [0, 1, 2])
@pytest.mark.parametrize("double", [False, True])
def test_kernels_and_biases_are_read_of_every_form(form: int, double: bool, tmp_path: Path) -> None:
    path = caffe_model(tmp_path / "a.caffemodel", LAYERS, form=form, double=double, diffs=True)
    with open_caffe(str(path)) as source:
        assert source.ordered
        assert [(one.name, one.kind) for one in source.layers] == [
            ("conv1", "Convolution"),
            ("ip1", "InnerProduct"),
        ]
        shapes = {name: (one.shape, one.axes) for name, one in source.tensors.items()}
        assert shapes == {
            "conv1[0]": ((6, 1, 5, 5), "OIHW"),
            "conv1[1]": ((6,), ""),
            "ip1[0]": ((10, 24), "OI"),
            "ip1[1]": ((10,), ""),
        }
        for name, _, blobs in LAYERS:
            for at, array in enumerate(blobs):
                numpy.testing.assert_array_equal(source.tensors[f"{name}[{at}]"].read(), array)


def test_a_normalisation_is_divided_by_its_factor_and_has_the_scale_behind_it(
    tmp_path: Path,
) -> None:
    mean, var = drawn(4), numpy.abs(drawn(4, seed=1))
    factor = numpy.array([0.5], numpy.float32)
    scale, bias = drawn(4, seed=2), drawn(4, seed=3)
    path = caffe_model(
        tmp_path / "a.caffemodel",
        [
            ("conv", "Convolution", [drawn(4, 3, 3, 3)]),
            ("bn", "BatchNorm", [mean, var, factor]),
            ("scale", "Scale", [scale, bias]),
            ("alone", "Scale", [scale, bias]),
            ("bn2", "BatchNorm", [mean, var, numpy.zeros(1, numpy.float32)]),
        ],
    )
    with open_caffe(str(path)) as source:
        assert [one.name for one in source.layers] == ["conv", "bn", "alone", "bn2"]
        found = {str(one.role): one.read() for one in source.layers[1].tensors}
        assert [*found] == ["mean", "var", "scale", "bias"]
        expected = (mean * 2, var * 2, scale, bias)
        for got, wanted in zip(found.values(), expected, strict=True):
            numpy.testing.assert_allclose(got, wanted, rtol=1e-7)
        assert [one.name for one in source.layers[2].tensors] == ["alone[0]", "alone[1]"]
        assert not source.layers[3].tensors[0].read().any()
        assert [one.name for one in source.left_out] == ["bn[2]", "bn2[2]"]


def test_layers_of_one_name_are_told_apart(tmp_path: Path) -> None:
    one = ("fc", "InnerProduct", [drawn(3, 2)])
    path = caffe_model(tmp_path / "a.caffemodel", [one, one])
    with open_caffe(str(path)) as source:
        assert [*source.tensors] == ["fc[0]", "fc#2[0]"]


def read_all(path: Path) -> int:
    with open_caffe(str(path)) as source:
        return len([one.read() for one in source.tensors.values()])


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_all(path)
    assert caught.value.code == "CNN650"
    return str(caught.value)


def test_files_that_are_cut_short_are_refused_wherever_that_is(tmp_path: Path) -> None:
    whole = caffe_model(tmp_path / "a.caffemodel", LAYERS).read_bytes()
    path = tmp_path / "cut.caffemodel"
    for end in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:end])
        assert "it is no whole Caffe model" in refused(path)


def test_a_blob_that_says_more_than_it_has_is_refused(tmp_path: Path) -> None:
    # layer { blobs { shape { dim: 2^40 } data: 1.0 } }
    shape = b"\x0a\x06" + b"\x80\x80\x80\x80\x80\x20"
    blob = b"\x3a" + bytes([len(shape)]) + shape + b"\x2a\x04\x00\x00\x80\x3f"
    layer = b"\x3a" + bytes([len(blob)]) + blob
    path = tmp_path / "a.caffemodel"
    path.write_bytes(b"\xa2\x06" + bytes([len(layer)]) + layer)
    assert "a blob of 1099511627776 has 1 numbers" in refused(path)


@pytest.mark.parametrize(
    "blob",
    [
        # n, of four bytes without an end, or of four numbers
        b"\x0d\xff\xff\xff\xff" + b"\x2a\x04\x00\x00\x80\x3f",
        b"\x0d\x01\x01\x01\x01" + b"\x2a\x04\x00\x00\x80\x3f",
        # shape { dim: [1, a number without an end] }
        b"\x3a\x04\x0a\x02\x01\xff" + b"\x2a\x04\x00\x00\x80\x3f",
    ],
)
def test_sizes_that_are_no_numbers_are_refused(blob: bytes, tmp_path: Path) -> None:
    layer = b"\x3a" + bytes([len(blob)]) + blob
    path = tmp_path / "a.caffemodel"
    path.write_bytes(b"\xa2\x06" + bytes([len(layer)]) + layer)
    assert "it is no whole Caffe model" in refused(path)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.caffemodel"
    for content in (b"", b"\xff" * 100, b'layer { name: "conv1" }' * 10, bytes(1000)):
        path.write_bytes(content)
        assert "cannot read the weights" in refused(path)
    caffe_model(path, [("relu", "ReLU", [])])
    assert "no layer in it has blobs" in refused(path)
    assert "no such file" in refused(tmp_path / "nothing.caffemodel")


def test_what_layers_depend_on_is_what_their_blobs_do(tmp_path: Path) -> None:
    layers = [
        ("a", "Convolution", [drawn(3, 3, 1, 1)]),
        ("bn", "BatchNorm", [drawn(3), drawn(3), drawn(1)]),
        ("sc", "Scale", [drawn(3), drawn(3)]),
        ("r", "ReLU", []),
        ("b", "Convolution", [drawn(3, 3, 1, 1)]),
    ]
    path = caffe_model(tmp_path / "a.caffemodel", layers)
    with open_caffe(str(path)) as source:
        found = [(one.name, one.place, one.before) for one in source.layers]
    assert found == [("a", 0, 0b0), ("bn", 1, 0b1), ("b", 2, 0b11)]

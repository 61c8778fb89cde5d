"""Darknet's weights: the versions of their header, and the order within layers."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from foreign_weights import darknet_weights, drawn

from cnndsl.diagnostics.model import UserError
from cnndsl.importers.weights.darknet_file import DarknetLayer, open_darknet

BIASES, SCALES, MEANS = drawn(4), drawn(4, seed=1), drawn(4, seed=2)
VARIANCES, KERNELS = numpy.abs(drawn(4, seed=3)), drawn(4, 3, 3, 3)
UNITS, CONNECTED = drawn(10), drawn(10, 16)

LAYERS = [
    DarknetLayer("c", "convolutional", 4, (4, 3, 3, 3), normalised=True, norm="n"),
    DarknetLayer("f", "connected", 10, (10, 16)),
]


@pytest.mark.parametrize("version", [(0, 1, 0), (0, 2, 0), (0, 2, 5), (1, 0, 0), (0, 1001, 0)])
def test_every_version_is_read(version: tuple[int, int, int], tmp_path: Path) -> None:
    there = CONNECTED.T.copy() if version[1] > 1000 else CONNECTED
    numbers = [BIASES, SCALES, MEANS, VARIANCES, KERNELS, UNITS, there]
    path = darknet_weights(tmp_path / "a.weights", numbers, version=version)
    with open_darknet(str(path), LAYERS) as source:
        conv, norm, dense = source.layers
        assert (conv.name, norm.name, dense.name) == ("c", "n", "f")
        found = {str(one.role): one.read() for one in norm.tensors}
        for role, array in zip(
            ("scale", "bias", "mean", "var"), (SCALES, BIASES, MEANS, VARIANCES), strict=True
        ):
            numpy.testing.assert_array_equal(found[role], array)
        [kernel] = conv.tensors
        numpy.testing.assert_array_equal(kernel.read(), KERNELS)
        weights = dense.tensors[0]
        assert weights.axes == ("IO" if version[1] > 1000 else "OI")
        numpy.testing.assert_array_equal(weights.read(), there)


def test_a_normalised_connected_layer_has_its_kernels_second(tmp_path: Path) -> None:
    layer = DarknetLayer("f", "connected", 4, (4, 3), normalised=True)
    kernels = drawn(4, 3)
    numbers = [BIASES, kernels, SCALES, MEANS, VARIANCES]
    with open_darknet(str(darknet_weights(tmp_path / "a.weights", numbers)), [layer]) as source:
        numpy.testing.assert_array_equal(source.tensors["f.weights"].read(), kernels)
        numpy.testing.assert_array_equal(source.tensors["f.rolling_mean"].read(), MEANS)


def test_flipped_kernels_stand_cell_by_cell(tmp_path: Path) -> None:
    layer = DarknetLayer("c", "convolutional", 4, (4, 3, 3, 3), flipped=True)
    numbers = [BIASES, KERNELS.reshape(4, -1).T]
    with open_darknet(str(darknet_weights(tmp_path / "a.weights", numbers)), [layer]) as source:
        kernel = source.tensors["c.weights"]
        assert (kernel.axes, kernel.shape) == ("IHWO", (3, 3, 3, 4))
        numpy.testing.assert_array_equal(kernel.read().transpose(3, 0, 1, 2), KERNELS)


def test_numbers_of_another_network_are_refused_with_both_counts(tmp_path: Path) -> None:
    path = darknet_weights(tmp_path / "a.weights", [drawn(7)])
    with pytest.raises(UserError, match=r"holds 7 numbers, and the 2 layers .* have 294"):
        open_darknet(str(path), LAYERS).__enter__()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="holds 6 numbers and a part of one"):
        open_darknet(str(path), LAYERS).__enter__()


@pytest.mark.parametrize("content", [b"", bytes(11), bytes(12), b"\xff" * 40])
def test_what_has_no_header_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.weights"
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot read the weights") as caught:
        open_darknet(str(path), LAYERS).__enter__()
    assert caught.value.code == "CNN650"

"""Puts files of weights of other tools where the pages on errors have them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy
from foreign_weights import caffe_model, drawn
from safetensors.numpy import save_file
from typing_extensions import override

import cnndsl

__all__ = ["FOREIGN", "lenet_arrays"]


def lenet_arrays() -> dict[str, numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float32]]]:
    """A LeNet-5 as somebody has written it in PyTorch."""
    shapes = {
        "features.0": (6, 1, 5, 5),
        "features.3": (16, 6, 5, 5),
        "classifier.0": (120, 400),
        "classifier.2": (84, 120),
        "classifier.4": (10, 84),
    }
    return {
        f"{layer}.{part}": drawn(*(shape if part == "weight" else shape[:1]))
        for layer, shape in shapes.items()
        for part in ("weight", "bias")
    }


def a_cut_caffe_model(folder: Path) -> None:
    path = caffe_model(
        folder / "lenet.caffemodel", [("conv1", "Convolution", [drawn(20, 1, 5, 5)])]
    )
    path.write_bytes(path.read_bytes()[:1000])


def a_pickle_that_calls(folder: Path) -> None:
    class Call:
        @override
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("you were had",)

    (folder / "model.pt").write_bytes(pickle.dumps(Call()))


def a_deeper_lenet(folder: Path) -> None:
    arrays = lenet_arrays()
    arrays["features.5.weight"], arrays["features.5.bias"] = drawn(16, 16, 3, 3), drawn(16)
    save_file(arrays, folder / "deeper.safetensors")


def two_branches(folder: Path) -> None:
    (folder / "branches.cnn").write_text(
        "input 3x8x8\nadd(left: conv 4@3, right: conv 4@3) -> flatten -> dense 10\n", "utf-8"
    )
    save_file(
        {
            "inner.weight": drawn(4, 3, 3, 3),
            "inner.bias": drawn(4),
            "outer.weight": drawn(4, 3, 3, 3, seed=1),
            "outer.bias": drawn(4),
            "head.weight": drawn(10, 144),
            "head.bias": drawn(10),
        },
        folder / "branches.safetensors",
    )


def a_map_with_a_slip(folder: Path) -> None:
    save_file(lenet_arrays(), folder / "lenet.safetensors")
    (folder / "names.txt").write_text("features.0  C1\nfeatures.3  C4\n", "utf-8")


def another_number_of_classes(folder: Path) -> None:
    arrays = lenet_arrays()
    arrays["classifier.4.weight"], arrays["classifier.4.bias"] = drawn(26, 84), drawn(26)
    save_file(arrays, folder / "letters.safetensors")
    (folder / "names.txt").write_text("classifier.4  OUTPUT\n", "utf-8")


def another_activation(folder: Path) -> None:
    """A model with a tanh where the spec has a relu."""
    (folder / "net.cnn").write_text(
        "input 3x8x8\nconv 4@3 -> relu -> flatten -> dense 2\n", encoding="utf-8"
    )
    other = "input 3x8x8\nconv 4@3 -> tanh -> flatten -> dense 2\n"
    cnndsl.parse(other).compile(device="cpu").save(folder / "theirs.onnx")


def weights_without_names(folder: Path) -> None:
    network = cnndsl.load("lenet5")
    arrays = {name: drawn(*shape) for name, shape in network.weights.items()}
    save_file(arrays, folder / "lenet5.safetensors")


FOREIGN = {
    "CNN650": a_cut_caffe_model,
    "CNN651": a_pickle_that_calls,
    "CNN652": a_deeper_lenet,
    "CNN653": two_branches,
    "CNN654": a_map_with_a_slip,
    "CNN655": another_number_of_classes,
    "CNN657": another_activation,
    "CNN658": weights_without_names,
}
"""What makes the command of each page fail."""

"""`cnndsl show MODEL --filters`: which kernels are drawn, and what has none."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import save_file

import cnndsl
from cnndsl.cli import main
from cnndsl.runtime.kernels import kernels_of

SPEC = """network small
input 3x8x8
C1: conv 4@3 -> relu
U: upconv 2@2 stride 2
F: filter [[1, 0, -1]]
flatten -> D: dense 2
"""


def compiled(folder: Path) -> tuple[Path, dict[str, numpy.ndarray]]:
    """A model of the spec, and its weights: numbers that are all different."""
    (folder / "small.cnn").write_text(SPEC)
    network = cnndsl.load(folder / "small.cnn")
    shapes = network.weights.items()
    weights = {
        name: numpy.arange(numpy.prod(shape), dtype=numpy.float32).reshape(shape)
        for name, shape in shapes
    }
    save_file(weights, folder / "weights.safetensors")
    network.compile(folder / "weights.safetensors", device="cpu").save(folder / "small.onnx")
    return folder / "small.onnx", weights


def show(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["show", *arguments])


def test_kernels_are_those_of_the_model_filters_first(tmp_path: Path) -> None:
    path, weights = compiled(tmp_path)
    typed = cnndsl.load(path).typed
    kernels, is_colour = kernels_of(typed, path, "C1")
    assert (kernels == weights["C1.weight"]).all()
    assert is_colour
    kernels, is_colour = kernels_of(typed, path, "U")
    assert kernels.shape == (2, 4, 2, 2)
    assert (kernels == weights["U.weight"].swapaxes(0, 1)).all()
    assert not is_colour


@pytest.mark.parametrize(("layer", "sizes"), [("C1", "4x3x3x3"), ("U", "2x4x2x2")])
def test_a_figure_is_written_and_said(tmp_path: Path, layer: str, sizes: str) -> None:
    path, _ = compiled(tmp_path)
    figure = tmp_path / "filters.png"
    result = show(str(path), "--filters", layer, "-o", str(figure))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{figure}: the kernels of {layer}, {sizes}\n"
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("layer", "said", "help"),
    [
        ("F", "CNN715]: `F` (`filter`) has no kernels that learn", "convolution: `C1`, `U`"),
        ("D", "CNN715]: `D` (`dense`) has no kernels that learn", "convolution: `C1`, `U`"),
        ("C2", "CNN704]: no layer is called `C2`", "did you mean `C1`?"),
    ],
)
def test_a_layer_without_kernels_is_said(tmp_path: Path, layer: str, said: str, help: str) -> None:
    path, _ = compiled(tmp_path)
    result = show(str(path), "--filters", layer, "-o", str(tmp_path / "filters.png"))
    assert result.exit_code == 1
    assert said in result.stderr
    assert help in result.stderr
    assert not (tmp_path / "filters.png").exists()


@pytest.mark.parametrize("options", [["--filters", "C1"], ["-o", "filters.png"]])
def test_the_layer_and_the_file_belong_together(tmp_path: Path, options: list[str]) -> None:
    path, _ = compiled(tmp_path)
    assert show(str(path), *options).exit_code == 2

"""The lectures' examples once more, without the product: their page in, NumPy's numbers out.

Pictures, kernels and the maps that they give are read from `docs/lectures.md`, so that neither can
change without the other. What its commands print, `test_console_examples.py` compares with the
page; here NumPy computes what the page shows, and ONNX Runtime's numbers are compared where the
page rounds them or shows a picture. `REWRITE=1` draws the page's pictures anew.
"""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
from collections.abc import Callable
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy
import numpy.typing
import pytest
from click.testing import CliRunner
from console import commands
from documents import ROOT, fences
from numpy.lib.stride_tricks import sliding_window_view
from packaging.version import Version
from PIL import Image
from safetensors.numpy import save_file

import cnndsl
from cnndsl.cli import main

PAGE = ROOT / "docs" / "lectures.md"
PICTURES = ROOT / "docs" / "images" / "lectures"
LARGEST = 60 * 1024

FILES = {fence.file: fence.text for fence in fences(PAGE) if fence.file}
PRINTED = {
    command.line: command.output for fence in fences(PAGE, "console") for command in commands(fence)
}

Array: TypeAlias = "numpy.typing.NDArray[Any]"


def numbers(text: str) -> list[float]:
    """All numbers of a text, fractions too."""
    return [float(Fraction(word)) for word in re.findall(r"-?\d+(?:/\d+|\.\d+)?", text)]


def picture(name: str) -> Array:
    """A page's picture, row by row."""
    return numpy.array([numbers(line) for line in FILES[name].splitlines()])


def kernels(spec: str) -> Array:
    """The 3x3 kernels that a spec of the page writes, in order."""
    found = [numbers(text) for text in re.findall(r"\[\[.*?\]\]", FILES[spec])]
    return numpy.array(found).reshape(-1, 3, 3)


def shown(command: str, name: str) -> Array:
    """The numbers of a map, or the short vector, that a command of the page prints."""
    lines = PRINTED[command].splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith(f"  {name} "))
    sizes, _, rest = lines[at].removeprefix(f"  {name} ").partition(": ")
    shape = [int(size) for size in sizes.split("x")]
    if len(shape) == 1:
        return numpy.array(numbers(rest))
    rows = numbers("\n".join(lines[at + 1 :]))
    return numpy.array(rows[: numpy.prod(shape)]).reshape(shape)


def computed(spec: str, array: Array, layer: str, folder: Path) -> Array:
    """What ONNX Runtime gives for a layer of a spec of the page."""
    path = folder / spec
    path.write_text(FILES[spec], encoding="utf-8")
    numpy.save(folder / "input.npy", array.astype(numpy.float32))
    model = cnndsl.load(path).compile(device="cpu")
    [answer] = model.predict([folder / "input.npy"], layers=[layer])
    return answer.layers[layer]


def slide(image: Array, kernel: Array, stride: int = 1, padding: int = 0) -> Array:
    """Cross-correlation by its definition: the sum of products at each place."""
    windows = sliding_window_view(numpy.pad(image, padding), kernel.shape)
    sums: Array = (windows * kernel).sum(axis=(2, 3))
    return sums[::stride, ::stride]


def pool(image: Array, of: Callable[[Array], Any] = numpy.max) -> Array:
    """Over windows of 2x2, which at the end may be cut off."""
    rows, columns = (range(0, size, 2) for size in image.shape)
    return numpy.array([[of(image[y : y + 2, x : x + 2]) for x in columns] for y in rows])


def test_the_kernel_slides_over_the_picture() -> None:
    found = shown("cnndsl run slide.cnn image.txt", "output")[0]
    assert found.tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]
    assert slide(picture("image.txt"), kernels("slide.cnn")[0]).tolist() == found.tolist()


def test_padding_and_stride_give_the_maps_of_the_guide() -> None:
    command = "cnndsl run guide.cnn guide.txt"
    image, kernel = picture("guide.txt"), kernels("guide.cnn")[0]
    valid = shown(command, "valid")[0]
    assert valid.tolist() == [[12, 12, 17], [10, 17, 19], [9, 6, 14]]
    assert slide(image, kernel).tolist() == valid.tolist()
    assert slide(image, kernel, padding=1).tolist() == shown(command, "same")[0].tolist()
    assert slide(image, kernel, padding=2).tolist() == shown(command, "full")[0].tolist()
    strided = shown(command, "output")[0]
    assert slide(image, kernel, stride=2, padding=1).tolist() == strided.tolist()
    assert shown(command, "same")[0, ::2, ::2].tolist() == strided.tolist()


def test_a_convolution_is_the_product_with_the_matrix_of_the_page(tmp_path: Path) -> None:
    image, kernel = picture("guide.txt"), kernels("guide.cnn")[0]
    places = numpy.zeros((9, 5, 5))
    for row, (y, x) in enumerate(numpy.ndindex(3, 3)):
        places[row, y : y + 3, x : x + 3] = kernel
    matrix = places.reshape(9, 25)
    [rows] = [f.text for f in fences(PAGE, "text") if not f.file and f.text.startswith("0 1 2 0 0")]
    assert numbers(rows) == matrix[:4].ravel().tolist()
    valid = shown("cnndsl run guide.cnn guide.txt", "valid")
    assert (matrix @ image.ravel()).tolist() == valid.ravel().tolist()
    # And so does a dense layer with these weights.
    path = tmp_path / "dense.cnn"
    path.write_text("input 1x5x5\nflatten -> product: dense 9 bias no\n")
    weights = tmp_path / "weights.safetensors"
    save_file({"product.weight": matrix.astype(numpy.float32)}, weights)
    model = cnndsl.load(path).compile(weights=weights, device="cpu")
    answer = model.run(image[None, None].astype(numpy.float32))
    assert numpy.ravel(answer).tolist() == valid.ravel().tolist()


def test_the_kernels_find_the_lines_of_the_plus_sign(tmp_path: Path) -> None:
    image = picture("plus.txt")
    maps = [image, *(slide(image, kernel, padding=1) for kernel in kernels("plus.cnn"))]
    found = computed("plus.cnn", image[None], "lines", tmp_path)
    assert found.tolist() == numpy.array(maps).tolist()
    # As the page says: 4 along the bar, no more than 1 along the other, and 2 of the diagonal.
    assert (maps[1][1:6, 3] == 4).all()
    assert maps[1][3, :3].max() == 1
    assert (maps[2] == maps[1].T).all()
    assert maps[3].max() == 2
    edges = slide(image, kernels("plus_edges.cnn")[0])
    assert shown("cnndsl run plus_edges.cnn plus.txt", "output")[0].tolist() == edges.tolist()


def test_the_letter_x_is_convolved_rectified_and_pooled(tmp_path: Path) -> None:
    command = "cnndsl run x.cnn x.txt --layers C,R,P"
    image = picture("x.txt")
    maps = {"C": slide(image, kernels("x.cnn")[0])}
    maps["R"] = numpy.maximum(maps["C"], 0)
    maps["P"] = pool(maps["R"])
    maps["output"] = pool(maps["P"])
    assert [maps[name].shape for name in "CRP"] == [(7, 7), (7, 7), (4, 4)]
    for name, expected in maps.items():
        numpy.testing.assert_allclose(shown(command, name)[0], expected, atol=5.1e-5)
        layer = "Q" if name == "output" else name
        real = computed("x.cnn", image[None], layer, tmp_path)[0]
        numpy.testing.assert_allclose(real, expected, atol=1e-6)
    assert maps["C"][3, 3] == pytest.approx(5 / 9)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("largest", numpy.max),
        ("smallest", numpy.min),
        ("mean", numpy.mean),
        ("sum", numpy.sum),
        ("output", numpy.linalg.norm),
    ],
)
def test_windows_are_pooled(name: str, of: Callable[[Array], Any]) -> None:
    found = shown("cnndsl run pool.cnn pool.txt", name)[0]
    numpy.testing.assert_allclose(found, pool(picture("pool.txt"), of), atol=5.1e-5)


def test_connections_are_counted() -> None:
    lines = PRINTED["cnndsl summary connections.cnn"].splitlines()
    rows = {line.split()[0]: line for line in lines if line}
    assert re.search(r"1x7x7 +9 +441 ", rows["shared"])
    assert re.search(r" 3,969 +3,969 ", rows["all"])
    assert re.search(r" 441 +441 ", rows["near"])


def test_edges_of_the_photograph_are_sobels_and_laplaces(tmp_path: Path) -> None:
    photograph = numpy.asarray(Image.open(PICTURES / "china.jpg").convert("L")) / 255
    around = numpy.pad(photograph, 1, mode="edge")
    x, y, laplace = (slide(around, kernel) for kernel in kernels("edges.cnn"))
    assert (kernels("edges.cnn")[1] == kernels("edges.cnn")[0].T).all()
    expected = {"sobel": [x, y, numpy.hypot(x, y)], "laplace": [laplace]}
    for layer, maps in expected.items():
        found = computed("edges.cnn", photograph[None], layer, tmp_path)
        numpy.testing.assert_allclose(found, maps, atol=1e-5)


def test_the_kernel_is_laid_down_at_each_number() -> None:
    larger = numpy.zeros((5, 5))
    for (y, x), value in numpy.ndenumerate(picture("small.txt")):
        larger[2 * y : 2 * y + 3, 2 * x : 2 * x + 3] += value
    assert shown("cnndsl run larger.cnn small.txt", "output")[0].tolist() == larger.tolist()


def test_the_loss_is_the_cross_entropy_and_the_gradient_p_minus_y() -> None:
    scores = numpy.array(numbers(FILES["scores.txt"]))
    p = numpy.exp(scores) / numpy.exp(scores).sum()
    answer = PRINTED["cnndsl run two.cnn scores.txt"]
    assert numbers(answer.splitlines()[1])[0] == pytest.approx(p[0], abs=5e-5)
    assert p == pytest.approx([0.71, 0.29], abs=5e-5)
    for name, right in (("first", 0), ("second", 1)):
        loss = numbers(PRINTED[f"cnndsl eval two.onnx --data {name}.npz"])[0]
        assert loss == pytest.approx(-numpy.log(p[right]), abs=1e-4)
    after = shown("cnndsl run trained/model.onnx zeros.txt --layers scores", "scores")
    assert after == pytest.approx([1, 0] - p, abs=5e-5)


# --- pictures ---------------------------------------------------------------------------------


def drawn(folder: Path) -> dict[str, bytes]:
    """The pictures that the page's commands draw."""
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    shutil.copy(PICTURES / "china.jpg", folder)
    before = set(folder.iterdir())
    for line in PRINTED:
        if "--draw" in line:
            result = CliRunner().invoke(main, line.split()[1:])
            assert result.exit_code == 0, result.output
    return {path.name: path.read_bytes() for path in sorted(set(folder.iterdir()) - before)}


def pixels(name: str, content: bytes) -> list[Array]:
    """The maps of an SVG file as they are, or a PNG file's picture, whose letters may differ."""
    if name.endswith(".png"):
        return [numpy.asarray(Image.open(io.BytesIO(content)).convert("L"))]
    found = re.findall(r"data:image/png;base64,\s*([^\"]+)\"", content.decode())
    images = [base64.b64decode(text) for text in found]
    return [numpy.asarray(Image.open(io.BytesIO(image)).convert("L")) for image in images]


def test_the_pictures_are_those_that_the_commands_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = drawn(tmp_path)
    if os.environ.get("REWRITE"):
        for name, content in pictures.items():
            (PICTURES / name).write_bytes(content)
    stored = {path.name for path in PICTURES.iterdir()}
    assert stored == {"china.jpg", *pictures}
    assert stored == set(re.findall(r"\(images/lectures/([^)]+)\)", PAGE.read_text("utf-8")))
    for name, content in pictures.items():
        kept = (PICTURES / name).read_bytes()
        assert len(kept) <= LARGEST, name
        for old, new in zip(pixels(name, kept), pixels(name, content), strict=True):
            if Version(version("matplotlib")) < Version("3.11"):  # its rows of text are higher
                assert numpy.allclose(old.shape, new.shape, rtol=0.02), name
                continue
            assert old.shape == new.shape, name
            difference = numpy.abs(old.astype(float) - new)
            assert difference.mean() < 1, name

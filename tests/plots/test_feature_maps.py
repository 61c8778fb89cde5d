"""Drawn feature maps: the numbers in the cells of small ones."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from cnndsl.plots.feature_maps import draw_maps
from cnndsl.plots.figure import save_figure


def written(figure: Figure) -> list[str]:
    """What stands on the tiles, without their names."""
    return [text.get_text() for text in in_cells(figure)]


def in_cells(figure: Figure) -> list[Text]:
    (axes,) = figure.axes
    return [text for text in axes.texts if text.get_horizontalalignment() == "center"]


def lightness(text: Text) -> float:
    return numpy.mean(to_rgb(text.get_color())).item()


def test_cells_of_a_small_map_show_their_numbers() -> None:
    maps = numpy.array([[[4, 3, 4], [2, -4, 3]], [[0, 1, 0], [0, -0.0, 1]]], numpy.float32)
    found = written(draw_maps(maps, "C1", "x.txt"))
    assert found == ["4", "3", "4", "2", "-4", "3", "0", "1", "0", "0", "0", "1"]


def test_numbers_have_two_places_and_zero_no_sign() -> None:
    maps = numpy.array([[[0.777, -0.111, -0.001]]], numpy.float32)
    assert written(draw_maps(maps, "F", "x")) == ["0.78", "-0.11", "0.00"]
    assert written(draw_maps(maps / 1000, "F", "x")) == ["0.00078", "-0.00011", "-1e-06"]


def test_numbers_can_be_read_on_black_and_on_white() -> None:
    dark, light = in_cells(draw_maps(numpy.array([[[0.0, 1.0]]]), "F", "x"))
    assert lightness(dark) > 0.7
    assert lightness(light) < 0.3


def test_numbers_without_room_are_not_written() -> None:
    whole = numpy.arange(14 * 14).reshape(1, 14, 14) % 2
    assert len(written(draw_maps(whole, "C1", "x"))) == 14 * 14
    assert written(draw_maps(whole / 3, "C1", "x")) == []
    assert written(draw_maps(numpy.zeros((1, 28, 28)), "C1", "x")) == []


def test_a_map_with_nan_is_drawn_without_numbers() -> None:
    assert written(draw_maps(numpy.array([[[1.0, numpy.nan]]]), "C1", "x")) == []


def test_a_signal_has_its_numbers_in_a_row_for_each_channel() -> None:
    maps = numpy.array([[1, 2, 3], [4, 5, 6]], numpy.float32)
    assert written(draw_maps(maps, "C1", "x")) == ["1", "2", "3", "4", "5", "6"]


def test_a_drawing_that_can_be_scaled_holds_the_values_of_the_map(tmp_path: Path) -> None:
    """Each of them as many equal pixels, so that a viewer that smooths edges changes little."""
    maps = numpy.array([[[0, 51, 255], [102, 153, 204]]], numpy.float32)
    save_figure(tmp_path / "maps.svg", draw_maps(maps, "C1", "x"))
    found = re.findall(r"data:image/png;base64,\s*([^\"]+)\"", (tmp_path / "maps.svg").read_text())
    [drawn] = [Image.open(io.BytesIO(base64.b64decode(text))).convert("L") for text in found]
    times = drawn.width // 3
    assert times >= 20
    assert numpy.asarray(drawn).tolist() == numpy.kron(maps[0], numpy.ones((times, times))).tolist()


def test_the_rows_of_a_signal_take_the_width_of_the_page() -> None:
    def extent(maps: Any) -> tuple[float, float]:
        [image] = draw_maps(maps, "C1", "one").axes[0].images
        left, right, bottom, top = image.get_extent()
        return right - left, bottom - top

    random = numpy.random.default_rng(0)
    assert extent(random.normal(size=(8, 60))) == (600, 80)
    assert extent(random.normal(size=(8, 4000)))[0] == 640
    assert extent(random.normal(size=(1, 4, 4))) == (150, 150)  # a picture stays as it is

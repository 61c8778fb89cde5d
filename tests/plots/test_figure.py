"""Figures as files, and their words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from PIL import Image

from cnndsl.diagnostics.model import UserError
from cnndsl.plots.confusion_matrix import draw_confusion
from cnndsl.plots.figure import (
    FORMATS,
    clipped,
    label_ticks,
    new_figure,
    save_figure,
    width_of,
    write,
)


def test_a_png_has_two_pixels_for_each_point(tmp_path: Path) -> None:
    save_figure(tmp_path / "a.PNG", new_figure(320.2, 100))
    with Image.open(tmp_path / "a.PNG") as image:
        assert (image.format, image.size) == ("PNG", (641, 200))


@pytest.mark.parametrize(("ending", "begin"), [("svg", b"<?xml"), ("pdf", b"%PDF-")])
def test_the_ending_says_the_format(tmp_path: Path, ending: str, begin: bytes) -> None:
    figure = draw_confusion(numpy.eye(3, dtype=numpy.int64), ("a", "b", "c"), "a network")
    save_figure(tmp_path / f"a.{ending}", figure)
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(begin)


@pytest.mark.parametrize("ending", FORMATS)
def test_equal_figures_make_equal_files(tmp_path: Path, ending: str) -> None:
    for name in ("one", "two"):
        figure = draw_confusion(numpy.eye(12, dtype=numpy.int64), (), "a network")
        save_figure(tmp_path / f"{name}.{ending}", figure)
    one = (tmp_path / f"one.{ending}").read_bytes()
    assert one == (tmp_path / f"two.{ending}").read_bytes()
    assert not re.search(rb"20\d\d-\d\d-\d\d|Matplotlib v\d|matplotlib.org", one)


@pytest.mark.parametrize("name", ["figure", "figure.bmp", "a.png/"])
def test_another_ending_is_a_user_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        save_figure(f"{tmp_path}/{name}x", new_figure(9, 9))
    assert caught.value.code == "CNN609"
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_cannot_be_written_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        save_figure(tmp_path / "missing" / "a.png", new_figure(9, 9))
    assert caught.value.code == "CNN603"


def test_clipped_texts_fit() -> None:
    for text in ("i" * 10_000, "W" * 10_000, "a b " * 100):
        found = clipped(text, 11, 90)
        assert found.endswith("…")
        assert 75 < width_of(found, 11) <= 90
    assert clipped(" a \n b ", 11, 90) == "a b"


def test_widths_are_those_that_are_drawn() -> None:
    figure = new_figure(400, 50)
    write(figure, (10, 10), "Wide words", 12, "#000000")
    drawn = figure.texts[0].get_window_extent().width / 2
    assert width_of("Wide words", 12) == pytest.approx(drawn, rel=0.05)


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0.0, 0.1, 0.30000000000000004], ["0", "0.1", "0.3"]),
        ([2000, 2500], ["2,000", "2,500"]),
        ([1e6, 2e6], ["1e+06", "2e+06"]),
        ([1 + 1e-9, 1 + 2e-9], ["1.000000001", "1.000000002"]),
        ([-1.0, 0.0], ["-1", "0"]),
        ([3.0], ["3"]),
    ],
)
def test_numbers_on_scales_have_the_digits_that_tell_them_apart(
    ticks: list[float], labels: list[str]
) -> None:
    assert label_ticks(ticks) == labels


@pytest.mark.parametrize("setting", [{"MPLBACKEND": "nonsense"}, {"MPLCONFIGDIR": os.devnull}])
def test_what_matplotlib_lacks_here_is_not_said(setting: dict[str, str]) -> None:
    program = "from cnndsl.plots.curves import draw_curves; draw_curves([], 'a network')"
    environment = {**os.environ, **setting}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")

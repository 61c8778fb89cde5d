"""Curves of a training run: what stands in the figure, seen by looking at its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import matplotlib
import numpy
import pytest
from figures import Pixels, picture, pixels, places
from PIL import Image

from cnndsl.plots.curves import EpochLike, draw_curves

BLUE, ORANGE = (47, 111, 176), (217, 98, 43)


@dataclass(frozen=True)
class Epoch:
    epoch: int
    loss: float
    accuracy: float | None
    valid_loss: float | None = None
    valid_accuracy: float | None = None
    best: bool = False
    mae: float | None = None
    valid_mae: float | None = None


def halves(found: Pixels, image: Image.Image) -> tuple[Pixels, Pixels]:
    """Places in the left and the right diagram, without the names of the curves behind them."""
    found = found[found[:, 0] > 200]
    rows = [found[(found[:, 1] > left) & (found[:, 1] < left + 670)] for left in (140, 1104)]
    return rows[0], rows[1]


def run(count: int, *, validated: bool = True, scale: float = 1.0) -> list[Epoch]:
    """A run that gets better with every epoch."""
    found = []
    for epoch in range(1, count + 1):
        loss = scale * 2.3 * math.exp(-epoch / count)
        accuracy = 1 - loss / scale / 2.5
        valid = (loss * 1.2, accuracy * 0.9) if validated else (None, None)
        found.append(Epoch(epoch, loss, accuracy, valid[0], valid[1], best=True))
    return found


def drawn(records: Sequence[EpochLike], title: str = "a network") -> Image.Image:
    return picture(draw_curves(records, title))


def test_errors_take_the_place_of_accuracies() -> None:
    records = [
        replace(one, accuracy=None, valid_accuracy=None, mae=one.loss / 2, valid_mae=one.loss)
        for one in run(12)
    ]
    image = drawn(records)
    for color in (BLUE, ORANGE):
        left, right = halves(places(image, color), image)
        assert min(len(left), len(right)) > 20
    # Another diagram than that of accuracies, and it falls as the losses do.
    right = halves(places(image, BLUE), image)[1]
    assert right[right[:, 1].argmin()][0] < right[right[:, 1].argmax()][0]


@pytest.mark.parametrize("count", [1, 2, 12, 300])
def test_curves_of_training_and_validation_stand_in_both_diagrams(count: int) -> None:
    image = drawn(run(count))
    for color in (BLUE, ORANGE):
        left, right = halves(places(image, color), image)
        assert min(len(left), len(right)) > 20


def test_curves_go_the_way_of_the_numbers() -> None:
    image = drawn(run(12, validated=False))
    for part, falls in zip(halves(places(image, BLUE), image), (True, False), strict=True):
        first, last = part[part[:, 1].argmin(), 0], part[part[:, 1].argmax(), 0]
        assert (first < last) == falls


def test_without_validation_only_training_is_shown() -> None:
    image = drawn(run(12, validated=False))
    assert len(places(image, ORANGE)) == 0
    assert len(places(drawn(run(12)), ORANGE)) > 0


def test_the_last_epoch_that_was_the_best_is_marked() -> None:
    records = [replace(one, best=one.epoch in (1, 4)) for one in run(7)]
    image = drawn(records)
    other = drawn([replace(one, best=one.epoch == 4) for one in records])
    assert (pixels(image) == pixels(other)).all()
    plain = drawn([replace(one, best=False) for one in records])
    differences = numpy.argwhere((pixels(image) != pixels(plain)).any(2))
    for part in halves(differences, image):
        assert part[:, 1].max() - part[:, 1].min() < 40
        # The fourth of seven stands in the middle of its diagram.
        middle = 470 if part[0, 1] < image.width / 2 else 1434
        assert abs(part[:, 1].mean() - middle) < 10


def lines(image: Image.Image) -> list[int]:
    """The rows of the left diagram's rules."""
    column = pixels(image)[210:730, 160]
    return [int(at) + 210 for at in (abs(column - (228, 232, 236)).max(1) < 3).nonzero()[0]]


def test_a_loss_over_many_powers_of_ten_is_logarithmic() -> None:
    records = [Epoch(at + 1, 10.0**-at, 0.5) for at in range(5)]
    image = drawn(records)
    left, _ = halves(places(image, BLUE), image)
    # Powers of ten at even steps: a straight line from corner to corner.
    line = numpy.polyfit(left[:, 1], left[:, 0], 1)
    assert abs(numpy.polyval(line, left[:, 1]) - left[:, 0]).max() < 8
    rules = numpy.unique(lines(image))
    assert len(rules) >= 5


@pytest.mark.parametrize("scale", [1e-12, 1e12, 1e200])
def test_small_and_huge_losses_look_like_any(scale: float) -> None:
    plain, image = (drawn(run(9, scale=by)) for by in (1.0, scale))
    ours, theirs = (halves(places(one, BLUE), one)[0] for one in (image, plain))
    assert abs(ours.mean(0) - theirs.mean(0)).max() < 25


@pytest.mark.parametrize(
    "records",
    [
        [],
        [Epoch(1, 0.0, 0.0)],
        [Epoch(1, 0.0, 1.0, 0.0, 1.0, best=True)],
        [Epoch(at, 2.3, 0.1) for at in range(1, 9)],
        [Epoch(at, -1.0 / at, 0.5) for at in range(1, 9)],
        [Epoch(1, math.nan, math.nan), Epoch(2, 1.0, 0.5, math.inf, math.nan)],
        [Epoch(10**6 + at, 1 + at * 1e-12, 0.9999 + at * 1e-6) for at in range(9)],
        [Epoch(1, 1e-300, 0.0), Epoch(2, 1e300, 1.0)],
        [Epoch(1, 5e-324, 1.0), Epoch(2, 1.7e308, 1.0)],
    ],
)
def test_numbers_of_all_kinds_can_be_drawn(records: Sequence[Epoch]) -> None:
    assert drawn(records).size == (1920, 840)


def test_a_long_title_is_cut() -> None:
    long, short = (drawn(run(3), title) for title in ("title " * 500, "title"))
    assert (pixels(long)[100:] == pixels(short)[100:]).all()
    assert (pixels(long)[:100, 1880:] == 255).all()


@pytest.mark.parametrize("title", ["$x^2$ and $", "猫 and cats", "a\nb"])
def test_titles_are_plain_text(title: str) -> None:
    figure = draw_curves(run(3), title)
    shown = figure.texts[0].get_text()
    assert shown == title.replace("猫", "\N{WHITE SQUARE}").replace("\n", " ")
    picture(figure)


def test_each_curve_has_its_name_where_it_ends() -> None:
    for records in (run(9), [replace(one, valid_loss=one.loss) for one in run(9)]):
        image = drawn(records)
        blue, orange = (places(image, color) for color in (BLUE, ORANGE))
        for left in (812, 1776):
            names = [one[(one[:, 1] > left) & (one[:, 1] < left + 120)] for one in (blue, orange)]
            tops = [one[:, 0].min() for one in names]
            # One stands above the other.
            assert abs(tops[0] - tops[1]) >= 20


def test_how_matplotlib_is_set_up_changes_nothing() -> None:
    plain = drawn(run(5))
    with matplotlib.rc_context({"lines.linestyle": ":", "font.size": 30, "axes.grid": True}):
        assert (pixels(drawn(run(5))) == pixels(plain)).all()
        assert matplotlib.rcParams["font.size"] == 30

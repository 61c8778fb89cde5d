"""Charts: what stands in the pictures, seen by looking at their pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy
import numpy.typing
import pytest
from PIL import Image

from cnndsl.diagnostics.model import UserError
from cnndsl.plots.charts import draw_confusion, draw_curves, save_picture
from cnndsl.plots.drawing import Canvas, clipped, number_text, ticks, width_of

Pixels = numpy.typing.NDArray[Any]

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


def pixels(image: Image.Image) -> Pixels:
    return numpy.asarray(image).astype(int)


def places(image: Image.Image, color: tuple[int, int, int]) -> Pixels:
    """Where a colour stands, as rows and columns."""
    return numpy.argwhere(abs(pixels(image) - color).max(2) < 12)


def halves(found: Pixels, image: Image.Image) -> tuple[Pixels, Pixels]:
    """Places in the left and the right diagram, without the legend above them."""
    found = found[found[:, 0] > 180]
    left = found[:, 1] < image.width / 2
    return found[left], found[~left]


def run(count: int, *, validated: bool = True, scale: float = 1.0) -> list[Epoch]:
    """A run that gets better with every epoch."""
    found = []
    for epoch in range(1, count + 1):
        loss = scale * 2.3 * math.exp(-epoch / count)
        accuracy = 1 - loss / scale / 2.5
        valid = (loss * 1.2, accuracy * 0.9) if validated else (None, None)
        found.append(Epoch(epoch, loss, accuracy, valid[0], valid[1], best=True))
    return found


# --- curves -----------------------------------------------------------------------------------


def test_errors_take_the_place_of_accuracies() -> None:
    records = [
        replace(one, accuracy=None, valid_accuracy=None, mae=one.loss / 2, valid_mae=one.loss)
        for one in run(12)
    ]
    image = draw_curves(records, "a network")
    for color in (BLUE, ORANGE):
        left, right = halves(places(image, color), image)
        assert min(len(left), len(right)) > 20
    # Another diagram than that of accuracies, and it falls as the losses do.
    right = halves(places(image, BLUE), image)[1]
    assert right[right[:, 1].argmin()][0] < right[right[:, 1].argmax()][0]


@pytest.mark.parametrize("count", [1, 2, 12, 300])
def test_curves_of_training_and_validation_stand_in_both_diagrams(count: int) -> None:
    image = draw_curves(run(count), "a network")
    for color in (BLUE, ORANGE):
        left, right = halves(places(image, color), image)
        assert min(len(left), len(right)) > 20


def test_curves_go_the_way_of_the_numbers() -> None:
    image = draw_curves(run(12, validated=False), "a network")
    for part, falls in zip(halves(places(image, BLUE), image), (True, False), strict=True):
        first, last = part[part[:, 1].argmin(), 0], part[part[:, 1].argmax(), 0]
        assert (first < last) == falls


def test_without_validation_only_training_is_shown() -> None:
    image = draw_curves(run(12, validated=False), "a network")
    assert len(places(image, ORANGE)) == 0
    assert len(places(draw_curves(run(12), "a network"), ORANGE)) > 0


def test_the_last_epoch_that_was_the_best_is_marked() -> None:
    records = [replace(one, best=one.epoch in (1, 4)) for one in run(7)]
    image = draw_curves(records, "a network")
    other = draw_curves([replace(one, best=one.epoch == 4) for one in records], "a network")
    assert (pixels(image) == pixels(other)).all()
    plain = draw_curves([replace(one, best=False) for one in records], "a network")
    differences = numpy.argwhere((pixels(image) != pixels(plain)).any(2))
    for part in halves(differences, image):
        assert part[:, 1].max() - part[:, 1].min() < 40
        # The fourth of seven stands in the middle of its diagram.
        middle = 530 if part[0, 1] < image.width / 2 else 1494
        assert abs(part[:, 1].mean() - middle) < 10


def lines(image: Image.Image) -> list[int]:
    """The rows of the left diagram's rules."""
    column = pixels(image)[200:738, 140]
    return [int(at) + 200 for at in (abs(column - (228, 232, 236)).max(1) < 3).nonzero()[0]]


def test_a_loss_over_many_powers_of_ten_is_logarithmic() -> None:
    records = [Epoch(at + 1, 10.0**-at, 0.5) for at in range(5)]
    image = draw_curves(records, "a network")
    left, _ = halves(places(image, BLUE), image)
    # Powers of ten at even steps: a straight line from corner to corner.
    line = numpy.polyfit(left[:, 1], left[:, 0], 1)
    assert abs(numpy.polyval(line, left[:, 1]) - left[:, 0]).max() < 8
    rules = numpy.unique(lines(image))
    assert len(rules) >= 5


@pytest.mark.parametrize("scale", [1e-12, 1e12, 1e200])
def test_small_and_huge_losses_look_like_any(scale: float) -> None:
    plain, image = (draw_curves(run(9, scale=by), "a network") for by in (1.0, scale))
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
    assert draw_curves(records, "a network").size == (1920, 840)


def test_a_long_title_leaves_the_legend_room() -> None:
    long, short = (draw_curves(run(3), title) for title in ("title " * 500, "title"))
    legend = slice(0, 90), slice(1450, 1920)
    assert (pixels(long)[legend] == pixels(short)[legend]).all()
    assert len(places(long, BLUE)) == len(places(short, BLUE))


# --- the confusion matrix ---------------------------------------------------------------------


def matrix(count: int, right: int = 90) -> numpy.typing.NDArray[numpy.int64]:
    found = numpy.ones((count, count), numpy.int64)
    numpy.fill_diagonal(found, right)
    return found


def share_at(image: Image.Image, count: int, row: int, column: int) -> float:
    """How dark a cell is, at a corner where no count stands: 0 to 1."""
    grid = numpy.argwhere(pixels(image)[:, :, 0] < 250)
    assert len(grid)
    left, top, cell = geometry(image, count)
    color = pixels(image)[round(top + (row + 0.12) * cell), round(left + (column + 0.12) * cell)]
    return float((255 - color[0]) / (255 - 17))


def geometry(image: Image.Image, count: int) -> tuple[float, float, float]:
    """The matrix's left and top, and the side of a cell: its frame is the first long rule."""
    rule = abs(pixels(image) - (228, 232, 236)).max(2) < 3
    top = int((rule.sum(1) > image.width / 3).argmax())
    columns = rule[top].nonzero()[0]
    return columns[0] + 2, top + 2, (columns[-1] - columns[0] - 3) / count


def test_cells_are_shaded_by_the_root_of_their_share_of_the_row() -> None:
    counts = matrix(10)
    counts[3] = 0
    counts[3, 7] = 5
    counts[4, 4], counts[4, 5] = 25, 67
    image = draw_confusion(counts, (), "a network")
    shares = counts / counts.sum(1, keepdims=True)
    for row, column in [(0, 0), (0, 1), (3, 3), (3, 7), (4, 4), (4, 5), (9, 9)]:
        found = share_at(image, 10, row, column)
        assert found == pytest.approx(shares[row, column] ** 0.5, abs=0.01)


def test_rows_are_what_is_true_and_columns_what_was_answered() -> None:
    counts = numpy.zeros((6, 6), numpy.int64)
    counts[1, 4] = 7
    image = draw_confusion(counts, (), "a network")
    assert share_at(image, 6, 1, 4) == pytest.approx(1)
    assert share_at(image, 6, 4, 1) == 0


def test_counts_stand_in_the_cells_of_up_to_twenty_classes() -> None:
    def has_counts(count: int) -> bool:
        images = (draw_confusion(matrix(count, n), (), "a network") for n in (10**6, 9 * 10**6))
        found = []
        for image in images:
            left, top, cell = geometry(image, count)
            middle = slice(round(top + 2), round(top + cell - 2))
            found.append(pixels(image)[middle, round(left + 2) : round(left + cell - 2)])
        return bool((found[0] != found[1]).any() and (found[0] > 250).any())

    assert has_counts(20)
    assert not has_counts(21)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 20, 21, 60, 61, 300, 1000])
def test_matrices_of_all_sizes_can_be_drawn(count: int) -> None:
    names = [f"class {number}" for number in range(count)]
    image = draw_confusion(matrix(count), names, "a network")
    assert max(image.size) < 2600
    assert min(image.size) > 250


def test_every_cell_of_a_thousand_classes_is_seen() -> None:
    counts = numpy.zeros((1000, 1000), numpy.int64)
    counts[[0, 0, 999, 999, 500], [0, 999, 0, 999, 123]] = 1
    image = draw_confusion(counts, (), "a network")
    left, top, cell = geometry(image, 1000)
    assert cell == 1
    for row, column in [(500, 123), (0, 0), (999, 999), (0, 999)]:
        color = pixels(image)[int(top) + row, int(left) + column]
        share = 1 if row == 500 else 0.5
        assert color[0] == pytest.approx(255 - 238 * share**0.5, abs=1)


def test_empty_classes_and_huge_counts_can_be_drawn() -> None:
    counts = numpy.zeros((3, 3), numpy.int64)
    draw_confusion(counts, ("a", "b", "c"), "a network")
    counts[:] = 2**60
    draw_confusion(counts, ("a", "b", "c"), "a network")


def test_names_that_cannot_be_drawn_are_numbers() -> None:
    numbers = draw_confusion(matrix(3), (), "a network")
    strange = draw_confusion(matrix(3), ("猫", "\n", ""), "a network")
    assert (pixels(strange) == pixels(numbers)).all()


def test_long_names_are_cut_and_line_ends_are_spaces() -> None:
    long = draw_confusion(matrix(3), ("x" * 10_000, "a\nb", "c"), "a network")
    assert long.width < 900
    same = draw_confusion(matrix(3), ("x" * 10_000, "a b", "c"), "a network")
    assert (pixels(long) == pixels(same)).all()


# --- drawing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "width"),
    [
        (low, width)
        for low in (0.0, -3.7, 1e-9, 12345.6, -1e300)
        for width in (1e-12, 0.3, 1.0, 7.0, 99.0, 1e15, 1e300)
        if width > 1e-9 * abs(low)  # closer ones floating-point numbers do not tell apart
    ],
)
def test_ticks_are_round_evenly_spaced_and_few(low: float, width: float) -> None:
    high = low + width
    found = ticks(low, high, 7)
    assert 2 <= len(found) <= 7
    assert low - width * 1e-6 <= found[0]
    assert found[-1] <= high + width * 1e-6
    steps = numpy.diff(found)
    assert steps == pytest.approx(steps[0], rel=1e-3)
    digits = f"{steps[0]:.0e}"[0]
    assert digits in "125"


def test_ticks_of_whole_things_are_whole() -> None:
    assert ticks(1, 3, 11, least_step=1) == [1, 2, 3]
    assert ticks(5, 5, 11, least_step=1) == [5]


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0.0, 0.1, "0"), (0.1, 0.1, "0.1"), (1.0, 0.5, "1.0"), (0.02, 0.01, "0.02"),
        (20.0, 10.0, "20"), (2500.0, 500.0, "2,500"), (2e6, 1e6, "2e+06"), (-1.0, 1.0, "-1"),
        (1e-7, 1e-7, "1e-07"), (3e-5, 1e-5, "0.00003"),
    ],
)  # fmt: skip
def test_numbers_on_scales_have_the_digits_of_their_steps(
    value: float, step: float, text: str
) -> None:
    assert number_text(value, step) == text


def test_clipped_texts_fit() -> None:
    for text in ("i" * 10_000, "W" * 10_000, "a b " * 100):
        found = clipped(text, 11, 90)
        assert found.endswith("…")
        assert 75 < width_of(found, 11) <= 90
    assert clipped(" a \n b ", 11, 90) == "a b"


@pytest.mark.parametrize(("anchor", "middle"), [("rm", 156), ("mm", 120), ("lm", 84)])
def test_upright_words_stand_where_their_anchor_is(anchor: str, middle: int) -> None:
    canvas = Canvas(100, 100)
    canvas.words((50, 60), "ooooo", 12, "#000000", anchor, upright=True)
    ink = numpy.argwhere(pixels(canvas.finished())[:, :, 0] < 128)
    assert len(ink)
    width, height = numpy.ptp(ink[:, 1]), numpy.ptp(ink[:, 0])
    assert height > 4 * width
    # The reading direction is up: what is right of the anchor lies above it.
    assert abs((ink[:, 0].max() + ink[:, 0].min()) / 2 - middle) < 5
    assert abs(ink[:, 1].mean() - 100) < 6


# --- files ------------------------------------------------------------------------------------


def test_equal_pictures_make_equal_files(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        save_picture(tmp_path / name, draw_curves(run(9), "a network"))
        save_picture(tmp_path / f"c{name}", draw_confusion(matrix(10), (), "a network"))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "cone.png").read_bytes() == (tmp_path / "ctwo.png").read_bytes()
    with Image.open(tmp_path / "one.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (1920, 840))


def test_a_picture_that_cannot_be_written_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        save_picture(tmp_path / "missing" / "a.png", Image.new("RGB", (1, 1)))
    assert caught.value.code == "CNN603"

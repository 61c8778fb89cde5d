"""The confusion matrix: what stands in the figure, seen by looking at its pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import numpy.typing
import pytest
from figures import picture, pixels
from PIL import Image

from cnndsl.plots.confusion_matrix import draw_confusion


def drawn(counts: numpy.typing.NDArray[numpy.int64], names: Sequence[str]) -> Image.Image:
    return picture(draw_confusion(counts, names, "a network"))


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
    image = drawn(counts, ())
    shares = counts / counts.sum(1, keepdims=True)
    for row, column in [(0, 0), (0, 1), (3, 3), (3, 7), (4, 4), (4, 5), (9, 9)]:
        found = share_at(image, 10, row, column)
        assert found == pytest.approx(shares[row, column] ** 0.5, abs=0.01)


def test_rows_are_what_is_true_and_columns_what_was_answered() -> None:
    counts = numpy.zeros((6, 6), numpy.int64)
    counts[1, 4] = 7
    image = drawn(counts, ())
    assert share_at(image, 6, 1, 4) == pytest.approx(1)
    assert share_at(image, 6, 4, 1) == 0


def test_counts_stand_in_the_cells_of_up_to_twenty_classes() -> None:
    def has_counts(count: int) -> bool:
        images = (drawn(matrix(count, n), ()) for n in (10**6, 9 * 10**6))
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
    image = drawn(matrix(count), names)
    assert max(image.size) < 2600
    assert min(image.size) > 250


def test_every_cell_of_a_thousand_classes_is_seen() -> None:
    counts = numpy.zeros((1000, 1000), numpy.int64)
    counts[[0, 0, 999, 999, 500], [0, 999, 0, 999, 123]] = 1
    image = drawn(counts, ())
    left, top, cell = geometry(image, 1000)
    assert cell == 1
    for row, column in [(500, 123), (0, 0), (999, 999), (0, 999)]:
        color = pixels(image)[int(top) + row, int(left) + column]
        share = 1 if row == 500 else 0.5
        assert color[0] == pytest.approx(255 - 238 * share**0.5, abs=1)


def test_empty_classes_and_huge_counts_can_be_drawn() -> None:
    counts = numpy.zeros((3, 3), numpy.int64)
    drawn(counts, ("a", "b", "c"))
    counts[:] = 2**60
    drawn(counts, ("a", "b", "c"))


def test_names_that_cannot_be_drawn_are_numbers() -> None:
    numbers = drawn(matrix(3), ())
    strange = drawn(matrix(3), ("猫", "\n", ""))
    assert (pixels(strange) == pixels(numbers)).all()


def test_long_names_are_cut_and_line_ends_are_spaces() -> None:
    long = drawn(matrix(3), ("x" * 10_000, "a\nb", "c"))
    assert long.width < 900
    same = drawn(matrix(3), ("x" * 10_000, "a b", "c"))
    assert (pixels(long) == pixels(same)).all()

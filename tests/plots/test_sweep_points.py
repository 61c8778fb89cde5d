"""The figure of a sweep: what is drawn is what was measured, in the order of the table."""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnndsl.plots.figure import encoded
from cnndsl.plots.sweep_points import SweptPoint, draw_sweep

POINTS = [
    SweptPoint("width=8 lr=0.1", {"width": "8", "lr": "0.1"}, (0.9, 0.94)),
    SweptPoint("width=8 lr=0.001", {"width": "8", "lr": "0.001"}, (0.8, 0.9)),
    SweptPoint("width=16 lr=0.1", {"width": "16", "lr": "0.1"}, (0.7,)),
    SweptPoint("width=16 lr=0.001", {"width": "16", "lr": "0.001"}, ()),
]


def lines(axes: Axes, color: str) -> list[Any]:
    return [one for one in axes.lines if one.get_color() == color]


def texts(figure: Figure) -> list[str]:
    return [one.get_text() for one in figure.texts]


def test_rows_have_the_runs_their_mean_and_their_deviation() -> None:
    figure = draw_sweep(POINTS, "Sweep of tiny", "4 points", "accuracy")
    ranks = figure.axes[0]
    dark = lines(ranks, "#2f6fb0")
    means = [float(one.get_xdata()[0]) for one in dark if one.get_marker() == "o"]
    assert means == pytest.approx([0.92, 0.85, 0.7])
    bars = [[float(x) for x in one.get_xdata()] for one in dark if one.get_marker() != "o"]
    assert len(bars) == 2
    for bar, point in zip(bars, POINTS, strict=False):
        mean, deviation = fmean(point.numbers), stdev(point.numbers)
        assert bar == pytest.approx([mean - deviation, min(mean + deviation, 1.0)])
    pale = [[float(x) for x in one.get_xdata()] for one in lines(ranks, "#9dbfe0")]
    assert pale == [[0.9, 0.94], [0.8, 0.9]]
    assert texts(figure)[:2] == ["Sweep of tiny", "4 points"]
    names = [text for text in texts(figure) if "=" in text]
    assert names == [point.name for point in POINTS[:3]]


def test_each_axis_has_a_panel_with_the_mean_of_each_value() -> None:
    figure = draw_sweep(POINTS, "Sweep of tiny", "4 points", "accuracy")
    _, width, rate = figure.axes
    [means] = lines(width, "#2f6fb0")
    assert list(means.get_xdata()) == [8.0, 16.0]
    assert list(means.get_ydata()) == pytest.approx([fmean([0.9, 0.94, 0.8, 0.9]), 0.7])
    [runs] = lines(width, "#9dbfe0")
    assert sorted(runs.get_ydata()) == [0.7, 0.8, 0.9, 0.9, 0.94]
    assert (width.get_xscale(), rate.get_xscale()) == ("linear", "log")
    assert [one.get_text() for one in rate.get_xticklabels()] == ["0.001", "0.1"]


def test_words_stand_side_by_side() -> None:
    points = [
        SweptPoint("a", {"schedule": "cosine warmup 2"}, (0.5,)),
        SweptPoint("b", {"schedule": "8"}, (0.4,)),
    ]
    axes = draw_sweep(points, "t", "s", "loss").axes[1]
    assert [one.get_text() for one in axes.get_xticklabels()] == ["cosine warmup 2", "8"]


def test_of_many_points_the_best_have_a_row() -> None:
    points = [SweptPoint(f"n={n}", {"n": f"{n}"}, (n / 100,)) for n in range(1, 100)]
    figure = draw_sweep(points, "t", "99 points", "loss")
    assert texts(figure)[1] == "99 points; the best 30 of 99 points"
    assert len([text for text in texts(figure) if text.startswith("n=")]) == 30
    [runs] = lines(figure.axes[1], "#9dbfe0")
    assert len(runs.get_ydata()) == 99
    assert lines(figure.axes[1], "#2f6fb0") == []


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(max_size=30),
            st.one_of(st.text(max_size=30), st.floats().map(str), st.integers().map(str)),
            st.lists(NUMBERS, max_size=4).map(tuple),
        ),
        max_size=5,
    ),
    st.sampled_from(["accuracy", "loss"]),
)
def test_anything_can_be_drawn(
    found: list[tuple[str, str, tuple[float, ...]]], measure: str
) -> None:
    points = [SweptPoint(name, {"axis": value}, numbers) for name, value, numbers in found]
    finite = [one for point in points for one in point.numbers if math.isfinite(one)]
    if measure == "accuracy" and any(not 0 <= one <= 1 for one in finite):
        return
    figure = draw_sweep(points, "title", "subtitle", measure)
    assert encoded(figure, "png")[:4] == b"\x89PNG"


def test_equal_results_are_equal_files() -> None:
    one, two = (encoded(draw_sweep(POINTS, "t", "s", "loss"), "svg") for _ in range(2))
    assert one == two

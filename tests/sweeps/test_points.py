"""Axes and points: what is written is what is trained, each combination once, draws from ranges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_data import complaint

from cnndsl.diagnostics.model import UserError
from cnndsl.sweeps.axes import Axis, Range, axes_of, number_in, pieces
from cnndsl.sweeps.points import MOST_RUNS, Point, points_of

WORDS = st.text("abcxyz0123456789.", min_size=1, max_size=6).filter(lambda one: ".." not in one)


def settings(**written: str) -> list[Axis]:
    return axes_of({f"train.{name}": values for name, values in written.items()}, "setting")


def values(points: Sequence[Point]) -> list[tuple[str, ...]]:
    return [point.values for point in points]


# --- lists --------------------------------------------------------------------------------------


@given(
    st.lists(
        st.lists(WORDS, min_size=1, max_size=4, unique_by=lambda w: number_in(w) or w), max_size=3
    )
)
def test_a_grid_is_the_product_of_its_lists(lists: list[list[str]]) -> None:
    written = {f"n{at}": ",".join(words) for at, words in enumerate(lists)}
    points = points_of(axes_of(written, "param"))
    assert values(points) == list(itertools.product(*lists))
    assert [dict(point.parameters) for point in points] == [
        dict(zip(written, one, strict=True)) for one in itertools.product(*lists)
    ]


@given(st.lists(st.sampled_from(["8", "[1, 2]", 'a "b, c" d', "f(1, (2, 3))", "-0.5"]), min_size=1))
def test_commas_in_brackets_and_quotes_divide_nothing(words: list[str]) -> None:
    assert pieces(",".join(words)) == words


def test_whole_numbers_are_listed_by_a_range() -> None:
    assert axes_of({"a": "1..3,8"}, "param")[0].values == ("1", "2", "3", "8")
    assert values(points_of(axes_of({"a": "1..3"}, "param"))) == [("1",), ("2",), ("3",)]
    assert axes_of({"a": [True, 2, 0.5, "x", [1, 2]]}, "param")[0].values == (
        *("yes", "2", "0.5", "x"),
        "[1, 2]",
    )


def test_points_are_named_after_what_varies() -> None:
    axes = [
        *axes_of({"width": "8,16"}, "param"),
        *settings(epochs="2", schedule="cosine warmup 2,step"),
    ]
    one, _, _, last = points_of(axes)
    assert one.varied == {"width": "8", "schedule": "cosine warmup 2"}
    assert one.settings == ["train.epochs=2", "train.schedule=cosine warmup 2"]
    assert last.folder == "width=16,schedule=step"
    assert one.folder.startswith("width=8,schedule=cosine-warmup-2-")
    assert points_of([])[0].folder == ""


@given(st.lists(st.text(max_size=300), min_size=2, max_size=6, unique=True))
def test_folders_are_plain_and_different(words: list[str]) -> None:
    axis = Axis("a", "param", tuple(words), None, "a=…")
    folders = [Point((axis,), (word,)).folder for word in words]
    assert len(set(folders)) == len(words)
    for folder in folders:
        assert len(folder) < 140
        assert set(folder) <= set("=,.+-_") | set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        )


# --- ranges -------------------------------------------------------------------------------------


@given(
    st.floats(1e-12, 1e6), st.floats(1.001, 1e6), st.floats(0, 1, exclude_max=True), st.booleans()
)
def test_a_number_lies_in_its_range_and_is_read_back(
    low: float, factor: float, share: float, is_log: bool
) -> None:
    found = Range(low, low * factor, is_log=is_log, is_whole=False)
    text = found.at(share)
    assert low <= float(text) <= low * factor
    assert number_in(text) is not None
    exact = low * factor**share if is_log else low + share * (low * factor - low)
    assert math.isclose(float(text), exact, rel_tol=1e-3)


@given(st.integers(-50, 50), st.integers(1, 12))
def test_whole_numbers_are_drawn_evenly(low: int, more: int) -> None:
    found = Range(low, low + more, is_log=False, is_whole=True)
    many = 1000 * (more + 1)
    drawn = [int(found.at((at + 0.5) / many)) for at in range(many)]
    assert {drawn.count(number) for number in range(low, low + more + 1)} == {1000}


def test_a_logarithmic_range_draws_each_size_alike() -> None:
    found = Range(1, 1000, is_log=True, is_whole=True)
    drawn = [int(found.at((at + 0.5) / 3000)) for at in range(3000)]
    assert abs(sum(one < 32 for one in drawn) - 1500) < 20
    assert (found.at(0.0), found.at(1 - 2**-53)) == ("1", "1000")


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 30))
def test_the_first_of_many_points_are_those_of_few(seed: int, few: int, more: int) -> None:
    axes = [*axes_of({"a": "1..9", "b": "x,y"}, "param"), *settings(lr="0.001..0.1 log")]
    points = values(points_of(axes, few + more, seed))
    assert points[:few] == values(points_of(axes, few, seed))
    assert len(set(points)) == len(points) == few + more


@given(st.integers(0, 1000), st.integers(1, 12))
def test_no_point_of_a_grid_is_drawn_twice(seed: int, count: int) -> None:
    axes = axes_of({"a": "1..4", "b": "x,y,z"}, "param")
    every = values(points_of(axes))
    drawn = values(points_of(axes, count, seed))
    assert len(set(drawn)) == count
    assert set(drawn) <= set(every)
    assert values(points_of(axes, 12, seed)) == values(points_of(axes, 99, seed)) == every


def test_draws_stay_the_same_in_every_version() -> None:
    axes = [*axes_of({"a": "8..64", "b": "x,y"}, "param"), *settings(lr="0.001..0.1 log")]
    assert values(points_of(axes, 3, 7)) == [
        ("26", "x", "0.02004"),
        ("12", "y", "0.005387"),
        ("11", "y", "0.001188"),
    ]


# --- what is wrong ------------------------------------------------------------------------------

WRONG = {
    "8,,16": ("a value is missing", "write `-D a=8,16`, say"),
    "": ("a value is missing", "write `-D a=8,16`, say"),
    "8,16,8": ("`8` is one value, given twice", "give each value once"),
    "0.1,0.10": ("`0.1` and `0.10` is one value, given twice", "give each value once"),
    "1..4,3": ("`3` is one value, given twice", "give each value once"),
    "4..1": ("the range ends where it begins, or before", "write `-D a=1..4`"),
    "2..2": ("the range ends where it begins, or before", "write the one value by itself"),
    "0..1 log": (
        "a logarithmic range begins above 0",
        "write `-D a=0..1`, or a beginning above 0",
    ),
    "0.5,0.1..0.2": (
        "the range `0.1..0.2` stands among other values",
        "give a range by itself, or whole numbers such as `1..4`",
    ),
    "1..20000": ("these are 20,000 values", "draw points of it with `--sample 20`, or list values"),
    "1..1e999": ("an end of the range is too large", "write numbers below 1e308"),
    "0..1.0": (
        "a range has no end of values",
        "draw points with `--sample 20`, or list values: `-D a=0,0.5,1`",
    ),
    "1..100 log": (
        "a range has no end of values",
        "draw points with `--sample 20`, or list values: `-D a=1,10,100`",
    ),
}


@pytest.mark.parametrize("written", WRONG)
def test_what_cannot_be_taken_is_refused(written: str) -> None:
    message, help = WRONG[written]
    with complaint("CNN880", f"`a={written}`: {message}", help):
        points_of(axes_of({"a": written}, "param"))


def test_too_many_points_are_refused() -> None:
    axes = axes_of({"a": "1..101", "b": "1..100"}, "param")
    message = f"these are 10,100 points, and a sweep has {MOST_RUNS:,} runs at most"
    help = "list fewer values, or draw some of the points with `--sample 20`"
    with complaint("CNN881", message, help):
        points_of(axes)
    with pytest.raises(UserError):
        points_of(axes, 10_001)
    assert len(points_of(axes, 10_000)) == 10_000

"""Augmentations: what they do to each sample, and that nothing but the sample decides it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy
import numpy.typing
import pytest

from cnndsl.data.augment import Augmenter
from cnndsl.data.sources import ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.recipe.augmentations.base import Augmentation
from cnndsl.recipe.augmentations.crop import Crop
from cnndsl.recipe.augmentations.cutout import Cutout
from cnndsl.recipe.augmentations.flip import Flip
from cnndsl.recipe.augmentations.noise import Noise
from cnndsl.recipe.augmentations.rotate import Rotate
from cnndsl.recipe.augmentations.shift import Shift
from cnndsl.types import DType, TensorType

Array = numpy.typing.NDArray[Any]

ALL: Sequence[Augmentation] = (
    Crop(padding=3), Flip(direction="both"), Rotate(degrees=25.0), Shift(cells=2), Noise(std=0.5),
    Cutout(size=4),
)  # fmt: skip


def inputs(*dims: int) -> list[ModelInput]:
    return [ModelInput("input", TensorType(dims))]


def samples(n: int, *dims: int) -> Array:
    """Numbers of which no two are equal, and none is zero."""
    values = numpy.arange(1, n * math.prod(dims) + 1, dtype=numpy.float32)
    return numpy.random.default_rng(5).permutation(values).reshape(n, *dims)


def changed(x: Array, *changes: Augmentation, seed: int = 1, epoch: int = 0) -> Array:
    augmenter = Augmenter(changes, seed, inputs(*x.shape[1:]))
    return augmenter({"input": x}, epoch, numpy.arange(len(x)))["input"]


def moved(sample: Array, offset: Sequence[int]) -> Array:
    """A sample moved cell by cell, zero coming in."""
    result = numpy.zeros_like(sample)
    for place in itertools.product(*(range(size) for size in sample.shape[1:])):
        source = tuple(at - by for at, by in zip(place, offset, strict=True))
        if all(0 <= at < size for at, size in zip(source, sample.shape[1:], strict=True)):
            for channel in range(len(sample)):
                result[(channel, *place)] = sample[(channel, *source)]
    return result


# --- chance -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [(1, 17, 13), (3, 8, 9)])
def test_a_sample_is_changed_alike_in_whatever_batch_it_stands(dims: tuple[int, ...]) -> None:
    x = samples(41, *dims)
    augmenter = Augmenter(ALL, 3, inputs(*dims))
    whole = augmenter({"input": x}, 7, numpy.arange(100, 141))["input"]
    order = numpy.random.default_rng(0).permutation(41)
    for some in (order, order[:1], order[:7], order[[3, 3, 5]]):
        part = augmenter({"input": x[some]}, 7, some + 100)["input"]
        assert (part == whole[some]).all()


def test_pieces_of_large_pictures_are_turned_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    x = samples(3, 2, 40, 30)
    whole = changed(x, Rotate(degrees=40.0))
    for cells in (1, 100, 1500, 10**6):
        monkeypatch.setattr("cnndsl.recipe.augmentations.moving._PIECE", cells)
        assert (changed(x, Rotate(degrees=40.0)) == whole).all()


@pytest.mark.parametrize("change", ALL, ids=lambda change: change.keyword)
def test_seed_epoch_index_and_position_each_make_a_difference(change: Augmentation) -> None:
    x = numpy.repeat(samples(1, 1, 12, 12), 20, 0)
    first = changed(x, change)
    assert (first == changed(x, change)).all()
    assert (first != changed(x, change, seed=2)).any()
    assert (first != changed(x, change, epoch=1)).any()
    assert len(numpy.unique(first.reshape(20, -1), axis=0)) > 1
    harmless = Flip(probability=1e-12)
    assert (first != changed(x, harmless, change)).any()


def test_a_seed_and_an_epoch_are_not_interchangeable() -> None:
    x = samples(16, 1, 8, 8)
    change = Noise(std=1.0)
    assert (changed(x, change, seed=1, epoch=2) != changed(x, change, seed=2, epoch=1)).all()


def test_the_draws_are_those_of_the_published_generator() -> None:
    # SplitMix64 from the state 1234567, as in many collections of test vectors.
    from cnndsl.data.augment import _Draws

    draws = _Draws((), numpy.zeros(1, numpy.int64))
    draws._states = numpy.array([[1234567]], numpy.uint64)
    assert draws.bits(5).tolist() == [
        [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
         16408922859458223821]
    ]  # fmt: skip
    assert (draws.bits(5)[:, 2:] == draws.bits(3, 2)).all()


def test_the_numbers_stay_the_same_from_version_to_version() -> None:
    # A run that was begun with one version can be resumed with the next.
    x = numpy.arange(8, dtype=numpy.float32).reshape(1, 1, 8).repeat(6, 0)
    augmenter = Augmenter([Shift(cells=3), Flip()], 3, inputs(1, 8))
    y = augmenter({"input": x}, 2, numpy.arange(6) * 1000)["input"]
    texts = ["".join(f"{cell:.0f}" for cell in row) for row in y[:, 0]]
    assert texts == ["34567000", "00076543", "00076543", "00076543", "76543210", "23456700"]


def test_the_arrays_given_stay_as_they_are() -> None:
    x = samples(8, 1, 9, 9)
    before = x.copy()
    x.setflags(write=False)
    given = {"input": x}
    Augmenter(ALL, 1, inputs(1, 9, 9))(given, 0, numpy.arange(8))
    assert given["input"] is x
    assert (x == before).all()


def test_without_augmentations_nothing_changes() -> None:
    x = samples(4, 2, 3)
    assert (changed(x) == x).all()


@pytest.mark.parametrize("change", ALL, ids=lambda change: change.keyword)
def test_results_are_float32_of_the_same_shape(change: Augmentation) -> None:
    result = changed(samples(5, 3, 9, 7), change)
    assert result.shape == (5, 3, 9, 7)
    assert result.dtype == numpy.float32
    empty = Augmenter([change], 1, inputs(3, 9, 7))(
        {"input": numpy.zeros((0, 3, 9, 7), numpy.float32)}, 0, numpy.zeros(0, numpy.int64)
    )
    assert empty["input"].shape == (0, 3, 9, 7)


# --- crop and shift ---------------------------------------------------------------------------


@pytest.mark.parametrize("change", [Crop(padding=2), Shift(cells=2)])
@pytest.mark.parametrize("dims", [(2, 9), (2, 5, 4), (1, 3, 4, 3)])
def test_a_sample_is_moved_by_every_distance_up_to_the_largest(
    change: Augmentation, dims: tuple[int, ...]
) -> None:
    rank = len(dims) - 1
    x = samples(200 if rank < 3 else 30, *dims)
    y = changed(x, change)
    offsets = list(itertools.product(range(-2, 3), repeat=rank))
    seen = set()
    for before, after in zip(x, y, strict=True):
        fitting = [offset for offset in offsets if (moved(before, offset) == after).all()]
        assert len(fitting) == 1
        seen.add(fitting[0])
    assert {axis_offset for offset in seen for axis_offset in offset} == set(range(-2, 3))
    if rank < 3:
        assert len(seen) == 5**rank


def test_distances_are_equally_likely() -> None:
    x = numpy.zeros((7000, 1, 15), numpy.float32)
    x[:, 0, 7] = 1
    places = changed(x, Shift(cells=3)).argmax(2)[:, 0]
    counts = numpy.bincount(places - 4, minlength=7)
    assert len(counts) == 7
    assert (abs(counts - 1000) < 5 * math.sqrt(1000)).all()


# --- flip -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "dims", "axes"),
    [
        ("horizontal", (2, 5), [()]),
        ("horizontal", (2, 5, 4), [()]),
        ("vertical", (2, 5, 4), [(-2,)]),
        ("both", (2, 5, 4), [(-1,), (-2,), (-1, -2)]),
        ("horizontal", (1, 2, 3, 4), [()]),
        ("vertical", (1, 2, 3, 4), [(-2,)]),
    ],
)
def test_a_sample_is_mirrored_or_stays(
    direction: Literal["horizontal", "vertical", "both"],
    dims: tuple[int, ...],
    axes: list[tuple[int, ...]],
) -> None:
    wanted = {(), *axes} if axes != [()] else {(), (-1,)}
    x = samples(100, *dims)
    y = changed(x, Flip(direction=direction))
    ways: list[tuple[int, ...]] = [(), (-1,), (-2,), (-1, -2)]
    seen = set()
    for before, after in zip(x, y, strict=True):
        possible = ways if before.ndim > 2 else ways[:2]
        fitting = [way for way in possible if (numpy.flip(before, way) == after).all()]
        assert len(fitting) == 1
        seen.add(fitting[0])
    assert seen == wanted


@pytest.mark.parametrize("probability", [0.2, 0.5, 1.0])
def test_as_many_are_mirrored_as_the_probability_says(probability: float) -> None:
    x = samples(4000, 1, 2)
    y = changed(x, Flip(probability=probability))
    share = (x != y).any((1, 2)).mean()
    assert abs(share - probability) <= 5 * math.sqrt(probability * (1 - probability) / 4000)


# --- rotate -----------------------------------------------------------------------------------


def turned(picture: Array, angle: float) -> Array:
    """A picture turned by bilinear interpolation, cell by cell in double precision."""
    channels, height, width = picture.shape
    result = numpy.zeros((channels, height, width))
    for row, column in itertools.product(range(height), range(width)):
        y, x = row - (height - 1) / 2, column - (width - 1) / 2
        from_row = math.cos(angle) * y - math.sin(angle) * x + (height - 1) / 2
        from_column = math.sin(angle) * y + math.cos(angle) * x + (width - 1) / 2
        top, left = math.floor(from_row), math.floor(from_column)
        for i, j in itertools.product((top, top + 1), (left, left + 1)):
            if 0 <= i < height and 0 <= j < width:
                weight = (1 - abs(from_row - i)) * (1 - abs(from_column - j))
                result[:, row, column] += weight * picture[:, i, j]
    return result


@pytest.mark.parametrize("dims", [(1, 9, 9), (2, 6, 11), (1, 1, 7), (1, 2, 2)])
@pytest.mark.parametrize("degrees", [15.0, 90.0, 180.0])
def test_pictures_are_turned_as_by_hand(
    dims: tuple[int, ...], degrees: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = numpy.random.default_rng(1).normal(size=(6, *dims)).astype(numpy.float32)
    chances = numpy.array([0, 1 - 2**-53, 0.5, 0.1, 0.77, 0.25])
    monkeypatch.setattr("cnndsl.data.augment._Draws.uniform", lambda self, count: chances[:, None])
    y = changed(x, Rotate(degrees=degrees))
    angles = numpy.deg2rad((2 * chances - 1) * degrees)
    expected = [turned(one, angle) for one, angle in zip(x, angles, strict=True)]
    assert numpy.allclose(y, expected, atol=2e-5)
    assert (y[2] == x[2]).all()


def test_angles_go_evenly_either_way() -> None:
    x = numpy.zeros((2000, 1, 31, 31), numpy.float32)
    x[:, 0, 15, 29] = 1  # how far it moves up or down is 14 times the sine
    y = changed(x, Rotate(degrees=20.0))[:, 0]
    rows = (y.sum(2) * numpy.arange(31)).sum(1) / y.sum((1, 2)) - 15
    angles = numpy.rad2deg(numpy.arcsin(rows / 14))
    assert abs(angles).max() < 20.5
    assert abs(angles.mean()) < 1.5
    assert abs(angles.std() - 20 / math.sqrt(3)) < 1


# --- cutout and noise -------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [(2, 9), (2, 7, 6), (1, 4, 5, 6)])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_a_square_about_every_cell_is_cut_out(dims: tuple[int, ...], size: int) -> None:
    x = samples(600, *dims)
    y = changed(x, Cutout(size=size))
    seen = set()
    for before, after in zip(x, y, strict=True):
        gone = (after == 0).all(0)
        assert (after == numpy.where(gone, 0, before)).all()
        spans = [(places.min(), places.max()) for places in gone.nonzero()]
        seen.add(tuple(spans))
        assert gone.sum() == math.prod(last - first + 1 for first, last in spans)
        for (first, last), length in zip(spans, dims[1:], strict=True):
            at_the_border = first == 0 or last == length - 1
            assert last - first + 1 == size or (at_the_border and last - first + 1 < size)
    assert len(seen) > 0.9 * math.prod(dims[1:])


def test_noise_is_normal_and_of_the_given_size() -> None:
    x = numpy.zeros((500, 1, 20, 20), numpy.float32)
    z = changed(x, Noise(std=0.1)).astype(numpy.float64).ravel() / 0.1
    n = len(z)
    assert abs(z.mean()) < 5 / math.sqrt(n)
    assert abs(z.std() - 1) < 5 / math.sqrt(2 * n)
    assert abs((z**3).mean()) < 5 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / n)
    assert abs((abs(z) > 3).mean() - 0.0027) < 0.0007
    assert abs(z).max() > 4


def test_noise_has_nothing_to_do_with_the_cells_and_samples_beside_it() -> None:
    z = changed(numpy.zeros((400, 1, 16, 16), numpy.float32), Noise(std=1.0)).reshape(400, -1)
    across_cells = numpy.corrcoef(z.T)[~numpy.eye(256, dtype=bool)]
    across_samples = numpy.corrcoef(z)[~numpy.eye(400, dtype=bool)]
    assert abs(across_cells).max() < 6 / math.sqrt(400)
    assert abs(across_samples).max() < 6 / math.sqrt(256)


def test_vectors_take_noise() -> None:
    x = samples(5, 7)
    assert (changed(x, Noise(std=1.0)) != x).any()


# --- several inputs ---------------------------------------------------------------------------


def pair(left: tuple[int, ...], right: tuple[int, ...]) -> list[ModelInput]:
    return [ModelInput("left", TensorType(left)), ModelInput("right", TensorType(right))]


def test_inputs_of_one_size_are_changed_alike() -> None:
    x = samples(30, 1, 8, 8)
    both = Augmenter(ALL[:4] + ALL[5:], 1, pair((1, 8, 8), (2, 8, 8)))  # type: ignore[operator]
    given = {"left": x, "right": numpy.concatenate([x, x], 1)}
    found = both(given, 0, numpy.arange(30))
    assert (found["right"] == numpy.concatenate([found["left"], found["left"]], 1)).all()
    assert (found["left"] != x).any()


def test_inputs_have_noise_of_their_own() -> None:
    x = numpy.zeros((4, 1, 8, 8), numpy.float32)
    both = Augmenter([Noise(std=1.0)], 1, pair((1, 8, 8), (1, 8, 8)))
    found = both({"left": x, "right": x}, 0, numpy.arange(4))
    assert (found["left"] != found["right"]).mean() > 0.99


@pytest.mark.parametrize("change", [one for one in ALL if not isinstance(one, Noise)])
def test_inputs_of_different_sizes_cannot_be_changed_alike(change: Augmentation) -> None:
    with pytest.raises(UserError) as caught:
        Augmenter([change], 1, pair((1, 8, 8), (1, 8, 9)))
    assert caught.value.code == "CNN830"
    assert "`left` (1x8x8) and `right` (1x8x9) differ in size" in caught.value.message
    Augmenter([Noise()], 1, pair((1, 8, 8), (5,)))


# --- what inputs cannot take ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "dims", "why", "help"),
    [
        (Rotate(), (2, 9), "`augment rotate` does not suit the network", "take `rotate` out"),
        (Rotate(), (2, 9, 9, 9), "only pictures can be turned", "take `rotate` out"),
        (Flip(), (10,), "without spatial dimensions", "take `flip` out"),
        (Cutout(), (10,), "the input `input` is 10, without spatial", "take `cutout` out"),
        (Flip(direction="vertical"), (2, 9), "top and bottom", "write `flip horizontal`"),
        (Flip(direction="both"), (2, 9), "top and bottom", "write `flip horizontal`"),
        (Shift(cells=9), (1, 20, 9), "move by 9 cells may leave nothing", "number below 9"),
        (Crop(padding=1), (1, 20, 1), "move by 1 cell may leave", "take `crop` out"),
        (Cutout(size=10), (1, 20, 9), "square of 10 cells", "a number of at most 9"),
    ],
)
def test_what_an_input_cannot_take_is_refused(
    change: Augmentation, dims: tuple[int, ...], why: str, help: str
) -> None:
    with pytest.raises(UserError) as caught:
        Augmenter([Noise(), change], 1, inputs(*dims))
    assert caught.value.code == "CNN830"
    assert why in caught.value.message
    assert help in caught.value.help


@pytest.mark.parametrize("change", [Noise(), Crop(), Flip()])
def test_token_ids_cannot_be_changed(change: Augmentation) -> None:
    tokens = [ModelInput("text", TensorType((56,), DType.INT64))]
    with pytest.raises(UserError, match="`text` are token ids"):
        Augmenter([change], 1, tokens)


@pytest.mark.parametrize("change", [Shift(cells=8), Cutout(size=9), Crop(padding=8)])
def test_the_largest_sensible_numbers_are_taken(change: Augmentation) -> None:
    assert changed(samples(3, 1, 20, 9), change).shape == (3, 1, 20, 9)

"""Labels of places move as their samples do; what a move makes of others has to be said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
import numpy.typing
import pytest
from training_runs import ArrayData

from cnndsl.data.augment import Augmenter
from cnndsl.data.label_places import labels_move, note_of_moving
from cnndsl.data.sources import ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.recipe.augmentations.base import Augmentation
from cnndsl.recipe.augmentations.crop import Crop
from cnndsl.recipe.augmentations.cutout import Cutout
from cnndsl.recipe.augmentations.flip import Flip
from cnndsl.recipe.augmentations.moving import turned
from cnndsl.recipe.augmentations.noise import Noise
from cnndsl.recipe.augmentations.rotate import Rotate
from cnndsl.recipe.augmentations.shift import Shift
from cnndsl.types import TensorType

Array = numpy.typing.NDArray[Any]

EXACT: Sequence[Augmentation] = (
    Crop(padding=3),
    Flip(),
    Flip(direction="both", probability=0.7),
    Shift(cells=2),
    Rotate(degrees=180.0, labels="moved"),
)


def augmenter(*changes: Augmentation, sizes: tuple[int, ...], seed: int = 4) -> Augmenter:
    return Augmenter(changes, seed, [ModelInput("input", TensorType((1, *sizes)))])


def together(x: Array, labels: Array, *changes: Augmentation) -> tuple[Array, Array]:
    """Samples and their labels after the same changes of the same epoch."""
    one = augmenter(*changes, sizes=x.shape[2:])
    indices = numpy.arange(len(x)) + 17
    return one({"input": x}, 3, indices)["input"], one.move_labels(labels, 3, indices)


# --- they move alike --------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(11,), (9, 7), (5, 4, 6)])
@pytest.mark.parametrize("dtype", [numpy.int64, numpy.float32])
def test_labels_go_where_the_cells_go(sizes: tuple[int, ...], dtype: type) -> None:
    random = numpy.random.default_rng(0)
    x = random.integers(1, 1000, (60, 1, *sizes)).astype(numpy.float32)
    changes = [Crop(padding=3), Shift(cells=2), Flip(probability=0.6)]
    if len(sizes) > 1:
        changes.append(Flip(direction="both"))
    for some in (*([one] for one in changes), changes):
        changed, labels = together(x, x[:, 0].astype(dtype), *some)
        assert (changed != x).any()
        assert labels.dtype == dtype
        assert (labels == changed[:, 0]).all()


def test_every_channel_of_the_targets_goes_along() -> None:
    x = numpy.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype(numpy.float32)
    targets = numpy.concatenate([x, -x, 2 * x], 1)
    changed, moved = together(x, targets, Flip(), Shift(cells=3))
    assert (moved == numpy.concatenate([changed, -changed, 2 * changed], 1)).all()


def test_a_turn_gives_each_cell_the_label_of_the_nearest_one() -> None:
    """Against PyTorch's `grid_sample`, which computes in coordinates from -1 to 1."""
    torch = pytest.importorskip("torch")
    random = numpy.random.default_rng(2)
    labels = random.integers(1, 50, (12, 2, 9, 14)).astype(numpy.float32)
    by = random.uniform(-math.pi, math.pi, (12, 1))
    rows, columns = (torch.arange(size) - (size - 1) / 2 for size in (9, 14))
    y, x = torch.meshgrid(rows.double(), columns.double(), indexing="ij")
    sine, cosine = (torch.tensor(f(by))[..., None] for f in (numpy.sin, numpy.cos))
    grid = torch.stack([(sine * y + cosine * x) / 6.5, (cosine * y - sine * x) / 4], -1)
    expected = torch.nn.functional.grid_sample(
        torch.tensor(labels).double(), grid, mode="nearest", align_corners=True
    )
    found = turned(labels, by, nearest=True)
    # Where the nearest cell is a matter of rounding, either may be right.
    assert (found == expected.numpy()).mean() > 0.999
    assert set(numpy.unique(found)) <= {0.0, *numpy.unique(labels)}


@pytest.mark.parametrize("degrees", [20.0, 180.0])
def test_a_turned_shape_and_its_turned_mask_stay_together(degrees: float) -> None:
    masks = numpy.zeros((40, 1, 21, 21), numpy.float32)
    masks[:, :, 3:9, 5:16] = 1
    changed, moved = together(masks, masks[:, 0].astype(numpy.int64), Rotate(degrees=degrees))
    assert (moved != masks[:, 0]).any()
    # Interpolated linearly, a cell is at least half inside where its nearest cell is inside.
    unlike = (changed[:, 0] > 0.75) & (moved == 0) | (changed[:, 0] < 0.25) & (moved == 1)
    assert not unlike.any()


def test_what_changes_no_place_leaves_labels_alone() -> None:
    x = numpy.ones((8, 1, 12, 12), numpy.float32)
    labels = numpy.arange(8 * 144).reshape(8, 12, 12)
    changed, same = together(x, labels, Noise(), Cutout(size=5), Flip(labels="fixed"))
    assert (changed != x).any()
    assert (same == labels).all()


def test_labels_of_a_sample_move_alike_in_whatever_batch_it_stands() -> None:
    labels = numpy.random.default_rng(0).integers(0, 9, (30, 8, 8))
    one = augmenter(*EXACT, sizes=(8, 8))
    whole = one.move_labels(labels, 1, numpy.arange(30))
    some = numpy.array([5, 29, 5, 0])
    assert (one.move_labels(labels[some], 1, some) == whole[some]).all()
    assert one.move_labels(labels[:0], 1, some[:0]).shape == (0, 8, 8)
    assert (one.move_labels(labels, 2, numpy.arange(30)) != whole).any()


# --- whether they move ------------------------------------------------------------------------


def data(*, labels: Array | None = None, targets: Array | None = None, **more: Any) -> ArrayData:
    return ArrayData({"input": numpy.zeros(1)}, labels=labels, targets=targets, **more)


BOXES = numpy.random.default_rng(0).uniform(0, 1, (6, 4)).astype(numpy.float32)
TAGS = numpy.random.default_rng(0).integers(0, 2, (6, 5))


@pytest.mark.parametrize("change", [Flip(), Shift(), Crop(), Rotate()])
def test_labels_of_the_sample_s_size_move(change: Augmentation) -> None:
    masks = numpy.zeros((6, 16, 16), numpy.int64)
    assert labels_move([change], data(labels=masks), (16, 16), (16, 16))
    targets = masks.astype(numpy.float32)[:, None]
    assert labels_move([Noise(), change], data(targets=targets), (16, 16), (16, 16))


@pytest.mark.parametrize("change", [Flip(), Shift(), Crop(), Rotate()])
@pytest.mark.parametrize(
    ("answers", "places"),
    [
        ({"labels": numpy.arange(6)}, ()),
        ({"labels": numpy.arange(6)[:, None, None]}, (1, 1)),
        ({"labels": TAGS}, ()),
        ({"targets": TAGS.astype(numpy.float32)}, ()),
        ({"targets": TAGS[:, :1].astype(numpy.float32)}, ()),
    ],
    ids=["classes", "classes of 1x1", "tags", "float tags", "yes or no"],
)
def test_labels_that_say_what_a_sample_is_stay(
    change: Augmentation, answers: dict[str, Array], places: tuple[int, ...]
) -> None:
    assert not labels_move([change], data(**answers), (16, 16), places)


UNCLEAR = {
    "boxes": ({"targets": BOXES}, (), "targets, 4 numbers each"),
    "boxes of whole pixels": ({"labels": (BOXES * 16).astype(int)}, (), "labels, 4 numbers each"),
    "a quantity": ({"targets": BOXES[:, :1]}, (), "targets, 1 number each"),
    "a coarse map": ({"labels": numpy.zeros((6, 8, 8), int)}, (8, 8), "labels, `8x8` each"),
    "a map of fewer axes": ({"labels": numpy.zeros((6, 16), int)}, (16,), "labels, 16 numbers"),
    "a mask row by row": ({"targets": numpy.ones((6, 256))}, (), "targets, 256 numbers each"),
}


@pytest.mark.parametrize("word", ["flip", "shift", "crop", "rotate"])
@pytest.mark.parametrize("case", UNCLEAR)
def test_where_nobody_can_say_what_a_move_does_it_is_refused(case: str, word: str) -> None:
    answers, places, what = UNCLEAR[case]
    kinds = {"flip": Flip, "shift": Shift, "crop": Crop, "rotate": Rotate}
    with pytest.raises(UserError) as caught:
        labels_move([Noise(), kinds[word]()], data(**answers), (16, 16), places)
    assert caught.value.code == "CNN830"
    assert what in caught.value.message
    assert f"`{word} labels fixed`" in caught.value.help
    fixed = kinds[word](labels="fixed")
    assert not labels_move([fixed], data(**answers), (16, 16), places)


def test_without_moves_any_labels_do() -> None:
    assert not labels_move([Noise(), Cutout()], data(targets=BOXES), (16, 16), ())


def test_what_comes_in_from_outside_is_named() -> None:
    masks = data(labels=numpy.zeros((6, 16, 16), int), classes=("sky", "road"), name="m.npz")
    assert note_of_moving([Flip(), Noise(), Shift()], masks, moved=True) == (
        "the labels of `m.npz` move along with the samples (`flip` and `shift`);"
        " what comes in from outside has the label 0 (`sky`)"
    )
    assert note_of_moving([Flip()], masks, moved=True).endswith("(`flip`)")


def test_vectors_that_stay_are_said_to() -> None:
    def note(*changes: Augmentation, **answers: Array) -> str:
        return note_of_moving(changes, data(**answers, name="m.npz"), moved=False)

    assert note(Flip(), Shift(), targets=TAGS.astype(numpy.float32)) == (
        "the labels of `m.npz`, 5 zeros and ones each, stay where samples are moved (`flip` and"
        " `shift`): they are taken to say what is in a sample, not where"
    )
    assert "5 zeros and ones" in note(Rotate(), labels=TAGS)
    assert not note(Flip(labels="fixed"), labels=TAGS)
    assert not note(Noise(), labels=TAGS)
    assert not note(Flip(), labels=numpy.arange(6))
    assert not note(Flip(), targets=TAGS[:, :1].astype(numpy.float32))

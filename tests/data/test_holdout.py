"""Dividing: stratified, deterministic, both parts views of the whole."""

import numpy
import pytest
from training_data import array_set, complaint, model_input

from cnndsl.data.arraysets import ArraySet, as_column
from cnndsl.data.holdout import divide
from cnndsl.data.samples import Subset


def counts(part: Subset) -> list[int]:
    assert part.labels is not None
    return [int(count) for count in numpy.bincount(part.labels, minlength=3)]


LABELS = [0] * 50 + [1] * 30 + [2] * 10


def test_every_class_gives_its_share() -> None:
    train, valid = divide(array_set(LABELS), 0.2, seed=0)
    assert counts(train) == [40, 24, 8]
    assert counts(valid) == [10, 6, 2]


def test_the_parts_together_are_the_whole_in_its_order() -> None:
    train, valid = divide(array_set(LABELS), 0.3, seed=5)
    assert sorted([*train.indices.tolist(), *valid.indices.tolist()]) == list(range(90))
    assert train.indices.tolist() == sorted(train.indices.tolist())
    assert valid.indices.tolist() == sorted(valid.indices.tolist())


def test_the_same_seed_gives_the_same_parts_and_another_one_others() -> None:
    parts = [divide(array_set(LABELS), 0.2, seed)[1].indices.tolist() for seed in (1, 1, 2)]
    assert parts[0] == parts[1] != parts[2]


def test_a_part_never_changes_between_versions() -> None:
    _, valid = divide(array_set([0, 0, 0, 0, 1, 1, 1, 1]), 0.5, seed=3)
    assert valid.indices.tolist() == [0, 3, 4, 5]


def test_a_part_reads_the_samples_of_the_whole() -> None:
    _, valid = divide(array_set(LABELS, dims=2), 0.1, seed=0)
    values = valid.read(numpy.array([1, 0]))["input"]
    assert values[:, 0].tolist() == valid.indices[[1, 0]].tolist()
    assert valid.name_of(1) == f"set[{valid.indices[1]}]"


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_each_side_gets_at_least_one_of_a_class(fraction: float) -> None:
    train, valid = divide(array_set(LABELS), fraction, seed=0)
    assert min(counts(train)) >= 1
    assert min(counts(valid)) >= 1


def test_a_class_of_one_sample_is_trained_with() -> None:
    train, valid = divide(array_set([0, 0, 0, 0, 1]), 0.5, seed=0)
    assert counts(train) == [2, 1, 0]
    assert counts(valid) == [2, 0, 0]


def test_where_all_classes_have_one_sample_the_share_is_taken_of_the_whole() -> None:
    train, valid = divide(array_set([0, 1, 2, 3, 4]), 0.4, seed=0)
    assert (len(train), len(valid)) == (3, 2)


def test_targets_are_divided_too() -> None:
    column = as_column(numpy.zeros((10, 1), numpy.float32), model_input(1), "set")
    targets = numpy.arange(10, dtype=numpy.float32)[:, None]
    train, valid = divide(ArraySet("set", {"input": column}, targets=targets), 0.3, seed=0)
    assert train.labels is None
    assert train.targets is not None
    assert valid.targets is not None
    assert len(train.targets) == 7
    assert valid.targets[:, 0].tolist() == valid.indices.tolist()


def test_one_sample_cannot_be_divided() -> None:
    with complaint(
        "CNN808",
        "`set` has one sample, which cannot both train and validate",
        "train without validation, or name other data for it",
    ):
        divide(array_set([0]), 0.5, seed=0)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_is_between_0_and_1(fraction: float) -> None:
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        divide(array_set([0, 1]), fraction, seed=0)

"""Labels: do they fit the network, how many of each, and what a loss gets."""

import re

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from training_data import array_set, complaint, model_input, noise

from cnndsl.data.arraysets import ArraySet, as_column
from cnndsl.data.labels import check_labels, check_shares, encoder, imbalance
from cnndsl.diagnostics.model import UserError

ALL = numpy.arange(3)


def with_targets(targets: NDArray[numpy.float32]) -> ArraySet:
    column = as_column(noise(len(targets), 1, 2, 2), model_input(1, 2, 2), "set")
    return ArraySet("set", {"input": column}, targets=targets)


def with_places(labels: NDArray[numpy.int64]) -> ArraySet:
    column = as_column(noise(len(labels), 1, 2, 2), model_input(1, 2, 2), "set")
    return ArraySet("set", {"input": column}, labels=labels)


class TestImbalance:
    def test_every_class_is_counted(self) -> None:
        balance = imbalance(array_set([0, 0, 0, 0, 0, 0, 2, 2], ["a", "b", "c"]))
        assert balance is not None
        assert balance.counts == (("a", 6), ("b", 0), ("c", 2))
        assert balance.ratio == 3

    def test_classes_without_names_are_numbers(self) -> None:
        balance = imbalance(array_set([1, 1]))
        assert balance is not None
        assert balance.counts == (("0", 0), ("1", 2))

    def test_targets_are_in_no_class(self) -> None:
        assert imbalance(with_targets(numpy.ones((3, 1), numpy.float32))) is None


class TestRange:
    def test_labels_in_range_pass(self) -> None:
        check_labels(array_set([0, 9]), 10)
        check_labels(array_set([0], ["a", "b"]), 2)

    def test_too_high_a_label_is_named_with_its_sample(self) -> None:
        with complaint(
            "CNN802",
            "the labels of `set` go from 1 to 26, but the network tells 26 classes apart: labels 0"
            " to 25",
            'count the labels from 0: subtract 1, or name the classes in the spec: `classes "1",'
            ' "2", "26"`; let the last layer give 3 units then',
            "`set[2]` has the label 26",
        ):
            check_labels(array_set([1, 2, 26, 26]), 26)
        check_labels(array_set([1, 2, 26, 26]), 27)

    def test_a_negative_label_is_named(self) -> None:
        with complaint(
            "CNN802",
            "the labels of `set` go from -1 to 1, but the network tells 2 classes apart: labels 0"
            " to 1",
            'write 0 and 1 for -1 and 1, or name the classes in the spec: `classes "-1", "1"`',
            "`set[1]` has the label -1",
        ):
            check_labels(array_set([1, -1]), 2)

    def test_as_many_classes_as_units_are_demanded_where_they_have_names(self) -> None:
        with complaint(
            "CNN802",
            "`set` has 3 classes, but the network tells 10 apart",
            "let the last layer give 3 units",
            "the classes are `a`, `b`, `c`",
        ):
            check_labels(array_set([0, 1], ["a", "b", "c"]), 10)

    def test_too_many_classes_with_names_are_counted_and_not_their_indices(self) -> None:
        with complaint(
            "CNN802",
            "`set` has 3 classes, but the network tells 2 apart",
            "let the last layer give 3 units",
            "the classes are `1`, `2`, `10`",
        ):
            check_labels(array_set([0, 1, 2], ["1", "2", "10"]), 2)

    def test_labels_of_places_are_checked_too(self) -> None:
        labels = numpy.array([[[0, 1], [1, 0]], [[0, 0], [5, 0]]])
        with complaint(
            "CNN802",
            "the labels of `set` go from 0 to 5, but the network tells 2 classes apart: labels 0"
            " to 1",
            "number the 3 different labels from 0 to 2: `numpy.unique(y, return_inverse=True)[1]`,"
            ' or name the classes in the spec: `classes "0", "1", "5"`; let the last layer give'
            " 3 units then",
            "`set[1]` has the label 5",
        ):
            check_labels(with_places(labels), 2)

    def test_targets_have_no_range(self) -> None:
        check_labels(with_targets(numpy.full((1, 1), 99, numpy.float32)), 2)


class TestHelp:
    """What the help of labels out of range says makes them fit, and leaves no class empty."""

    @pytest.mark.parametrize(
        ("labels", "units", "help"),
        [
            (
                [1, 2, 3],
                3,
                "count the labels from 0: subtract 1, or name the classes in the spec: `classes"
                ' "1", "2", "3"`',
            ),
            (list(range(1, 27)), 26, "count the labels from 0: subtract 1"),
            (
                list(range(1, 28)),
                26,
                "count the labels from 0: subtract 1, and let the last layer give 27 units",
            ),
            (list(range(12)), 10, "let the last layer give 12 units"),
            (
                [0, 255],
                2,
                "write 0 and 1 for 0 and 255, or name the classes in the spec: `classes"
                ' "0", "255"`',
            ),
            (
                [10, 20, 30, 40, 50, 60],
                6,
                "number the 6 different labels from 0 to 5: `numpy.unique(y,"
                " return_inverse=True)[1]`",
            ),
            (list(range(-3, 3)), 6, "count the labels from 0: add 3"),
        ],
    )
    def test_labels_to_learn_are_numbered_anew(
        self, labels: list[int], units: int, help: str
    ) -> None:
        with pytest.raises(UserError) as caught:
            check_labels(array_set(labels), units)
        assert caught.value.help == help

    @pytest.mark.parametrize(
        ("labels", "help"),
        [
            ([0, 255], "write 0 and 1 for 0 and 255"),
            ([1, 2], "count the labels from 0: subtract 1"),
            (
                [0, 1, 2, 3],
                "save amounts as floating-point numbers; for classes, let the last layer give 4"
                " units",
            ),
            (
                [21, 35, 60],
                "save amounts as floating-point numbers; for classes, number the 3 different labels"
                " from 0 to 2: `numpy.unique(y, return_inverse=True)[1]`, and let the last layer"
                " give 3 units",
            ),
        ],
    )
    def test_one_output_takes_two_classes(self, labels: list[int], help: str) -> None:
        with pytest.raises(UserError) as caught:
            encoder(array_set(labels), numpy.float32, (1,))
        assert caught.value.help == help

    @given(st.lists(st.integers(-5, 300), min_size=2, max_size=9, unique=True), st.integers(2, 6))
    def test_whoever_follows_it_gets_on(self, labels: list[int], units: int) -> None:
        """Numbers are drawn and the help is followed as it is written."""
        try:
            check_labels(array_set(labels), units)
        except UserError as error:
            help = error.help
        else:
            return
        following, _, naming = help.partition(", or name the classes in the spec: ")
        labels = _relabelled(labels, following)
        resized = re.search(r"give (\d+) units", help)
        units = int(resized[1]) if resized else units
        check_labels(array_set(labels), units)
        if resized:
            assert sorted(labels) == list(range(units))
        if naming:
            names = re.findall(r'"(-?\d+)"', naming)
            assert len(names) == len(set(labels))

    def test_data_to_measure_is_labelled_as_that_to_learn(self) -> None:
        for labels, help in (
            ([2, 5], "count the labels from 0: subtract 1"),
            ([0, 9], "label the data as that for training: from 0 to 4"),
        ):
            with pytest.raises(UserError) as caught:
                check_labels(array_set(labels), 5, learnt=False)
            assert caught.value.help == help

    def test_a_single_class_is_nothing_to_learn(self) -> None:
        with pytest.raises(UserError) as caught:
            check_labels(array_set([0, 0], ["a"]), 2)
        assert caught.value.help.startswith("give samples of another class too")

    def test_a_one_at_the_place_of_the_class_is_recognised(self) -> None:
        one_hot = numpy.eye(3, dtype=numpy.float32)
        for data in (with_targets(one_hot), with_places(one_hot.astype(numpy.int64))):
            with pytest.raises(UserError) as caught:
                encoder(data, numpy.int64, ())
            assert "`y.argmax(axis=1)`" in caught.value.help

    def test_masks_of_two_values_are_shares_of_0_and_1(self) -> None:
        with pytest.raises(UserError) as caught:
            check_shares(with_places(numpy.array([[[0, 255]], [[0, 0]]])))
        assert caught.value.help == "write 0 and 1 for 0 and 255"

    def test_amounts_are_not_counted_as_classes(self) -> None:
        assert imbalance(array_set([10**15, 3])) is None


def _relabelled(labels: list[int], help: str) -> list[int]:
    """Labels after what the help says was done."""
    if shift := re.search(r"(subtract|add) (\d+)", help):
        return [one - int(shift[2]) * (1 if shift[1] == "subtract" else -1) for one in labels]
    if pair := re.search(r"write 0 and 1 for (-?\d+) and (-?\d+)", help):
        return [[int(pair[1]), int(pair[2])].index(one) for one in labels]
    if "numpy.unique" in help:
        return [int(one) for one in numpy.unique(labels, return_inverse=True)[1]]
    return labels


class TestEncoder:
    def test_classes_are_whole_numbers(self) -> None:
        labels = encoder(array_set([3, 1, 2]), numpy.int64, ())(ALL[::-1])
        assert labels.tolist() == [2, 1, 3]
        assert labels.dtype == numpy.int64

    def test_places_have_classes(self) -> None:
        labels = numpy.arange(12).reshape(3, 2, 2)
        assert (encoder(with_places(labels), numpy.int64, (2, 2))(ALL) == labels).all()

    def test_targets_come_as_they_are(self) -> None:
        targets = numpy.arange(6, dtype=numpy.float32).reshape(3, 2)
        found = encoder(with_targets(targets), numpy.float32, (2,))(ALL)
        assert (found == targets).all()
        assert found.dtype == numpy.float32

    def test_sizes_of_1_may_be_written_or_not(self) -> None:
        targets = numpy.arange(3, dtype=numpy.float32)
        found = encoder(with_targets(targets), "float32", (1,))(ALL)
        assert found.tolist() == [[0], [1], [2]]

    def test_two_classes_are_0_and_1_for_one_unit(self) -> None:
        found = encoder(array_set([1, 0, 1]), numpy.float32, (1,))(ALL)
        assert found.tolist() == [[1], [0], [1]]
        assert found.dtype == numpy.float32

    def test_whole_numbers_of_the_outputs_shape_are_its_targets(self) -> None:
        places = numpy.arange(6).reshape(3, 2)
        found = encoder(with_places(places), numpy.float32, (2,))(ALL)
        assert (found == places).all()
        assert found.dtype == numpy.float32
        single = encoder(array_set([4, 5, 6]), numpy.float32, ())(ALL)
        assert single.tolist() == [4, 5, 6]

    def test_classes_are_a_1_among_zeros_for_several_units(self) -> None:
        found = encoder(array_set([2, 0, 1]), numpy.float32, (3,))(ALL)
        assert found.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
        assert found.dtype == numpy.float32

    @pytest.mark.parametrize(("units", "high"), [(1, 2), (3, 3)])
    def test_a_class_beyond_the_units_is_an_error(self, units: int, high: int) -> None:
        tells = max(units, 2)
        message = (
            f"the labels of `set` go from 0 to {high}, but the network tells {tells} classes apart:"
            f" labels 0 to {tells - 1}"
        )
        with pytest.raises(UserError, match=message) as caught:
            encoder(array_set([0, high]), numpy.float32, (units,))
        assert caught.value.notes == (f"`set[1]` has the label {high}",)

    def test_targets_are_no_classes(self) -> None:
        with complaint(
            "CNN802",
            "`set` has targets (floating-point numbers), but the loss takes classes",
            "save the classes as whole numbers, or write `loss mse` in the spec's recipe",
        ):
            encoder(with_targets(numpy.ones((3, 2), numpy.float32)), numpy.int64, ())

    def test_other_places_are_an_error(self) -> None:
        labels = with_places(numpy.zeros((3, 4, 4), int))
        for dtype, dims in (("int64", (2, 2)), ("float32", (2, 2)), ("float32", (2,))):
            want = "x".join(map(str, dims))
            with complaint(
                "CNN802",
                f"the labels of `set` are `4x4` for each sample, but the loss takes `{want}`",
                "give labels of that shape, or let the network answer in theirs",
            ):
                encoder(labels, dtype, dims)
        with complaint(
            "CNN802",
            "the labels of `set` are single numbers for each sample, but the loss takes `2x2`",
            "give labels of that shape, or let the network answer in theirs",
        ):
            encoder(array_set([0, 1]), "float32", (2, 2))

    def test_another_shape_is_an_error(self) -> None:
        with complaint(
            "CNN802",
            "the targets of `set` are `4` for each sample, but the loss takes `2x2`",
            "give labels of that shape, or let the network answer in theirs",
        ):
            encoder(with_targets(numpy.ones((3, 4), numpy.float32)), numpy.float32, (2, 2))
        with complaint(
            "CNN802",
            "the labels of `set` are single numbers for each sample, but the loss takes `8x8`",
            "give labels of that shape, or let the network answer in theirs",
        ):
            encoder(array_set([0, 1]), numpy.int64, (8, 8))


def test_targets_of_a_binary_crossentropy_are_shares() -> None:
    good = numpy.array([[0, 1], [0.5, 0.25]], numpy.float32)
    check_shares(with_targets(good))
    for wrong in (-0.5, 1.5):
        targets = good.copy()
        targets[1, 0] = wrong
        with complaint(
            "CNN802",
            f"the loss takes targets from 0 to 1, but `set[1]` has {wrong:g}",
            "give the share or probability of each output, or write `loss mse` in the spec",
        ):
            check_shares(with_targets(targets))

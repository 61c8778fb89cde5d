"""What data calls its classes: names or indices, decided by the spec and the training data."""

import itertools
import unicodedata

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_data import complaint, model_input

from cnndsl.data.class_names import (
    class_indices,
    notes_on_names,
    number_indices,
    numbers_are_names,
    text_indices,
)
from cnndsl.data.splits import Wanted
from cnndsl.diagnostics.model import UserError

COMPOSED, TAKEN_APART = (unicodedata.normalize(form, "Z\u00fcrich") for form in ("NFC", "NFD"))


def wanted(*classes: str, counted: bool = False) -> Wanted:
    return Wanted((model_input(1),), classes=classes, counted=counted)


def texts(labels: str, *classes: str, training: str = "", counted: bool = False) -> list[int]:
    found = text_indices(
        labels.split(), training.split(), "data", wanted(*classes, counted=counted)
    )
    return [int(index) for index in found.indices]


class TestNames:
    def test_without_a_spec_the_natural_order_counts(self) -> None:
        order, classes = class_indices(["c10", "c9", "b"], (), "data", "folders")
        assert classes == ("b", "c9", "c10")
        assert order.tolist() == [2, 1, 0]

    def test_with_a_spec_its_order_counts(self) -> None:
        order, classes = class_indices(["cat", "dog"], ("dog", "cat"), "data", "folders")
        assert classes == ("dog", "cat")
        assert order.tolist() == [1, 0]

    def test_other_names_are_listed(self) -> None:
        with complaint(
            "CNN802",
            "the folders of `data` are not the classes of the network:"
            " they lack `dog` and have also"
            " `cow`, `pig`",
            "let the folders and the network's classes agree, letter by letter",
            "the network has `dog`, `cat`",
        ):
            class_indices(["cat", "cow", "pig"], ("dog", "cat"), "data", "folders")

    def test_many_names_are_cut(self) -> None:
        names = [f"c{number}" for number in range(13)]
        with complaint(
            "CNN802",
            "the folders of `data` are not the classes of the network: they have also `c1`, `c2`,"
            " `c3`, `c4`, `c5`, `c6`, `c7`, `c8`, `c9`, `c10` and 2 more",
            "let the folders and the network's classes agree, letter by letter",
            "the network has `c0`",
        ):
            class_indices(names, ("c0",), "data", "folders")

    def test_a_name_is_the_same_in_every_form_of_unicode(self) -> None:
        for one, other in itertools.permutations((COMPOSED, TAKEN_APART)):
            order, classes = class_indices([one, "Bern"], ("Bern", other), "data", "folders")
            assert order.tolist() == [1, 0]
            assert classes == ("Bern", other)
        _, classes = class_indices([TAKEN_APART], (), "data", "folders")
        assert classes == (COMPOSED,)

    def test_two_names_that_look_the_same_are_an_error(self) -> None:
        with complaint(
            "CNN801",
            f"two of the folders of `data` are called `{COMPOSED}`",
            "put them together, or give one of them another name",
        ):
            class_indices([COMPOSED, TAKEN_APART], (), "data", "folders")
        with complaint(
            "CNN802",
            "two classes of the spec are called `a`, and `data` tells classes by their names",
            "give each class a name of its own in the spec's `classes`",
        ):
            class_indices(["a"], ("a", "a"), "data", "folders")

    @pytest.mark.parametrize("name", ["Cat", "cat ", "c at"])
    def test_a_name_that_is_nearly_right_is_said_to_be(self, name: str) -> None:
        with complaint(
            "CNN802",
            f"the folders of `data` are not the classes of the network:"
            " they lack `cat` and have also"
            f" `{name}`",
            f"write `cat` in both, letter by letter, and not `{name}`",
            "the network has `cat`",
        ):
            class_indices([name], ("cat",), "data", "folders")

    def test_long_names_are_cut_in_messages(self) -> None:
        with pytest.raises(UserError) as caught:
            class_indices(["x" * 5000], ("cat",), "data", "folders")
        assert len(caught.value.message) < 200

    def test_names_that_are_nearly_alike_are_noted(self) -> None:
        assert notes_on_names(["Cat", "cat"], "data", "folders") == (
            "`data` has both `Cat` and `cat`",
        )
        assert notes_on_names(["A", "a"], "data", "folders") == ()


class TestTexts:
    """What a label means must not hang on which others stand beside it."""

    def test_names_stay_names_whatever_else_is_there(self) -> None:
        assert texts("1 2 2", "1", "2", "x") == [0, 1, 1]
        with complaint(
            "CNN802",
            "the labels of `data` are not the classes of the network: they have also `0`",
            "let the labels and the network's classes agree, letter by letter",
            "the network has `1`, `2`, `x`",
            "whole numbers are names and no indices here, as there is a class `1` at index 0",
        ):
            texts("1 2 2 0", "1", "2", "x")

    @given(
        st.lists(st.sampled_from(["0", "1", "2", "3", "x", "cat", "07"]), min_size=1, unique=True),
        st.lists(st.sampled_from(["0", "1", "2", "3", "x", "cat", "07"]), min_size=1, max_size=8),
        st.lists(st.sampled_from(["0", "1", "2", "3", "x", "cat", "07"]), max_size=8),
    )
    def test_with_a_spec_a_label_means_the_same_in_all_company(
        self, classes: list[str], labels: list[str], more: list[str]
    ) -> None:
        """Whatever stands beside it, a label is the same class, or the whole is refused."""
        try:
            alone = texts(" ".join(labels), *classes)
            beside = texts(" ".join(labels + more), *classes)
        except UserError:
            return
        assert beside[: len(alone)] == alone

    @given(
        st.lists(st.sampled_from(["0", "1", "2", "x"]), min_size=1, max_size=6),
        st.lists(st.sampled_from(["0", "1", "2", "x"]), min_size=1, max_size=6),
    )
    def test_without_a_spec_the_training_data_decides_for_all(
        self, training: list[str], other: list[str]
    ) -> None:
        learnt = text_indices(training, [], "data", wanted())
        meaning = dict(zip(training, learnt.indices.tolist(), strict=True))
        follower = wanted(*learnt.classes, counted=True)
        for labels, own in ((other, follower), (training + other, wanted())):
            try:
                found = text_indices(labels, training, "data", own)
            except UserError:
                continue
            for label, index in zip(labels, found.indices.tolist(), strict=True):
                assert meaning.get(label, index) == index

    def test_indices_are_indices_where_no_class_is_a_number(self) -> None:
        assert texts("0 1 1", "cat", "dog") == [0, 1, 1]
        assert texts("0 2 -1") == [0, 2, -1]
        with pytest.raises(UserError, match="have also `1`"):
            texts("cat 1", "cat", "dog")

    def test_names_are_refused_where_training_counts(self) -> None:
        with complaint(
            "CNN802",
            "the labels of `data` are names of classes (`cat`, `dog`), but the labels of the"
            " training data are indices: which name is which index is not known",
            'write the names into the spec, in the order of the indices: `classes "cat", …`',
        ):
            texts("cat dog", counted=True)
        with pytest.raises(UserError, match="the labels of the training data are indices"):
            texts("0 cat", training="0 1")

    def test_names_have_the_order_of_the_training_data(self) -> None:
        assert texts("x 10 9", training="9 10 x 1") == [3, 2, 1]
        with pytest.raises(UserError, match="have also `2`"):
            texts("2", training="1 x")

    @pytest.mark.parametrize(
        ("label", "index"), [("007", 7), ("-0", 0), ("+3", 3), ("0" * 5000 + "1", 1)]
    )
    def test_whole_numbers_are_read_by_their_value(self, label: str, index: int) -> None:
        assert texts(label) == [index]

    @pytest.mark.parametrize("label", ["1" + "0" * 20, "-1" + "0" * 20, "9" * 5000])
    def test_numbers_beyond_any_index_are_an_error(self, label: str) -> None:
        with pytest.raises(UserError, match="no index of a class is so large") as caught:
            texts(label)
        assert caught.value.code == "CNN802"
        assert len(caught.value.message) < 200

    def test_what_only_looks_like_a_number_is_a_name(self) -> None:
        found = text_indices(["--5", "1.0", "\u0663", "1e3"], [], "data", wanted())
        assert set(found.classes) == {"--5", "1.0", "\u0663", "1e3"}

    def test_a_name_of_very_many_digits_has_its_place(self) -> None:
        _, classes = class_indices(["a" + "9" * 5000, "a1", "a10"], (), "data", "labels")
        assert classes[:2] == ("a1", "a10")

    @pytest.mark.parametrize(
        ("labels", "classes"),
        [(["a;b"], ("a", "b")), (["a", "b", "a|b"], ()), (["b, a"], ("a", "b"))],
    )
    def test_several_labels_in_one_are_an_error(
        self, labels: list[str], classes: tuple[str, ...]
    ) -> None:
        with pytest.raises(UserError, match="which is 2 classes, but a table gives each") as caught:
            text_indices(labels, [], "data", wanted(*classes))
        assert "loss binarycrossentropy" in caught.value.help

    def test_a_name_may_have_such_a_sign_in_it(self) -> None:
        found = text_indices(["crane, bird"], [], "data", wanted("crane, bird", "crane", "bird"))
        assert found.indices.tolist() == [0]

    @pytest.mark.parametrize(
        ("labels", "classes", "note"),
        [
            ("b a", (), "names of classes, in this order: `a`, `b`"),
            ("1 2", ("1", "2"), "names of classes"),
            ("1 0", ("cat", "dog"), "indices of classes, counted from 0: 0 is `cat`"),
            ("1 0", (), "indices of classes, counted from 0"),
        ],
    )
    def test_what_was_decided_is_said(
        self, labels: str, classes: tuple[str, ...], note: str
    ) -> None:
        found = text_indices(labels.split(), [], "data", wanted(*classes))
        assert found.notes == (f"the labels of `data` are {note}",)


class TestNumbers:
    def test_they_are_indices_where_no_class_is_another_number(self) -> None:
        for classes in ((), ("cat", "dog"), ("0", "1")):
            assert not numbers_are_names(classes)
            found = number_indices(numpy.array([1, 0, 7]), "data", classes)
            assert found.indices.tolist() == [1, 0, 7]
            assert found.notes == ()

    def test_they_are_names_where_the_spec_has_such(self) -> None:
        found = number_indices(numpy.array([[2, 10], [1, 10]]), "data", ("1", "2", "x", "10"))
        assert found.indices.tolist() == [[1, 3], [0, 3]]
        assert found.notes == (
            "the labels of `data` are names of classes, as the spec has a class `1` at index 0",
        )

    def test_a_number_that_no_class_has_is_an_error(self) -> None:
        with complaint(
            "CNN802",
            "the labels of `data` are not the classes of the network: they have also `0`, `3`",
            "label by the numbers that the spec's `classes` have; for indices, counted from 0, take"
            " `classes` out of the spec",
            "the network has `1`, `2`",
            "whole numbers are names and no indices here, as there is a class `1` at index 0",
        ):
            number_indices(numpy.array([1, 3, 0]), "data", ("1", "2"))
        with pytest.raises(UserError, match="have also `1`"):
            number_indices(numpy.array([1]), "data", ("9" * 30,))

    def test_two_classes_of_one_number_are_an_error(self) -> None:
        with pytest.raises(UserError, match="two classes of the spec are the number 1"):
            number_indices(numpy.array([1]), "data", ("1", "01"))


def test_folders_that_are_numbers_are_indices_where_training_counts() -> None:
    order, classes = class_indices(["1", "0"], (), "data", "folders", counted=True)
    assert (order.tolist(), classes) == ([1, 0], ())
    assert notes_on_names(["1", "2", "10"], "data", "folders") == (
        "the folders of `data` are names of classes, in this order: `1`, `2`, `10`",
    )
    assert notes_on_names(["0", "1"], "data", "folders") == ()

"""Did you mean: what counts as near, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.diagnostics.words import closest

LAYERS = ("conv", "maxpool", "minpool", "batchnorm", "dropout", "dense", "relu", "leakyrelu")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("maxpol", "maxpool"),  # a letter left out
        ("maxpoool", "maxpool"),  # one too many
        ("mxapool", "maxpool"),  # two swapped
        ("maxpopl", "maxpool"),  # one replaced
        ("MaxPool", "maxpool"),
        ("max_pool", "maxpool"),
        ("batch-norm", "batchnorm"),
        ("drop", "dropout"),  # a beginning
        ("cnov", "conv"),
    ],
)
def test_a_slip_finds_the_word_that_was_meant(word: str, meant: str) -> None:
    assert closest(word, LAYERS)[0] == meant


@pytest.mark.parametrize("word", ["", "x", "transformer", "abcdefgh", "co"])
def test_what_is_far_from_everything_finds_nothing(word: str) -> None:
    assert closest(word, LAYERS) == ()


def test_a_single_letter_is_no_misspelling_of_another() -> None:
    assert closest("k", ["n", "w"]) == ()
    assert closest("C2", ["C1"]) == ("C1",)


def test_the_nearest_come_first_and_at_most_three_are_given() -> None:
    candidates = ["stride4", "strides", "stride", "strid", "strida"]
    found = closest("strdie", candidates)
    assert found[0] == "stride"
    assert len(found) == 3


def test_a_difference_in_case_alone_leaves_no_doubt() -> None:
    assert closest("c1", ["C1", "C2", "c3"]) == ("C1",)


def test_many_and_long_candidates_cost_little() -> None:
    many = [f"layer{number}.conv" for number in range(100_000)]
    assert closest("layer7.conw", many)[0] == "layer7.conv"
    assert closest("a" * 1_000_000, ["a" * 999_999]) == ()


@given(st.text(max_size=12), st.lists(st.text(max_size=12), max_size=8))
def test_any_text_gives_candidates_only(word: str, candidates: list[str]) -> None:
    found = closest(word, candidates)
    assert len(found) <= 3
    assert set(found) <= set(candidates)

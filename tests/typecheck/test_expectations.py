"""`expect` and class names are held against the finished network."""

from __future__ import annotations

import pytest
from checked_specs import codes, only

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.pipeline import check_text

LENET = (
    "input 1x32x32\nconv 6@5 -> tanh -> avgpool 2\nconv 16@5 -> tanh -> avgpool 2\n"
    "flatten -> dense 120 -> tanh -> dense 84 -> tanh -> dense 10 -> softmax\n"
)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("params", "61706"),
        ("trainable_params", "61706"),
        ("buffers", "0"),
        ("macs", "416520"),
        ("output", "10"),
        ("receptive_field", "32x32"),
        ("depth", "5"),
        ("weight_bytes", "246824"),
    ],
)
def test_a_quantity_of_lenet_is_known(quantity: str, value: str) -> None:
    assert codes(f"{LENET}expect {quantity} {value}\n") == []
    wrong = only(f"{LENET}expect {quantity} 7\n")
    assert wrong.code == "CNN402"
    assert wrong.message == f"`{quantity}` is {value}, not 7"
    (fix,) = wrong.fixes
    assert not fix.safe, "the network may be what is wrong"
    text = f"{LENET}expect {quantity} 7\n"
    assert check_text(apply_edits(text, fix.edits)).diagnostics == ()


def test_a_wrong_number_is_underlined_alone() -> None:
    assert only(f"{LENET}expect receptive_field 5x5\n").span.text == "5x5"


def test_nothing_is_expected_of_a_network_with_errors() -> None:
    assert codes("input 4\ncnov 3\nexpect params 7\nexpect output 3\n") == [(2, "CNN101")]
    assert codes("input 3x8x8\nconv 4@9\nexpect params 7\n") == [(2, "CNN302")]


def test_a_hole_is_what_the_network_has() -> None:
    text = f"{LENET}expect params ?\n"
    diagnostic = only(text)
    assert diagnostic.code == "CNN403"
    (fix,) = diagnostic.fixes
    assert fix.safe
    assert apply_edits(text, fix.edits) == f"{LENET}expect params 61706\n"


@pytest.mark.parametrize(("classes", "expected"), [(9, 1), (10, 0), (11, 1)])
def test_there_is_a_class_for_every_unit(classes: int, expected: int) -> None:
    names = ", ".join(f'"{name}"' for name in range(classes))
    assert len(codes(f"{LENET}classes {names}\n")) == expected

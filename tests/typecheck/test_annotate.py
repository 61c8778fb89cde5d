"""`--annotate` writes claims that are missing and refreshes those that do not hold."""

from __future__ import annotations

import pytest

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.pipeline import check_text

HEAD = "input 3x8x8\n"


def annotated(text: str) -> str:
    edits = check_text(text, annotate=True).annotations
    return apply_edits(text, edits)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("conv 4@3\n", "conv 4@3 => 4x6x6\n"),
        ("conv 4@3 -> relu\n", "conv 4@3 -> relu => 4x6x6\n"),
        ("conv 4@3 => 1x1x1\n", "conv 4@3 => 4x6x6\n"),
        ("conv 4@3 => 1x1x1 -> relu\n", "conv 4@3 => 4x6x6 -> relu => 4x6x6\n"),
        ("conv 4@3   => 4x6x6\n", "conv 4@3   => 4x6x6\n"),
        ("flatten -> dense 7\n", "flatten -> dense 7 => 7\n"),
        ("conv 4@3 # why\n", "conv 4@3 => 4x6x6 # why\n"),
        ("conv 4@3\nexpect params 7\n", "conv 4@3 => 4x6x6\nexpect params 112\n"),
        ("conv 4@3\nexpect output 1x2\n", "conv 4@3 => 4x6x6\nexpect output 4x6x6\n"),
        ("conv 4@3\nexpect params ?\n", "conv 4@3 => 4x6x6\nexpect params 112\n"),
    ],
)
def test_claims_are_written_and_made_true(before: str, after: str) -> None:
    assert annotated(HEAD + before) == HEAD + after
    assert check_text(HEAD + after).diagnostics == ()


def test_a_text_that_was_annotated_stays_as_it_is() -> None:
    text = annotated(
        f"{HEAD}block b() {{ relu => 1x1x1 }}\nb()\nadd(relu, tanh)\nrepeat 2 {{ relu }}\n"
    )
    assert annotated(text) == text
    assert check_text(text).diagnostics == ()


def test_a_claim_of_several_shapes_is_left_alone() -> None:
    text = f"{HEAD}block b() {{ maxpool 2 => 3x4x4 }}\nb() => 3x4x4\nb() => 3x2x2\n"
    assert "maxpool 2 => 3x4x4" in annotated(text)


def test_a_network_with_faults_gets_no_claims() -> None:
    assert check_text(f"{HEAD}conv 4@99\n", annotate=True).annotations == ()
    assert check_text(f"{HEAD}cnov 4@3\n", annotate=True).annotations == ()
    assert check_text("block b() { relu }\n", annotate=True).annotations == ()
    assert check_text("", annotate=True).annotations == ()


def test_expectations_stay_where_a_parameter_is_set() -> None:
    text = f"param k = 4\n{HEAD}conv k@3\nexpect params 112\n"
    assert check_text(text, parameters={"k": 5}, annotate=True).annotations == ()


@pytest.mark.parametrize(
    "text",
    [
        "input ?x8x8\nmaxpool 2\nconv 4@3\n",
        "input 3x8x8\nconv 4@3 padding ?\nrelu\n",
        "input ?x8x8\nmaxpool 2 => 1x1x1\nrelu\n",
        "input 3x?x?\nadd(conv 3@1, identity)\n",
        "block b(p) { conv 4@3 padding p }\ninput 3x8x8\nb(?) -> relu\n",
        "let p = ?\ninput 3x8x8\nconv 4@3 padding p\nexpect params 7\n",
        "input 3x8x8\nconv 4@3 padding ?\nglobalavgpool\n",
        "param k = 4\nrounding flor\ninput 3x8x8\nmaxpool 3\n",
        "input 3x8x8\nrepeat 2 { relu => ?x?x? -> conv 2@1 }\n",
    ],
)
def test_what_hangs_on_a_hole_or_a_mistake_is_left_alone(text: str) -> None:
    assert annotated(text) == text


def test_claims_stand_before_a_hole() -> None:
    text = f"{HEAD}conv 4@3\nconv 4@3 padding ?\nrelu\n"
    assert annotated(text) == text.replace("conv 4@3\n", "conv 4@3 => 4x6x6\n")


def test_a_claim_with_a_hole_stays_as_it_is() -> None:
    text = f"{HEAD}conv 4@3 => ?x6x6\nrelu => 3x?\n"
    assert annotated(text) == text


def test_claims_are_not_written_where_a_parameter_is_set() -> None:
    text = f"param k = 4\n{HEAD}conv k@3\n"
    assert check_text(text, parameters={"k": 5}, annotate=True).annotations == ()


def test_a_false_claim_for_several_shapes_has_no_fix() -> None:
    (item,) = check_text(f"{HEAD}repeat 2 {{ conv 3@3 => 3x6x6 }}\n").diagnostics
    assert item.code == "CNN401"
    assert not item.fixes
    assert "(3x6x6, 3x4x4)" in item.help

"""What the checker says of each pair of last layers and loss is what docs/training.md says."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from cnndsl.diagnostics.model import Diagnostic, Severity
from cnndsl.pipeline import check_text
from cnndsl.resources import docs

HEAD = "| last layers |"


def table() -> Iterator[tuple[str, str, set[str]]]:
    """The table's cells: the layers, the loss, and the codes that the checker gives."""
    page = (docs() / "training.md").read_text(encoding="utf-8")
    rows = page[page.index(HEAD) :].split("\n\n")[0].splitlines()
    losses = [cell.strip(" `") for cell in rows[0].split("|")[2:-1]]
    for row in rows[2:]:
        layers, *cells = (cell.strip() for cell in row.split("|")[1:-1])
        for loss, cell in zip(losses, cells, strict=True):
            yield layers.strip("`"), loss, set() if cell == "fits" else set(cell.split(", "))


CELLS = [*table()]


def check(layers: str, loss: str, size: str = "6") -> tuple[Diagnostic, ...]:
    text = f"input {size}\n{layers}\ntrain {{\n  loss {loss}\n}}\n"
    return check_text(text).diagnostics


def test_the_table_has_every_loss_and_many_endings() -> None:
    assert len(CELLS) >= 80
    assert {loss for _, loss, _ in CELLS} == {"crossentropy", "binarycrossentropy", "hinge", "mse"}


def named(cell: object) -> str:
    """A cell of the table; the codes of one in their order, which a set does not have."""
    return " ".join(sorted(cell)) if isinstance(cell, set) else str(cell)


@pytest.mark.parametrize(("layers", "loss", "codes"), CELLS, ids=named)
def test_a_pair_of_last_layer_and_loss_is_judged_as_the_page_says(
    layers: str, loss: str, codes: set[str]
) -> None:
    assert {found.code for found in check(layers, loss)} == codes


@pytest.mark.parametrize("loss", ["mae", "huber delta 2"])
def test_other_losses_of_values_are_judged_as_squares_are(loss: str) -> None:
    for layers, other, codes in CELLS:
        if other == "mse":
            assert {found.code for found in check(layers, loss)} == codes


@pytest.mark.parametrize(("layers", "loss", "codes"), CELLS, ids=named)
def test_without_a_recipe_nothing_is_said(layers: str, loss: str, codes: set[str]) -> None:
    assert check_text(f"input 6\n{layers}\n").diagnostics == ()


@pytest.mark.parametrize(
    ("layers", "codes"),
    [
        ("conv 4@1 -> softmax", []),
        ("conv 4@1 -> softmax -> globalavgpool", ["CNN505"]),
        ("conv 4@1 -> softmax -> avgpool 2 -> flatten", ["CNN505"]),
        ("conv 4@1 -> sigmoid -> maxpool 2", ["CNN505"]),
        ("conv 4@1 -> relu -> globalavgpool -> softmax", []),
        ("conv 4@1 -> relu -> globalavgpool", []),
        ("conv 4@1 -> globalavgpool -> relu -> softmax", ["CNN505"]),
        ("conv 4@1\nconcat(softmax, sigmoid)", ["CNN505"]),
        ("conv 4@1\nconcat(softmax, identity)", []),
        ("conv 4@1\nadd(softmax, sigmoid) -> softmax", ["CNN505"]),
        ("conv 4@1\nmaximum(softmax, identity)", []),
        ("conv 4@1\nmultiply(softmax, identity) -> softmax", []),
        ("conv 4@1 -> softmax -> flatten", ["CNN505"]),
    ],
)
def test_bounds_are_followed_through_layers(layers: str, codes: list[str]) -> None:
    assert [found.code for found in check(layers, "crossentropy", "3x4x4")] == codes


@pytest.mark.parametrize("head", ["block head() { dense 5 -> sigmoid }\n", ""])
def test_the_limit_is_what_training_would_stick_at(head: str) -> None:
    layers = "head()" if head else "dense 5 -> sigmoid"
    text = f"{head}input 6\n{layers}\ntrain {{\n  loss crossentropy\n}}\n"
    [found] = check_text(text).diagnostics
    assert f"cannot fall below {math.log(1 + 4 / math.e):.2f}" in found.message
    assert found.severity is Severity.WARNING
    assert found.span.first.line == text[: text.index(f"\n{layers}\n")].count("\n") + 2


def test_a_margin_that_bounded_scores_can_have_between_them_is_fine() -> None:
    assert check("dense 4 -> softmax", "hinge margin 0.5") == ()
    [found] = check("dense 4 -> tanh", "hinge margin 3")
    assert "cannot fall below 3.00: the scores lie between -1 and 1" in found.message


def test_the_word_that_fits_is_offered_in_the_layers_place() -> None:
    for layer, loss, word in (
        ("sigmoid", "crossentropy", "softmax"),
        ("softmax", "binarycrossentropy", "sigmoid"),
    ):
        [found] = check(f"dense 4 -> {layer}", loss)
        [fix] = found.fixes
        assert [(edit.span.text, edit.text) for edit in fix.edits] == [(layer, word)]
        assert not fix.safe


def test_dropout_is_sent_before_the_layer_that_learns() -> None:
    [found] = check("dense 4 -> softmax -> dropout 0.1", "crossentropy")
    assert found.help == "put it before `dense 4`, or take it out"

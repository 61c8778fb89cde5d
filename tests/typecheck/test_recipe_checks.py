"""What a recipe and its network have against each other, beside the loss."""

from __future__ import annotations

import pytest

from cnndsl.diagnostics.model import Diagnostic, Severity
from cnndsl.elaborate.overrides import override
from cnndsl.pipeline import check_text, typed
from cnndsl.recipe.recipe import Recipe
from cnndsl.typecheck.recipe_checks import recipe_problems

BODY = """input 6
block tower(stream x) { x -> dense 4 -> relu -> dense 3 }
a: dense 5
stem: relu
aux = tower(stem)
stem -> b: dense 4 -> softmax
output aux, stem
"""


def found(train: str, body: str = "input 6\na: dense 5\nb: dense 4\nsoftmax") -> list[Diagnostic]:
    lines = "".join(f"  {line.strip()}\n" for line in train.split(";"))
    return list(check_text(f"{body}\ntrain {{\n{lines}}}\n").diagnostics)


def codes(train: str, body: str = "input 6\na: dense 5\nb: dense 4\nsoftmax") -> list[str]:
    return [one.code for one in found(train, body)]


# --- outputs ----------------------------------------------------------------------------------


def test_an_output_with_layers_of_its_own_is_said_not_to_be_trained() -> None:
    [one] = found("epochs 3", BODY)
    assert (one.code, one.span.text, one.severity) == ("CNN504", "aux", Severity.WARNING)
    assert "`tower1.dense1`, `tower1.dense2`" in one.notes[0]


def test_a_feature_on_the_way_to_the_main_output_is_trained_with_it() -> None:
    text = BODY.replace("output aux, stem", "output stem").replace("aux = tower(stem)\n", "")
    text = text.replace("block tower(stream x) { x -> dense 4 -> relu -> dense 3 }\n", "")
    assert codes("epochs 3", text) == []


def test_frozen_layers_are_meant_to_stay_as_they_are() -> None:
    assert codes("freeze tower1", BODY) == []


def test_without_a_recipe_it_is_said_when_training_starts() -> None:
    assert check_text(BODY).diagnostics == ()
    network = typed(check_text(BODY))
    assert [one.code for one in recipe_problems(network, Recipe())] == ["CNN504"]


# --- statistics -------------------------------------------------------------------------------

VECTOR = "input 6\na: dense 5 -> n: batchnorm\nrelu -> dense 4 -> softmax"
MAPS = "input 1x4x4\na: conv 5@1 -> n: batchnorm\nrelu -> flatten -> dense 4 -> softmax"


@pytest.mark.parametrize(
    ("train", "body", "expected"),
    [
        ("batch 1", VECTOR, ["CNN313"]),
        ("batch 2", VECTOR, []),
        ("epochs 3", VECTOR, []),
        ("batch 1", MAPS, []),
        ("batch 1", MAPS.replace("5@1", "5@4"), ["CNN313"]),
        ("batch 1; freeze n", VECTOR, []),
        ("batch 1; freeze a", VECTOR, ["CNN313"]),
    ],
)
def test_batch_normalisation_needs_two_values(train: str, body: str, expected: list[str]) -> None:
    assert codes(train, body) == expected


def test_normalisation_that_only_another_output_needs_is_never_trained() -> None:
    body = "input 6\na: dense 5\naux = a -> batchnorm\na -> dense 4 -> softmax\noutput aux"
    assert codes("batch 1", body) == ["CNN504"]


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "train",
    [
        "epochs 5; schedule multistep at [5, 9]",
        "epochs 5; schedule multistep at [6]",
        "schedule multistep at [1, 5]",
        "schedule multistep at [3, 5] warmup 3",
        "epochs 5; schedule step every 5",
        "schedule step every 2 warmup 3",
        "epochs 5; early_stop 4",
        "epochs 5; early_stop 40",
        "epochs 5; schedule plateau patience 4",
        "epochs 50; schedule plateau patience 4; early_stop 4",
        "schedule cosine warmup_lr 0.001",
        "schedule cosine warmup 1 warmup_lr 0.01",
        "schedule cosine min_lr 0.01",
        "schedule plateau min_lr 0.02",
        "weight_decay 0 all yes",
        "init constant(0.1)",
        "init uniform(0)",
        "init normal(0)",
        "freeze softmax1",
        "lr_factor softmax1 0.1",
        "freeze a; lr_factor a 0.1",
        "max_norm softmax1 3",
        "freeze a; max_norm a 3",
    ],
)
def test_what_does_nothing_is_said(train: str) -> None:
    assert codes(train) == ["CNN213"]


@pytest.mark.parametrize(
    "train",
    [
        "epochs 5; schedule multistep at [2, 5]",
        "schedule multistep at [4, 5] warmup 3",
        "epochs 5; schedule step every 4",
        "schedule step every 3 warmup 3",
        "epochs 5; early_stop 3",
        "epochs 6; schedule plateau patience 4",
        "epochs 50; schedule plateau patience 4; early_stop 5",
        "schedule cosine warmup 1 warmup_lr 0.001 min_lr 0.0001",
        "weight_decay 0",
        "weight_decay 0.1 all yes",
        "init normal(0.01)",
        "init he",
        "freeze a; lr_factor b 0.1",
        "loss crossentropy smoothing 0.1",
    ],
)
def test_what_does_something_is_not(train: str) -> None:
    assert codes(train) == []


def test_every_drop_beyond_the_last_epoch_is_named() -> None:
    [one] = found("epochs 5; schedule multistep at [5, 9, 12]")
    assert one.message == "no drop at the epochs 9 and 12: training has 5 epochs"
    assert one.span.text == "[5, 9, 12]"


def test_the_nearest_label_decides_the_factor_of_a_rate() -> None:
    body = "input 6\nblock two() { dense 5 -> dense 4 }\nu: two()\nsoftmax"
    assert codes("lr_factor u 0.1; lr_factor u.dense1 0.5", body) == []
    both = "lr_factor u 0.1; lr_factor u.dense1 0.5; lr_factor u.dense2 0.5"
    [one] = found(both, body)
    assert (one.code, one.span.text) == ("CNN213", "u")
    assert "a nearer label decides" in one.message


def test_an_initialiser_that_no_layer_leaves_to_the_recipe_does_nothing() -> None:
    body = "input 6\na: dense 4 init he\nsoftmax"
    assert codes("init glorot", body) == ["CNN213"]
    assert codes("epochs 3", body) == []


@pytest.mark.parametrize("labels", ["a b", "a; freeze b"])
def test_a_network_frozen_as_a_whole_is_warned_of(labels: str) -> None:
    [one] = found(f"freeze {labels}")
    assert (one.code, one.severity) == ("CNN808", Severity.WARNING)


def test_an_override_is_judged_by_the_recipe_that_it_makes() -> None:
    network = typed(check_text("input 6\ndense 4 -> softmax\ntrain { batch 8 }\n"))
    changed = override(network, ["train.loss=binarycrossentropy", "train.early_stop=20"])
    assert changed.network.recipe is not None
    problems = recipe_problems(changed, changed.network.recipe)
    assert [one.code for one in problems] == ["CNN505", "CNN213"]

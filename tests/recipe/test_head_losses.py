"""Losses of several heads: how a recipe states them, and what they mean for the network."""

from __future__ import annotations

import json

import pytest
from checked_specs import codes, network

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.canonical import canonical_text
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.overrides import override
from cnndsl.elaborate.unparse import recipe_text
from cnndsl.recipe.heads import HeadLoss
from cnndsl.recipe.losses.crossentropy import CrossEntropy
from cnndsl.recipe.losses.hinge import Hinge
from cnndsl.recipe.losses.mse import MeanSquaredError
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.split import build_split
from cnndsl.training.step import build_step
from cnndsl.typecheck.answers import answers_of
from cnndsl.typecheck.heads import heads_of, judged_outputs

LAYERS = """\
input 1x8x8
stem: conv 4@3 -> relu
flatten -> mse: dense 3
stem -> globalavgpool -> aux: dense 3
stem -> globalavgpool -> dense 3 -> softmax
output mse
"""


def trained(*lines: str) -> TypedNetwork:
    return network(LAYERS + "train {\n" + "\n".join(lines) + "\n}\n")


def heads(typed: TypedNetwork) -> list[tuple[str, str, float]]:
    return [(head.name, head.loss.keyword, head.weight) for head in heads_of(typed.network)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), [("output", "crossentropy", 1.0)]),
        (("loss hinge",), [("output", "hinge", 1.0)]),
        (("loss hinge weight 2",), [("output", "hinge", 2.0)]),
        (("loss output hinge",), [("output", "hinge", 1.0)]),
        (
            ("loss aux crossentropy weight 0.3",),
            [("output", "crossentropy", 1.0), ("aux", "crossentropy", 0.3)],
        ),
        (("loss mse mse",), [("output", "crossentropy", 1.0), ("mse", "mse", 1.0)]),
        (("loss mse",), [("output", "mse", 1.0)]),
        (
            ("loss aux hinge margin 2 weight 0.5", "loss mse", "loss mse crossentropy"),
            [("output", "mse", 1.0), ("aux", "hinge", 0.5), ("mse", "crossentropy", 1.0)],
        ),
    ],
)
def test_heads(lines: tuple[str, ...], expected: list[tuple[str, str, float]]) -> None:
    typed = trained(*lines)
    assert heads(typed) == expected
    recipe = typed.network.recipe
    assert recipe is not None
    assert heads(network(LAYERS + recipe_text(recipe))) == expected
    assert heads(network(canonical_text(typed.network))) == expected
    json.dumps(recipe.to_json())


def test_a_recipe_of_one_loss_says_nothing_new() -> None:
    assert not {"heads", "loss_weight"} & set(Recipe().to_json())
    several = Recipe(heads=(HeadLoss("aux", Hinge(margin=2.0), 0.5),)).to_json()
    assert several["heads"] == [
        {"head": "aux", "loss": {"name": "hinge", "margin": 2.0}, "weight": 0.5}
    ]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("train.loss.aux.weight=0.5", ("aux", "hinge", 0.5)),
        ("train.loss.aux=crossentropy", ("aux", "crossentropy", 1.0)),
        ("train.loss.aux=crossentropy weight 3", ("aux", "crossentropy", 3.0)),
        ("train.loss.relu1=mse weight 3", ("relu1", "mse", 3.0)),
        ("train.loss.weight=2", ("output", "mse", 2.0)),
        ("train.loss.output.weight=2", ("output", "mse", 2.0)),
        ("train.loss=hinge", ("output", "hinge", 1.0)),
    ],
)
def test_overrides(setting: str, expected: tuple[str, str, float]) -> None:
    typed = override(trained("loss mse", "loss aux hinge margin 2 weight 0.3"), [setting])
    found = heads(typed)
    assert expected in found
    assert len(found) == 2 + (expected[0] == "relu1")
    assert heads(network(canonical_text(typed.network))) == found


def test_overrides_of_attributes_keep_the_others() -> None:
    typed = override(trained("loss aux hinge margin 2"), ["train.loss.aux.weight=0.5"])
    assert heads_of(typed.network)[1].loss == Hinge(margin=2.0)
    typed = override(typed, ["train.loss.aux.margin=3"])
    assert heads_of(typed.network)[1].weight == 0.5
    assert heads_of(typed.network)[1].loss == Hinge(margin=3.0)


def test_an_override_takes_a_loss_away() -> None:
    typed = override(trained("loss aux hinge"), ["train.loss.aux=none"])
    assert heads(typed) == [("output", "crossentropy", 1.0)]
    with pytest.raises(UserError, match="loss"):
        override(typed, ["train.loss=none"])
    with pytest.raises(UserError, match="loss"):
        override(typed, ["train.loss.nope=mse"])


# --- what they mean ---------------------------------------------------------------------------


def test_what_a_loss_reads_is_used_and_trained() -> None:
    text = "input 4\nx = dense 2\ndense 3 -> softmax\ntrain {{\n{}\n}}\n"
    assert [code for _, code in codes(text.format("loss x mse"))] == []
    assert [code for _, code in codes(text.format("loss mse"))] == ["CNN120"]
    outputs = text.replace("train", "output x\ntrain")
    assert [code for _, code in codes(outputs.format("loss x mse"))] == []
    assert [code for _, code in codes(outputs.format("batch 4"))] == ["CNN504"]


def test_an_output_without_a_loss_among_several_is_told_of() -> None:
    text = "input 4\nx = dense 2\ny = dense 2\ndense 3 -> softmax\noutput x, y\n"
    (problem,) = _problems(f"{text}train {{\nloss x mse\n}}\n")
    assert problem == "the output `y` is not trained: none of the 2 losses depends on it"


def _problems(text: str) -> list[str]:
    from cnndsl.pipeline import check_text

    return [item.message for item in check_text(text).diagnostics]


def test_freezing_a_head_that_only_training_has_does_something() -> None:
    text = LAYERS + "train {\nloss aux crossentropy\nfreeze aux\n}\n"
    assert codes(text) == [(6, "CNN504")]


def test_outputs_mean_what_their_own_losses_say() -> None:
    text = "input 4\nx = dense 2\ny = dense 2\ndense 3 -> softmax\noutput x, y\n"
    typed = network(f"{text}train {{\nloss x hinge\nloss y mse\n}}\n")
    kinds = {name: (one.kind, one.ranked) for name, one in answers_of(typed).items()}
    assert kinds == {
        "output": ("probability", True),
        "x": ("score", True),
        "y": ("value", False),
    }


def test_only_outputs_are_judged_without_training() -> None:
    typed = trained("loss aux crossentropy", "loss mse mse")
    assert [head.name for head in judged_outputs(typed.network)] == ["output", "mse"]


def test_a_head_is_called_after_the_output_that_it_is() -> None:
    text = "input 4\nx = a: dense 2\ndense 3 -> softmax\noutput x\ntrain {\nloss a mse\n}\n"
    assert [head.name for head in heads_of(network(text).network)] == ["output", "x"]


def test_the_step_names_labels_losses_and_metrics_after_heads() -> None:
    signature = build_step(trained("loss aux crossentropy", "loss mse mse weight 2")).signature
    assert {name: (spec.name, spec.dims) for name, spec in signature.labels.items()} == {
        "output": ("labels", (32,)),
        "aux": ("labels.aux", (32,)),
        "mse": ("labels.mse", (32, 3)),
    }
    assert signature.loss == "loss"
    assert signature.losses == {
        "output": "loss.output",
        "aux": "loss.aux",
        "mse": "loss.mse",
    }
    assert {name: one.output for name, one in signature.metrics.items()} == {
        "output": "correct",
        "aux": "correct.aux",
        "mse": "absolute_error.mse",
    }
    described = signature.description()
    assert set(described["losses"]) == {"output", "aux", "mse"}  # type: ignore[call-overload]


def test_one_loss_has_no_further_outputs() -> None:
    signature = build_step(trained("loss crossentropy")).signature
    assert signature.losses == {}
    assert "losses" not in signature.description()


def test_split_steps_have_all_heads() -> None:
    gradient, update = build_split(trained("loss aux crossentropy", "loss mse mse"))
    assert set(gradient.signature.labels) == {"output", "aux", "mse"}
    assert set(update.signature.updated) >= {"aux.weight", "mse.weight"}
    gradient.to_proto()


def test_a_weight_with_the_name_of_a_steps_output_is_refused() -> None:
    text = "input 4\nloss: dense 4\nweight: dense 2\ninput -> dense 3 -> softmax\n"
    typed = network(f"{text}train {{\nloss weight crossentropy\n}}\n")
    with pytest.raises(UserError, match="name of one of a training step's own"):
        build_step(typed)


def test_a_head_that_the_network_lacks_is_refused() -> None:
    recipe = Recipe(heads=(HeadLoss("nope", MeanSquaredError()),), loss=CrossEntropy())
    with pytest.raises(UserError, match="`nope`"):
        build_step(trained(), recipe)
